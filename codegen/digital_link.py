"""GS1 Digital Link URIs: read and judge them, make them.

By GS1 Digital Link URI Syntax 1.7; where that leaves room, the judgement is that of the GS1 Barcode Syntax
Engine 1.4.1. A URI holds application identifiers (AIs): a primary key and its qualifiers in the path, in a laid
down order, and attributes in the query. Other words of the query are no business of GS1 and are passed over.
Nothing here does input or output; whatever the text, `parse` raises nothing but `InvalidLink`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from codegen.gs1_ais import Ai, Part, digits_by_prefix, path_orders, table
from codegen.gs1_associations import judge_together
from codegen.gs1_values import judge
from kernel.errors import InvalidInput

URI_CHARS_MAX: Final = 8_191
AIS_MAX: Final = 64
"""At most so many AIs in a URI, parameters of the query that are none counted in."""

CANONICAL_STEM: Final = "https://id.gs1.org"

_SCHEMES: Final = ("https://", "HTTPS://", "http://", "HTTP://")
_URI: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9\-.:\[\]]+")
_DIGITS: Final = re.compile("[0-9]*")
_ESCAPE: Final = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_GTIN_CHARS: Final = (8, 12, 13)
_ECHO_CHARS_MAX: Final = 40

_ALPHAS: Final = {
    "cpid": "8010", "cpsn": "8011", "cpv": "22", "gcn": "255", "gdti": "253", "giai": "8004", "ginc": "401",
    "gln": "414", "glnx": "254", "gmn": "8013", "grai": "8003", "gsin": "402", "gsrn": "8018", "gsrnp": "8017",
    "gtin": "01", "itip": "8006", "lot": "10", "party": "417", "refno": "8020", "ser": "21", "srin": "8019",
    "sscc": "00",
}  # fmt: skip


class InvalidLink(InvalidInput):
    """The text is no GS1 Digital Link URI; the sentence says what is wrong and where."""

    code = "invalid_digital_link"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason: Final = reason


@dataclass(frozen=True, slots=True)
class Leniency:
    """What may be let pass beyond the standard. The default is the standard.

    Attributes:
        short_gtins: AI (01) with 8, 12 or 13 digits, as older URIs have it; it gets zeros in front.
        unknown_ais: AIs that the table does not know, where they may still be given out.
        unknown_attributes: such AIs also in the query.
        alphas: words instead of AIs in the path (`gtin`, `ser`, …), withdrawn from the standard.
    """

    short_gtins: bool = False
    unknown_ais: bool = False
    unknown_attributes: bool = False
    alphas: bool = False


STANDARD: Final = Leniency()


@dataclass(frozen=True, slots=True)
class Element:
    """An AI with its value, decoded."""

    ai: str
    value: str


@dataclass(frozen=True, slots=True)
class DigitalLink:
    """A Digital Link that was judged right.

    Attributes:
        stem: what stands before the primary key: scheme, domain, perhaps the beginning of a path.
        path: the primary key and its qualifiers, in order.
        attributes: the AIs of the query, in order.
        ignored: the parameters of the query that are no AIs, as they stand there.
    """

    stem: str
    path: tuple[Element, ...]
    attributes: tuple[Element, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def elements(self) -> tuple[Element, ...]:
        """All AIs, those of the path first."""
        return self.path + self.attributes

    @property
    def key(self) -> Element:
        """The primary key."""
        return self.path[0]

    def uri(self, stem: str = CANONICAL_STEM) -> str:
        """The URI of the same AIs under `stem`, as `write` makes it, without what is ignored."""
        return _join(stem, self.path, sorted(self.attributes, key=_is_variable))


def parse(uri: str, leniency: Leniency = STANDARD) -> DigitalLink:
    """Read a Digital Link URI and judge all of it: form, values, and which AIs go together.

    Raises:
        InvalidLink: it is none.
    """
    link = read(uri, leniency)
    for element in link.elements:
        fault = judge(_entry(element.ai, leniency), element.value)
        if fault is not None:
            raise InvalidLink(fault.name, f"AI ({element.ai}): {fault.sentence}.")
    problem = judge_together([(element.ai, element.value) for element in link.elements])
    if problem is not None:
        raise InvalidLink(problem.name, f"{problem.sentence}.")
    return link


def read(uri: str, leniency: Leniency = STANDARD) -> DigitalLink:
    """Read a Digital Link URI and judge its form: scheme, domain, order, lengths; not what the values are.

    Raises:
        InvalidLink: the form is wrong.
    """
    scheme, rest = _split_scheme(uri)
    domain, slash, rest = rest.partition("/")
    if domain and not _DOMAIN.fullmatch(domain):
        raise InvalidLink("domain_characters", f"The domain {_echo(domain)} has characters that no domain has.")
    if not domain or not slash:
        raise InvalidLink("no_domain", "After the scheme there is no domain with a path behind it.")
    before_fragment, _, _ = rest.partition("#")
    path_text, question, query = before_fragment.partition("?")
    segments = path_text.split("/")
    start = _find_key(segments, leniency)
    path = _read_path(segments[start:], leniency)
    attributes, ignored = _read_query(query if question else "", len(path), leniency)
    link = DigitalLink("/".join([f"{scheme}{domain}", *segments[:start]]), path, attributes, ignored)
    _judge_places(link, leniency)
    return link


def write(elements: Sequence[tuple[str, str]], stem: str = CANONICAL_STEM, leniency: Leniency = STANDARD) -> str:
    """Make a Digital Link URI; the values are not judged (`build` does).

    The first primary key becomes the key, as many as possible of its qualifiers follow in the path, the rest
    goes into the query: AIs of fixed length first, otherwise as given. Of an AI given twice the first counts.

    Raises:
        InvalidLink: there is no primary key, or an AI is unknown or belongs in no query.
    """
    values = dict(reversed(elements))
    entries = {ai: _entry(ai, leniency) for ai in values}
    ordered = list(dict.fromkeys(ai for ai, _ in elements))
    key = next((ai for ai in ordered if entries[ai].keys is not None), None)
    if key is None:
        raise InvalidLink("no_key", "None of the AIs is the primary key of a Digital Link.")
    # Of orders that are equally long, the one first by its digits, so that the same AIs give the same URI.
    fitting = sorted(order for order in path_orders() if order[0] == key and values.keys() >= set(order))
    order = max(fitting, key=len)
    query = [Element(ai, values[ai]) for ai in ordered if ai not in order]
    for element in query:
        _judge_attribute(entries[element.ai], element.ai, leniency)
    return _join(stem, [Element(ai, values[ai]) for ai in order], sorted(query, key=_is_variable))


def build(elements: Sequence[tuple[str, str]], stem: str = CANONICAL_STEM) -> str:
    """Make a Digital Link URI that `parse` finds right.

    An AI given again with the same value, as where several bar codes of one label were read, counts once.

    Raises:
        InvalidLink: the AIs make none; the sentence says why. An AI given with two values is refused too.
    """
    seen: dict[str, str] = {}
    for ai, value in elements:
        if any(char > "\xff" for char in value):
            raise InvalidLink("value_characters", f"AI ({_echo(ai)}) holds characters that no AI may hold.")
        if seen.setdefault(ai, value) != value:
            raise InvalidLink("duplicate_ai", f"AI ({_echo(ai)}) is given twice, with different values.")
    uri = write(elements, stem)
    parse(uri)
    return uri


def escape(value: str, *, query: bool) -> str:
    """Percent-encode a value of one character a byte; in a query a space becomes `+`."""
    return "".join(
        char if char in _UNRESERVED else "+" if query and char == " " else f"%{ord(char):02X}" for char in value
    )


def unescape(text: str, *, query: bool) -> str:
    """Decode percent-encoding to one character a byte; what is no `%` with two hexadecimal digits stays."""
    if query:
        text = text.replace("+", " ")
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _split_scheme(uri: str) -> tuple[str, str]:
    if len(uri) > URI_CHARS_MAX:
        raise InvalidLink("too_long", f"A Digital Link has at most {URI_CHARS_MAX:,} characters here.")
    for scheme in _SCHEMES:
        if uri.startswith(scheme):
            break
    else:
        raise InvalidLink("scheme", "It does not begin with http:// or https://, in small letters or in capitals.")
    fitting = _URI.match(uri)
    end = fitting.end() if fitting else 0
    if end < len(uri):
        raise InvalidLink("uri_characters", f"The character {uri[end]!r} at place {end + 1} may not stand in a URI.")
    return scheme, uri[len(scheme) :]


def _find_key(segments: list[str], leniency: Leniency) -> int:
    """Where the rightmost primary key stands: AI and value alternate from the end of the path up to it."""
    at = len(segments) - 2
    while at >= 0:
        entry = _look_up(_numbered(segments[at], leniency), leniency)
        if entry is None:
            break
        if entry.keys is not None:
            return at
        at -= 2
    raise InvalidLink("no_key", "The path does not end in a primary key of GS1, its value and its qualifiers.")


def _read_path(segments: list[str], leniency: Leniency) -> tuple[Element, ...]:
    path: list[Element] = []
    for name, text in zip(segments[::2], segments[1::2], strict=True):
        ai = _numbered(name, leniency)
        if not text:
            raise InvalidLink("empty_value", f"AI ({ai}) has no value in the path.")
        path.append(_element(ai, text, len(path), leniency, query=False))
    order = tuple(element.ai for element in path)
    if order not in path_orders():
        raise InvalidLink(
            "path_order", f"The path {'/'.join(order)} is no primary key with its qualifiers in their order."
        )
    return tuple(path)


def _read_query(query: str, found: int, leniency: Leniency) -> tuple[tuple[Element, ...], tuple[str, ...]]:
    attributes: list[Element] = []
    ignored: list[str] = []
    for parameter in _parameters(query):
        found += 1
        name, equals, text = parameter.partition("=")
        if not equals or not _DIGITS.fullmatch(name):
            if found > AIS_MAX:
                raise _too_many()
            ignored.append(parameter)
            continue
        if _look_up(name, leniency) is None:
            raise InvalidLink("unknown_ai", f"The query names ({_echo(name)}), which is no AI.")
        if not text:
            raise InvalidLink("empty_value", f"AI ({name}) has no value in the query.")
        attributes.append(_element(name, text, found - 1, leniency, query=True))
    return tuple(attributes), tuple(ignored)


def _parameters(query: str) -> Iterable[str]:
    """Between `&`; several in a row are one, and those at the end leave an empty parameter."""
    parts = query.split("&")
    for at, part in enumerate(parts):
        if part or (at == len(parts) - 1 and at > 0):
            yield part


def _element(ai: str, text: str, before: int, leniency: Leniency, *, query: bool) -> Element:
    entry = _entry(ai, leniency)
    value = unescape(text, query=query)
    if "\0" in value:
        raise InvalidLink("null", f"AI ({ai}) holds a null character.")
    if leniency.short_gtins and ai == "01" and len(value) in _GTIN_CHARS:
        value = value.rjust(14, "0")
    if not entry.chars_min <= len(value) <= entry.chars_max:
        short = len(value) < entry.chars_min
        limit = f"at least {entry.chars_min}" if short else f"at most {entry.chars_max}"
        if entry.chars_min == entry.chars_max:
            limit = f"{entry.chars_min}"
        name = "too_short" if short else "value_too_long"
        raise InvalidLink(name, f"The value of AI ({ai}) has {len(value)} characters; it should have {limit}.")
    if "^" in value:
        raise InvalidLink("caret", f"AI ({ai}) holds the character ^, which no AI may hold.")
    if before >= AIS_MAX:
        raise _too_many()
    return Element(ai, value)


def _judge_places(link: DigitalLink, leniency: Leniency) -> None:
    """Nothing twice; in the query only what may stand there and has no place in the path."""
    seen: set[str] = set()
    for element in sorted(link.elements, key=lambda element: element.ai):
        if element.ai in seen:
            raise InvalidLink("duplicate_ai", f"AI ({element.ai}) is there twice.")
        seen.add(element.ai)
    order = tuple(element.ai for element in link.path)
    for element in link.attributes:
        _judge_attribute(_entry(element.ai, leniency), element.ai, leniency)
        for at in range(1, len(order) + 1):
            if (*order[:at], element.ai, *order[at:]) in path_orders():
                raise InvalidLink("belongs_in_path", f"AI ({element.ai}) belongs in the path, not in the query.")


def _judge_attribute(entry: Ai, ai: str, leniency: Leniency) -> None:
    unknown = ai not in table()
    if not (leniency.unknown_attributes if unknown else entry.attribute):
        raise InvalidLink("no_attribute", f"AI ({ai}) may not stand in the query of a Digital Link.")


def _numbered(name: str, leniency: Leniency) -> str:
    return _ALPHAS.get(name, name) if leniency.alphas else name


def _look_up(ai: str, leniency: Leniency) -> Ai | None:
    found = table().get(ai)
    if found is not None or not leniency.unknown_ais:
        return found
    return _imagine(ai)


def _imagine(ai: str) -> Ai | None:
    """An AI that may be given out one day: its digits are as many as its neighbours have."""
    if not 2 <= len(ai) <= 4 or not _DIGITS.fullmatch(ai):
        return None
    digits = digits_by_prefix().get(ai[:2])
    if digits not in (None, len(ai)):
        return None
    fixed = _fixed_chars(ai[:2])
    part = Part("X", fixed or 1, fixed or 90, optional=False, linters=())
    return Ai(ai, fixed is not None, attribute=True, parts=(part,), req=(), ex=(), keys=None, title="UNKNOWN")


def _fixed_chars(prefix: str) -> int | None:
    known = next((entry for ai, entry in table().items() if ai.startswith(prefix)), None)
    return known.chars_max if known is not None and known.fixed else None


def _entry(ai: str, leniency: Leniency) -> Ai:
    entry = _look_up(ai, leniency)
    if entry is None:
        raise InvalidLink("unknown_ai", f"({_echo(ai)}) is no AI.")
    return entry


def _is_variable(element: Element) -> bool:
    entry = table().get(element.ai)
    return entry is None or not entry.fixed


def _join(stem: str, path: Sequence[Element], query: Sequence[Element]) -> str:
    link = stem.removesuffix("/") + "".join(f"/{each.ai}/{escape(each.value, query=False)}" for each in path)
    attributes = "&".join(f"{each.ai}={escape(each.value, query=True)}" for each in query)
    return f"{link}?{attributes}" if attributes else link


def _too_many() -> InvalidLink:
    return InvalidLink("too_many", f"There are more than {AIS_MAX} AIs and parameters.")


def _echo(text: str) -> str:
    return text if len(text) <= _ECHO_CHARS_MAX else f"{text[:_ECHO_CHARS_MAX]}…"
