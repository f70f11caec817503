"""Where a GS1 resolver sends people who ask for a product: its links, one of them the default.

Of the links of a product that are in use exactly one is the default; the first becomes it, and it stays until
another takes its place. A product without links answers for itself.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import text

from codegen.digital_link import InvalidLink
from codegen.digital_link_compression import decompress
from codegen.gs1_ais import primary_keys
from kernel import audit
from kernel.db import Tx
from kernel.errors import NotFound
from traceability import catalogue
from traceability.catalogue import Shown
from traceability.changes import EditedMeanwhile, Problem, judge_text, refuse
from traceability.link_types import TITLES

HREF_CHARS_MAX: Final = 2_000
TITLE_CHARS_MAX: Final = 120
MEDIA_TYPE_CHARS_MAX: Final = 100
CONTEXT_CHARS_MAX: Final = 40
LINKS_MAX: Final = 50
"""Links of one product."""

_COLUMNS: Final = "id, gtin, type, href, title, title_en, hreflang, media_type, context, is_default, active, version"
_URL: Final = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PORT: Final = re.compile(r"\.?(?::[0-9]*)?$")
_LANGUAGE: Final = re.compile("[a-z]{2}(?:-[A-Z]{2})?")
_MEDIA_TYPE: Final = re.compile(
    r"(?:application|audio|font|haptics|image|message|model|multipart|text|video)/[a-z0-9][a-z0-9.+-]*"
)
_CONTEXT: Final = re.compile("[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person says of a link.

    Attributes:
        type: its kind, a name of `link_types.TITLES`.
        href: where it leads.
        title: Chinese.
        title_en: English.
        hreflang: language of what it leads to (`zh`, `en-GB`), or empty.
        media_type: of what it leads to (`text/html`), or empty.
        context: for whom or where it is meant, such as a country's code, or empty.
        is_default: whether the product's link is this one unless another is asked for.
        active: whether it is in use.
    """

    type: str
    href: str
    title: str
    title_en: str
    hreflang: str = ""
    media_type: str = ""
    context: str = ""
    is_default: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class ProductLink:
    """A link of a product."""

    id: int
    gtin: str
    terms: Terms
    version: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """A product as the resolver knows it: its names, and its links that are in use, the default first."""

    shown: Shown
    links: tuple[ProductLink, ...]


def judge(terms: Terms, *, own_hosts: Iterable[str]) -> list[Problem]:
    """Everything that is wrong with a link's terms. Pure.

    Args:
        terms: what was said.
        own_hosts: hosts, perhaps with ports, at which this resolver answers: a link to a GS1 Digital Link there
            would lead in a circle.
    """
    found: list[Problem] = []
    if terms.type not in TITLES:
        found.append(Problem("type", "link_type", f"{terms.type[:60]!r} is no link type of GS1 for products."))
    found += _judge_href(terms.href, own_hosts)
    found += judge_text("title", terms.title, least=1, most=TITLE_CHARS_MAX)
    found += judge_text("title_en", terms.title_en, least=1, most=TITLE_CHARS_MAX)
    if terms.hreflang and not _LANGUAGE.fullmatch(terms.hreflang):
        found.append(Problem("hreflang", "link_language", "A language is written as in zh or en-GB."))
    for name, value, form, most, kind, sentence in (
        ("media_type", terms.media_type, _MEDIA_TYPE, MEDIA_TYPE_CHARS_MAX, "link_media", "as in text/html"),
        ("context", terms.context, _CONTEXT, CONTEXT_CHARS_MAX, "link_context", "of letters, digits, dots, hyphens"),
    ):
        if value and (len(value) > most or not form.fullmatch(value)):
            found.append(
                Problem(name, kind, f"{name} is written {sentence}, at most {most} characters.", {"most": most})
            )
    if terms.is_default and not terms.active:
        found.append(Problem("active", "link_default_off", "The default link has to be in use."))
    return found


