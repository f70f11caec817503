"""What a GS1 resolver answers of a product's links: the link set (RFC 9264), the one link that fits, headers.

Pure: links and headers in, documents and addresses out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from traceability.link_types import DEFAULT, DEFAULT_SET, VOCABULARY, name_of
from traceability.product_links import ProductLink, Resolved, Terms
from web.texts import Language

LINKSET: Final = "linkset"
ALL: Final = "all"
"""What older clients ask for instead of `linkset`; withdrawn from the standard, answered alike."""

LINKSET_TYPE: Final = "application/linkset+json"
CONTEXT_TYPE: Final = "application/ld+json"
JSON_TYPES: Final = (LINKSET_TYPE, "application/json", CONTEXT_TYPE)
OWN: Final = "pip"
"""The type of a product's page on this host, which stands in for links that it has not."""

CONTEXT_PATH: Final = "/linkset-context.jsonld"
CONTEXT: Final[dict[str, Any]] = {
    "@context": {
        "@version": 1.1,
        "@vocab": "http://www.iana.org/assignments/relation/",
        "linkset": "@graph",
        "anchor": "@id",
        "href": "@id",
        "itemDescription": "http://purl.org/dc/terms/description",
        "title": "http://purl.org/dc/terms/title",
        "type": "http://purl.org/dc/terms/format",
        "hreflang": "http://purl.org/dc/terms/language",
        "context": None,
    }
}
"""Makes a link set JSON-LD: its members as terms of Dublin Core, its relations as what they are."""

HEADER_CHARS_MAX: Final = 4_000
"""Of the Link header; links that do not fit are left to the link set."""

_CONTEXT_RELATION: Final = "http://www.w3.org/ns/json-ld#context"
_ACCEPT_CHARS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request tells of the link it would like.

    Attributes:
        link_type: value of `linkType`, or empty.
        context: value of `context`, or empty.
        accept: the Accept header.
        accept_language: the Accept-Language header.
    """

    link_type: str = ""
    context: str = ""
    accept: str = ""
    accept_language: str = ""

    @property
    def linkset_type(self) -> str:
        """Media type of the link set to be answered, or empty where a link is wanted."""
        weights = dict(_weights(self.accept))
        named = [each for each in JSON_TYPES if weights.get(each, 0) > 0]
        if self.link_type in (LINKSET, ALL):
            return max(named, key=lambda each: weights[each], default=LINKSET_TYPE)
        if self.link_type or not named:
            return ""
        best = max(named, key=lambda each: weights[each])
        page = weights.get("text/html", weights.get("text/*", weights.get("*/*", 0)))
        return best if weights[best] >= page else ""


def choose(resolved: Resolved, wish: Wish) -> ProductLink | None:
    """The link that fits best: of the type asked for, or of the default's type; None where there is none."""
    default = next((each for each in resolved.links if each.terms.is_default), None)
    asked = name_of(wish.link_type) if wish.link_type else DEFAULT
    if asked in (DEFAULT, DEFAULT_SET):
        if default is None:
            return None
        if asked == DEFAULT and wish.link_type:
            return default
        asked = default.terms.type
    fitting = [each for each in resolved.links if each.terms.type == asked]
    languages = _weights(wish.accept_language)
    media = dict(_weights(wish.accept))
    # The first of the best: the default stands at the head.
    return max(
        fitting,
        key=lambda each: (
            bool(wish.context) and each.terms.context.lower() == wish.context.lower(),
            _language_weight(each.terms.hreflang, languages),
            media.get(each.terms.media_type, 0),
        ),
        default=None,
    )


def document(resolved: Resolved, anchor: str, page: str, language: Language) -> dict[str, Any]:
    """The link set of a product: its links by type, exactly one default among them.

    Args:
        resolved: the product.
        anchor: its Digital Link.
        page: address of our own page of it, the default where it has no links.
        language: of titles that have none of their own.
    """
    shown = resolved.shown
    name = shown.product if language == "zh" else shown.product_en
    # The default is told by href and title alone; what else is known of it stands with its own type.
    context: dict[str, Any] = {"anchor": anchor, "itemDescription": name}
    for link in resolved.links:
        context.setdefault(VOCABULARY + link.terms.type, []).append(_target(link.terms, language))
    default = next((each for each in resolved.links if each.terms.is_default), None)
    if default is None:
        context[VOCABULARY + DEFAULT] = [{"href": page, "title": name}]
        context[VOCABULARY + OWN] = [{"href": page, "title": name, "type": "text/html", "hreflang": ["zh", "en"]}]
        return {"linkset": [context]}
    context[VOCABULARY + DEFAULT] = [{"href": default.terms.href, "title": title_of(default.terms, language)}]
    same = [each for each in resolved.links if each.terms.type == default.terms.type]
    if len(same) > 1:
        context[VOCABULARY + DEFAULT_SET] = [_target(each.terms, language) for each in same]
    return {"linkset": [context]}


