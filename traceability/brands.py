"""Settings of a brand: its look, its texts, its hosts and the lines that law wants on each consumer's page.

One row a brand. A brand that never saved any has the defaults. People change settings against the version that
they saw; processes that show them keep them in memory and look for changes each second (`LiveSettings`).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy import RowMapping, text

from kernel import audit
from kernel.db import Database, Tx
from kernel.errors import InvalidInput
from traceability.changes import EditedMeanwhile, Problem, judge_text, refuse
from traceability.pictures import Picture

log = structlog.get_logger(__name__)

TEXT_CHARS_MAX: Final = 200
OPERATOR_CHARS_MAX: Final = 120
LINES_MAX: Final = 6
LINE_CHARS_MAX: Final = 120
URL_CHARS_MAX: Final = 300
APPROVAL_CHARS_MAX: Final = 60
HOST_CHARS_MAX: Final = 253
APPEAL_DAYS: Final = 7
APPEAL_DAYS_MAX: Final = 30
BASEMAPS: Final = ("bundled", "custom", "none")
REFRESH_S: Final = 1.0

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_HOST: Final = re.compile(
    r"(?=.{1,253}(?::|\Z))[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
    r"(?::([1-9][0-9]{0,4}))?"
)
_PHONE: Final = re.compile(r"\+?[0-9](?:[0-9 -]{1,28})[0-9]")
_PATH: Final = re.compile(r"/(?!/)[!-~]*")
_NOT_IN_URLS: Final = frozenset(' "<>\\^`{|}')


@dataclass(frozen=True, slots=True)
class Line:
    """A line that law wants on each page, such as a licence's number; perhaps with a link."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a brand has set; empty where it has set nothing.

    Attributes:
        version: counts changes; 0 where nothing was ever saved.
        colour: `#rrggbb`; empty for the house colour.
        welcome_zh: a sentence on the page behind a code, Chinese.
        welcome_en: the same in English.
        thanks_zh: a sentence on the page after a scan, Chinese.
        thanks_en: the same in English.
        operator: who operates the pages, by its legal name.
        lines: ICP number, licences: what law wants on each page.
        privacy_url: the privacy policy.
        service: a phone number or an https address where people help.
        member_host: host (and port) of the member centre and the campaigns; empty where it is the printed host.
        hands_over: whether the printed host's page sends the visitor on to `member_host` to sign in and claim.
        map_approval: the basemap's approval number (审图号).
        map_waiver: why there need be none.
        basemap: `bundled`, `custom` (at `basemap_url`) or `none`.
        basemap_url: the customer's own.
        basemap_attribution: what its licence wants said.
        appeal_days: days within which a person answers an appeal.
        header_hash: names the content of the picture above the pages; empty where there is none.
        logo_hash: names the logo's content; empty where there is none.
    """

    version: int = 0
    colour: str = ""
    welcome_zh: str = ""
    welcome_en: str = ""
    thanks_zh: str = ""
    thanks_en: str = ""
    operator: str = ""
    lines: tuple[Line, ...] = ()
    privacy_url: str = ""
    service: str = ""
    member_host: str = ""
    hands_over: bool = False
    map_approval: str = ""
    map_waiver: str = ""
    basemap: str = "bundled"
    basemap_url: str = ""
    basemap_attribution: str = ""
    appeal_days: int = APPEAL_DAYS
    header_hash: str = ""
    logo_hash: str = ""

    @property
    def has_logo(self) -> bool:
        """Whether there is a logo."""
        return bool(self.logo_hash)

    @property
    def service_url(self) -> str:
        """Where the service's link leads: `tel:…` or `https://…`; empty where there is none."""
        if not self.service or self.service.startswith("https://"):
            return self.service
        return "tel:" + re.sub(r"[^0-9+]", "", self.service)


DEFAULTS: Final = Settings()

_FIELDS: Final = tuple(name for name in asdict(DEFAULTS) if name not in {"version", "logo_hash", "header_hash"})
_COLUMNS: Final = (
    f"version, {', '.join(_FIELDS)}, coalesce(logo_hash, '') AS logo_hash, coalesce(header_hash, '') AS header_hash"
)
_SELECT: Final = f"SELECT brand_id, {_COLUMNS} FROM brand_setting"  # noqa: S608 (constants above)