def _judge_href(href: str, own_hosts: Iterable[str]) -> list[Problem]:
    if len(href) > HREF_CHARS_MAX:
        sentence = f"An address has at most {HREF_CHARS_MAX:,} characters."
        return [Problem("href", "link_long", sentence, {"most": f"{HREF_CHARS_MAX:,}"})]
    if not _URL.fullmatch(href):
        sentence = "An address begins with https:// or http:// and holds no spaces and no other scripts' characters."
        return [Problem("href", "link_href", sentence)]
    try:
        parts = urlsplit(href)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("https://")
    # Of a user name the browser shows the part that looks like a host.
    if "@" in parts.netloc or port == 0 or not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
        return [Problem("href", "link_host", "The address has no plain host: leave out user name and password.")]
    if leads_back(href, own_hosts):
        return [Problem("href", "link_circle", "The address is this resolver's own: it would lead in a circle.")]
    return []


def leads_back(href: str, own_hosts: Iterable[str]) -> bool:
    """Whether an address is a Digital Link, compressed or not, at one of the resolver's own hosts, on any port."""
    parts = urlsplit(href)
    if _PORT.sub("", parts.netloc.lower()) not in {_PORT.sub("", each.lower()) for each in own_hosts}:
        return False
    # As a browser asks for it, which takes dots out of a path.
    path = posixpath.normpath(unquote(parts.path)).lstrip("/")
    if path.partition("/")[0] in primary_keys():
        return True
    try:
        decompress(f"https://a/{path}")
    except InvalidLink:
        return False
    return True


async def all_of(tx: Tx, *, brand_id: int, gtin: str) -> list[ProductLink]:
    """The links of a brand's product, those in use first, the default at the head.

    Raises:
        NotFound: the brand has no such product.
    """
    await catalogue.product(tx, gtin, brand_id=brand_id)
    return await _read(tx, gtin)


async def one(tx: Tx, link_id: int, *, brand_id: int, gtin: str) -> ProductLink:
    """A link of a brand's product.

    Raises:
        NotFound: there is none.
    """
    found = next((each for each in await all_of(tx, brand_id=brand_id, gtin=gtin) if each.id == link_id), None)
    if found is None:
        raise NotFound(f"Product {gtin} has no link {link_id}; `yima product links list` names them.")
    return found


async def resolve(tx: Tx, gtin: str) -> Resolved | None:
    """A product of any brand by its GTIN (14 digits), with its links in use; None if it is not ours."""
    shown = (await catalogue.shown(tx, [gtin])).get(gtin)
    if shown is None:
        return None
    return Resolved(shown, tuple(each for each in await _read(tx, gtin) if each.terms.active))


async def add(tx: Tx, terms: Terms, *, brand_id: int, gtin: str, own_hosts: Iterable[str], actor: str) -> ProductLink:
    """Give a product a link; its first one in use becomes the default.

    Raises:
        InvalidInput: the terms are wrong (the detail `problems` names all of them), or the product has as many
            links as it may.
        NotFound: the brand has no such product.
    """
    refuse(judge(terms, own_hosts=own_hosts))
    await catalogue.product(tx, gtin, brand_id=brand_id, locked=True)
    links = await _read(tx, gtin)
    if len(links) >= LINKS_MAX:
        refuse([Problem("", "link_many", f"A product has at most {LINKS_MAX} links.", {"most": LINKS_MAX})])
    refuse(_judge_beside(terms, links))
    if terms.active and not any(each.terms.is_default for each in links):
        terms = replace(terms, is_default=True)
    if terms.is_default:
        await _unset_default(tx, gtin)
    row = await tx.execute(
        text("""
            INSERT INTO product_link
                (brand_id, gtin, type, href, title, title_en, hreflang, media_type, context, is_default, active)
            VALUES (:brand, :gtin, :type, :href, :title, :title_en, :hreflang, :media_type, :context, :is_default,
                :active)
            RETURNING id"""),
        {"brand": brand_id, "gtin": gtin, **asdict(terms)},
    )
    made = ProductLink(row.scalar_one(), gtin, terms, 1)
    await _tell(tx, brand_id, actor, "product.link.add", made, after=asdict(terms))
    return made