def header(links: Sequence[ProductLink], anchor: str, language: Language) -> str:
    """The Link header (RFC 8288): where the link set is, and as many links as fit.

    Each has a title in ASCII, for those who read no other, and one in the language where that is another.
    """
    value = linkset_header(anchor)
    for link in links:
        terms = link.terms
        more = f', <{terms.href}>; rel="{VOCABULARY}{terms.type}"; title="{_plain_title(terms)}"'
        if (title := title_of(terms, language)) != _plain_title(terms):
            more += f"; title*=UTF-8''{quote(title, safe='')}"
        more += f'; hreflang="{terms.hreflang}"' if terms.hreflang else ""
        more += f'; type="{terms.media_type}"' if terms.media_type else ""
        if len(value) + len(more) > HEADER_CHARS_MAX:
            break
        value += more
    return value


def linkset_header(anchor: str) -> str:
    """What the Link header says of a link set alone."""
    return f'<{anchor}?linkType={LINKSET}>; rel="linkset"; type="{LINKSET_TYPE}"; title="Link set"'


def context_header(root: str) -> str:
    """What the Link header says of the file that makes a link set JSON-LD."""
    return f'<{root}{CONTEXT_PATH}>; rel="{_CONTEXT_RELATION}"; type="{CONTEXT_TYPE}"; title="JSON-LD context"'


def forward(href: str, query: str) -> str:
    """Where to go: a link's address with the whole query of the request added, before a fragment."""
    if not query:
        return href
    address, hash_sign, fragment = href.partition("#")
    joint = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{joint}{query}{hash_sign}{fragment}"


def description(root: str) -> dict[str, Any]:
    """The resolver description file (GS1-Conformant Resolver 1.2)."""
    return {
        "name": "Yima",
        "resolverRoot": root,
        "supportedPrimaryKeys": ["01"],
        "supportedLinkType": [{"namespace": VOCABULARY, "prefix": "gs1:"}],
        "linkTypeDefaultCanBeLinkset": False,
        "jsonLdContextLocation": f"{root}{CONTEXT_PATH}",
    }


def _target(terms: Terms, language: Language) -> dict[str, Any]:
    target: dict[str, Any] = {"href": terms.href, "title": title_of(terms, language)}
    if terms.media_type:
        target["type"] = terms.media_type
    if terms.hreflang:
        target["hreflang"] = [terms.hreflang]
    if terms.context:
        target["context"] = [terms.context]
    return target


def _plain_title(terms: Terms) -> str:
    """A title for a quoted string of a header: English, or the type's where that has other characters."""
    plain = terms.title_en or terms.type
    return plain if plain.isascii() and plain.isprintable() and not set(plain) & set('"\\,') else terms.type


def title_of(terms: Terms, language: Language) -> str:
    """In the language of what it leads to, where that is told."""
    chinese = terms.hreflang.startswith("zh") if terms.hreflang else language == "zh"
    return terms.title if chinese else terms.title_en


def _weights(header_value: str) -> list[tuple[str, float]]:
    """The entries of an Accept or Accept-Language header in small letters, each with its weight (RFC 9110 §12.4.2)."""
    found: list[tuple[str, float]] = []
    for entry in header_value[:_ACCEPT_CHARS_MAX].lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                digits = parameter.removeprefix("q=")
                whole = digits.replace(".", "", 1)
                weight = min(float(digits), 1.0) if whole.isascii() and whole.isdigit() else 0.0
        if name:
            found.append((name, weight))
    return found


def _language_weight(hreflang: str, accepted: list[tuple[str, float]]) -> float:
    """How welcome a language is: the very one a little more than another of the same kind."""
    if not hreflang:
        return 0.0
    tag = hreflang.lower()
    weights = [weight + 0.0001 for name, weight in accepted if name == tag and weight > 0]
    weights += [weight for name, weight in accepted if weight > 0 and name.partition("-")[0] == tag.partition("-")[0]]
    return max(weights, default=0.0)