def _settings(row: RowMapping) -> Settings:
    """Settings from a row of `_SELECT`."""
    values = {name: value for name, value in row.items() if name != "brand_id"}
    return Settings(**values | {"lines": tuple(Line(**each) for each in values["lines"])})


async def settings(tx: Tx, brand_id: int) -> Settings:
    """What the brand has set; the defaults where it never saved any."""
    row = (await tx.execute(text(f"{_SELECT} WHERE brand_id = :brand"), {"brand": brand_id})).mappings().one_or_none()
    return DEFAULTS if row is None else _settings(row)


async def logo(tx: Tx, brand_id: int) -> Picture | None:
    """The brand's logo."""
    row = await tx.execute(
        text("SELECT logo, logo_type, logo_hash FROM brand_setting WHERE brand_id = :brand AND logo IS NOT NULL"),
        {"brand": brand_id},
    )
    found = row.one_or_none()
    return None if found is None else Picture(*found)


async def update(tx: Tx, *, brand_id: int, wanted: Settings, version: int, actor: str) -> Settings:
    """Change a brand's settings, all but the logo.

    Args:
        tx: the transaction.
        brand_id: whose.
        wanted: the new settings; its version and logo are not looked at.
        version: of the settings that the person saw.
        actor: who.

    Raises:
        InvalidInput: a field is wrong; the detail `problems` names all of them.
        EditedMeanwhile: somebody else saved a change since.
    """
    refuse(judge(wanted))
    before = await _lock(tx, brand_id, version)
    after = replace(wanted, version=before.version + 1, logo_hash=before.logo_hash, header_hash=before.header_hash)
    if replace(after, version=before.version) == before:
        return before
    columns = asdict(after)
    changed = {name: columns[name] for name in _FIELDS if columns[name] != asdict(before)[name]}
    await tx.execute(
        text(f"""
            UPDATE brand_setting SET version = :version, changed_at = now(),
                {", ".join(f"{name} = {_bound(name)}" for name in _FIELDS)} WHERE brand_id = :brand_id"""),  # noqa: S608 (constants above)
        {"brand_id": brand_id, "version": after.version, **_values(after)},
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="brand.settings",
        subject="settings",
        before={name: asdict(before)[name] for name in changed},
        after=changed,
    )
    return after


async def set_logo(tx: Tx, *, brand_id: int, picture: Picture | None, version: int, actor: str) -> Settings:
    """Give the brand a logo, or take it away.

    Raises:
        EditedMeanwhile: somebody else saved a change since.
    """
    before = await _lock(tx, brand_id, version)
    after = replace(before, version=before.version + 1, logo_hash="" if picture is None else picture.hash)
    await tx.execute(
        text("""
            UPDATE brand_setting SET version = :version, changed_at = now(), logo = :logo, logo_type = :type,
                logo_hash = :hash WHERE brand_id = :brand"""),
        {
            "version": after.version,
            "logo": None if picture is None else picture.content,
            "type": None if picture is None else picture.type,
            "hash": None if picture is None else picture.hash,
            "brand": brand_id,
        },
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="brand.logo",
        subject="settings",
        before={"logo": before.logo_hash},
        after={"logo": after.logo_hash},
    )
    return after


async def set_header(tx: Tx, *, brand_id: int, hash_: str, version: int, actor: str) -> None:
    """Name the picture above the brand's pages, or none (see `traceability.gallery`).

    Raises:
        EditedMeanwhile: somebody else saved a change since.
    """
    before = await _lock(tx, brand_id, version)
    await tx.execute(
        text("""
            UPDATE brand_setting SET version = version + 1, changed_at = now(), header_hash = :hash
            WHERE brand_id = :brand"""),
        {"hash": hash_ or None, "brand": brand_id},
    )
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="brand.header", subject="settings",
        before={"header": before.header_hash}, after={"header": hash_},
    )  # fmt: skip