async def change(
    tx: Tx, link_id: int, terms: Terms, *, brand_id: int, gtin: str, version: int, own_hosts: Iterable[str], actor: str
) -> ProductLink:
    """Change a link.

    Raises:
        InvalidInput: the terms are wrong, or would leave the product's links without a default.
        NotFound: there is no such link.
        EditedMeanwhile: somebody else saved a change since `version`.
    """
    refuse(judge(terms, own_hosts=own_hosts))
    await catalogue.product(tx, gtin, brand_id=brand_id, locked=True)
    before = await one(tx, link_id, brand_id=brand_id, gtin=gtin)
    if before.version != version:
        raise EditedMeanwhile(f"link {link_id} of product {gtin}", version=before.version)
    others = [each for each in await _read(tx, gtin) if each.id != link_id]
    refuse(_judge_beside(terms, others))
    used = [each for each in others if each.terms.active]
    if terms.active and not any(each.terms.is_default for each in used):
        if before.terms.is_default and not terms.is_default and used:
            refuse([_needed("is_default")])
        terms = replace(terms, is_default=True)
    elif not terms.active and before.terms.is_default and used:
        refuse([_needed("active")])
    if terms == before.terms:
        return before
    if terms.is_default and not before.terms.is_default:
        await _unset_default(tx, gtin)
    await tx.execute(
        text("""
            UPDATE product_link SET type = :type, href = :href, title = :title, title_en = :title_en,
                hreflang = :hreflang, media_type = :media_type, context = :context, is_default = :is_default,
                active = :active, version = version + 1
            WHERE id = :id"""),
        {"id": link_id, **asdict(terms)},
    )
    changed = ProductLink(link_id, gtin, terms, version + 1)
    old, new = asdict(before.terms), asdict(terms)
    names = [name for name in new if old[name] != new[name]]
    await _tell(
        tx, brand_id, actor, "product.link.change", changed,
        before={name: old[name] for name in names}, after={name: new[name] for name in names},
    )  # fmt: skip
    return changed


async def remove(tx: Tx, link_id: int, *, brand_id: int, gtin: str, actor: str) -> None:
    """Take a link away.

    Raises:
        InvalidInput: it is the default, and others are in use: one of them has to become it first.
        NotFound: there is no such link.
    """
    await catalogue.product(tx, gtin, brand_id=brand_id, locked=True)
    link = await one(tx, link_id, brand_id=brand_id, gtin=gtin)
    others = [each for each in await _read(tx, gtin) if each.id != link_id and each.terms.active]
    if link.terms.is_default and others:
        refuse([_needed("")])
    await tx.execute(text("DELETE FROM product_link WHERE id = :id"), {"id": link_id})
    await _tell(tx, brand_id, actor, "product.link.remove", link, before=asdict(link.terms))


async def _read(tx: Tx, gtin: str) -> list[ProductLink]:
    query = text(f"""
        SELECT {_COLUMNS} FROM product_link WHERE gtin = :gtin
        ORDER BY is_default DESC, active DESC, id""")  # noqa: S608 (a constant)
    rows = await tx.execute(query, {"gtin": gtin})
    return [ProductLink(row[0], row[1], Terms(*row[2:11]), row[11]) for row in rows]


async def _unset_default(tx: Tx, gtin: str) -> None:
    await tx.execute(
        text("UPDATE product_link SET is_default = false, version = version + 1 WHERE gtin = :gtin AND is_default"),
        {"gtin": gtin},
    )


def _judge_beside(terms: Terms, others: list[ProductLink]) -> list[Problem]:
    same = (terms.type, terms.href, terms.hreflang, terms.context)
    for each in others:
        if (each.terms.type, each.terms.href, each.terms.hreflang, each.terms.context) == same:
            return [Problem("href", "link_taken", "The product has this link already.")]
    return []


def _needed(field: str) -> Problem:
    return Problem(field, "link_default", "Make another link the default first: one of those in use has to be it.")


async def _tell(tx: Tx, brand_id: int, actor: str, action: str, link: ProductLink, **changes: Any) -> None:  # noqa: ANN401 (audit's values)
    await audit.record(tx, brand_id=brand_id, actor=actor, action=action, subject=f"{link.gtin}/{link.id}", **changes)