async def _lock(tx: Tx, brand_id: int, version: int) -> Settings:
    """The settings as they are, held until the transaction ends; made where there were none."""
    await tx.execute(
        text(f"""
            INSERT INTO brand_setting (brand_id, version, {", ".join(_FIELDS)})
            VALUES (:brand_id, 0, {", ".join(map(_bound, _FIELDS))}) ON CONFLICT DO NOTHING"""),  # noqa: S608 (constants above)
        {"brand_id": brand_id, **_values(DEFAULTS)},
    )
    row = await tx.execute(text(f"{_SELECT} WHERE brand_id = :brand FOR UPDATE"), {"brand": brand_id})
    found = _settings(row.mappings().one())
    if found.version != version:
        raise EditedMeanwhile("the brand's settings", version=found.version)
    return found


def _bound(name: str) -> str:
    return "CAST(:lines AS jsonb)" if name == "lines" else f":{name}"


def _values(wanted: Settings) -> dict[str, Any]:
    values = asdict(wanted)
    return {name: values[name] for name in _FIELDS} | {"lines": json.dumps(values["lines"], ensure_ascii=False)}


def judge(wanted: Settings) -> list[Problem]:
    """Everything that is wrong with settings. Pure."""
    found: list[Problem] = []
    if wanted.colour and not _COLOUR.fullmatch(wanted.colour):
        found.append(Problem("colour", "colour", "colour is a # and six hexadecimal digits, such as #0b6b4c."))
    for name in ("welcome_zh", "welcome_en", "thanks_zh", "thanks_en"):
        found += judge_text(name, getattr(wanted, name), most=TEXT_CHARS_MAX)
    found += judge_text("operator", wanted.operator, most=OPERATOR_CHARS_MAX)
    found += _judge_lines(wanted.lines)
    found += _judge_url("privacy_url", wanted.privacy_url)
    if wanted.service and not _PHONE.fullmatch(wanted.service):
        found += [
            Problem("service", "service", "service is a phone number or an address that begins with https://.")
            for _ in _judge_url("service", wanted.service)
        ]
    found += _judge_host(wanted)
    found += judge_text("map_approval", wanted.map_approval, most=APPROVAL_CHARS_MAX)
    found += judge_text("map_waiver", wanted.map_waiver, most=TEXT_CHARS_MAX)
    found += judge_text("basemap_attribution", wanted.basemap_attribution, most=TEXT_CHARS_MAX)
    if not 1 <= wanted.appeal_days <= APPEAL_DAYS_MAX:
        sentence = f"Appeals are answered within 1 to {APPEAL_DAYS_MAX} days."
        found.append(Problem("appeal_days", "appeal_days", sentence, {"most": APPEAL_DAYS_MAX}))
    return found + _judge_basemap(wanted)


def _judge_lines(lines: tuple[Line, ...]) -> list[Problem]:
    if len(lines) > LINES_MAX:
        return [Problem("lines", "lines", f"There are at most {LINES_MAX} lines.", {"most": LINES_MAX})]
    found: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        found += judge_text(f"line_{number}", line.text, least=1, most=LINE_CHARS_MAX)
        found += _judge_url(f"line_url_{number}", line.url)
    return found


def _judge_url(name: str, url: str) -> list[Problem]:
    """An https address, or nothing. Whatever else a browser might follow (`javascript:`, `data:`) is refused."""
    if not url:
        return []
    wrong = [Problem(name, "url", f"{name} is an address that begins with https://.")]
    if len(url) > URL_CHARS_MAX:
        return [Problem(name, "long", f"{name} has at most {URL_CHARS_MAX} characters.", {"most": URL_CHARS_MAX})]
    if not url.startswith("https://") or not url.isprintable() or _NOT_IN_URLS & set(url):
        return wrong
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is none raises
    except ValueError:
        return wrong
    return [] if parts.hostname and "@" not in parts.netloc else wrong


def _judge_host(wanted: Settings) -> list[Problem]:
    if not wanted.member_host:
        if not wanted.hands_over:
            return []
        return [Problem("member_host", "host_missing", "member_host is missing: the page cannot hand over to nowhere.")]
    match = _HOST.fullmatch(wanted.member_host)
    if match is None or int(match[1] or 1) > 65_535:
        return [Problem("member_host", "host", "member_host is a host's name, such as m.example.com, perhaps a port.")]
    return []


def _without_gaps(url: str) -> str:
    """The address of some tile: `{z}`, `{x}` and `{y}` filled in."""
    for gap in ("{z}", "{x}", "{y}"):
        url = url.replace(gap, "0")
    return url


def _judge_basemap(wanted: Settings) -> list[Problem]:
    if wanted.basemap not in BASEMAPS:
        return [Problem("basemap", "choice", f"basemap is one of {', '.join(BASEMAPS)}.")]
    if not wanted.basemap_url:
        if wanted.basemap != "custom":
            return []
        return [Problem("basemap_url", "basemap_missing", "basemap_url is missing: where is your own basemap?")]
    if _PATH.fullmatch(_without_gaps(wanted.basemap_url)) and len(wanted.basemap_url) <= URL_CHARS_MAX:
        return []
    return [
        replace(each, kind="basemap_url", sentence="basemap_url begins with https:// or, on this host, with /.")
        for each in _judge_url("basemap_url", _without_gaps(wanted.basemap_url))
    ]


@dataclass(frozen=True, slots=True)
class Shown:
    """A brand as its consumer's pages show it."""

    brand_id: int
    slug: str
    name: str
    name_en: str
    settings: Settings


class LiveSettings:
    """Every brand's settings in memory, looked for again each second: a change is seen everywhere within two.

    Whoever shows a page asks no database for its look.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._task: asyncio.Task[None] | None = None
        self._shown: dict[str, Shown] = {}
        self._logos: dict[str, Picture] = {}

    async def start(self) -> None:
        """Load all, then keep looking."""
        await self.refresh()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def of(self, slug: str) -> Shown | None:
        """A brand by its slug; None where there is none."""
        return self._shown.get(slug)

    async def logo(self, slug: str, content_hash: str) -> Picture | None:
        """The logo of a brand that has this hash; read once, then kept."""
        shown = self._shown.get(slug)
        if shown is None or not content_hash or shown.settings.logo_hash != content_hash:
            return None
        kept = self._logos.get(slug)
        if kept is None or kept.hash != content_hash:
            async with self._db.transaction() as tx:
                kept = await logo(tx, shown.brand_id)
            if kept is None or kept.hash != content_hash:  # changed this moment
                return None
            self._logos[slug] = kept
        return kept

    async def refresh(self) -> None:
        """Load what is new."""
        async with self._db.transaction() as tx:
            rows = await tx.execute(
                text("""
                    SELECT b.id, b.slug, b.name, b.name_en, coalesce(s.version, 0) AS version
                    FROM brand b LEFT JOIN brand_setting s ON s.brand_id = b.id""")
            )
            found = {row.slug: row for row in rows}
            stale = [row.id for row in found.values() if not self._knows(row)]
            loaded: Mapping[int, Settings] = {}
            if stale:
                fresh = await tx.execute(
                    text(f"{_SELECT} WHERE brand_id = ANY(CAST(:ids AS bigint[]))"), {"ids": stale}
                )
                loaded = {row["brand_id"]: _settings(row) for row in fresh.mappings()}
        if stale or len(found) != len(self._shown):
            self._shown = {
                slug: self._shown[slug]
                if row.id not in stale
                else Shown(row.id, slug, row.name, row.name_en, loaded.get(row.id, DEFAULTS))
                for slug, row in found.items()
            }

    def _knows(self, row: Any) -> bool:  # noqa: ANN401 (a row of `refresh`)
        kept = self._shown.get(row.slug)
        return kept is not None and (kept.brand_id, kept.name, kept.name_en, kept.settings.version) == (
            row.id, row.name, row.name_en, row.version,
        )  # fmt: skip

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except Exception:  # known settings keep showing while the database is away
                log.exception("settings.unrefreshed")


def read_lines(texts: list[str], urls: list[str]) -> tuple[Line, ...]:
    """Lines as a form sends them: rows left empty are none.

    Raises:
        InvalidInput: there are not as many links as texts.
    """
    if len(texts) != len(urls):
        raise InvalidInput(f"{len(texts)} lines do not pair with {len(urls)} links.", field="lines")
    return tuple(Line(each, url) for each, url in zip(texts, urls, strict=True) if each or url)
