"""Patterns of codes that others made: which texts may be one of them. Pure.

A pattern is a template with one `{code}` in it, an alphabet out of a fixed choice, and a length. Nobody hands in a
regular expression, so that no text, however long, costs more than one look along it::

    {code}                                20 digits of a drug's trace code, as they are printed
    https://old.example/t?c={code}        an older platform's address; further query fields are ignored
    https://old.example/x/{code}.html     the code within the path
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from kernel.errors import InvalidInput

TEMPLATE_CHARS_MAX: Final = 120
LENGTH_MIN: Final = 6
LENGTH_MAX: Final = 64
"""Symbols of a code: fewer would be met by whatever people type, more fit no symbol that is printed."""
TEXT_CHARS_MAX: Final = 2_000
"""Longest text that is looked at."""
CANDIDATES_MAX: Final = 8
"""Readings of one text that are looked up: a text that more patterns of one host fit is read by the first ones."""
PLACE: Final = "{code}"

_TYPED_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Symbols of a code; where it folds, small letters are capitals; where it forgives, O is 0 and I, l are 1."""

    symbols: re.Pattern[str]
    folds: bool
    forgives: bool
    separators: bool = True


ALPHABETS: Final = {
    "digits": Alphabet(re.compile("[0-9]+"), folds=True, forgives=True),
    "hex": Alphabet(re.compile("[0-9A-F]+"), folds=True, forgives=True),
    "alnum": Alphabet(re.compile("[0-9A-Z]+"), folds=True, forgives=False),
    "base62": Alphabet(re.compile("[0-9A-Za-z]+"), folds=False, forgives=False),
    "base64url": Alphabet(re.compile("[0-9A-Za-z_-]+"), folds=False, forgives=False, separators=False),
}
"""The alphabets to choose from; in `base62` and `base64url` capitals and small letters differ."""

_FORGIVEN: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_SEPARATORS: Final = str.maketrans(dict.fromkeys("- \t\n\v\f\r\u2212\u2043", None))
_SEPARATOR_CATEGORIES: Final = frozenset({"Pd", "Zs", "Zl", "Zp", "Cf"})
_URL: Final = re.compile(
    r"(?ai:https?)://(?P<host>[\w.-]{1,253})(?::[0-9]{0,5})?(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
)
_LITERAL: Final = re.compile(r"[!-~]*")
_ROUNDED: Final = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]{1,3}")

FLAWS: Final = (
    "formula", "rounded", "host", "url", "length", "symbol", "encoding", "nul", "long", "quotes", "column",
    "duplicate", "existing",
)  # fmt: skip
"""What may be wrong with a row: the words of the report."""


class Flawed(Exception):
    """A row of a file is no code of the pattern; `kind` is one of `FLAWS`. The row is not repeated: it may be money."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind: Final = kind


@dataclass(frozen=True, slots=True)
class Pattern:
    """A declared pattern; made by `declare`.

    Attributes:
        template: As declared.
        alphabet: A name of `ALPHABETS`.
        length_min: Symbols at least.
        length_max: Symbols at most.
        host: In lower case; empty where the codes are plain.
        before: What stands before the code: of the path, of the query field's path, or of a plain code.
        after: What stands behind it.
        field: The query field that holds the code; empty where it is in the path.
        fixed: Other query fields that must be there.
    """

    template: str
    alphabet: str
    length_min: int
    length_max: int
    host: str
    before: str
    after: str
    field: str
    fixed: tuple[tuple[str, str], ...]

    @property
    def space(self) -> str:
        """The name of the codes' space: equal codes of one space are one code, whatever file they came in.

        All plain codes share one: what stands around them is part of them.
        """
        if not self.host:
            return ""
        return f"{self.host}{self.before}?{self.field}" if self.field else f"{self.host}{self.before}|{self.after}"

    def read_text(self, text: str) -> str | None:
        """The canonical code in a text as somebody scanned or typed it, or None where it is none."""
        if "://" in text:
            url = _URL.fullmatch(text) if self.host else None
            return None if url is None or url["host"].lower() != self.host else self._in_url(url)
        if self.host or len(text) > _TYPED_CHARS_MAX:
            return None
        return self._symbols(self._bare(self._tidy(text)), whole=True)

    def read_cell(self, cell: str) -> str:
        """The canonical code in a cell of a file; in a file of addresses a bare code will do.

        Raises:
            Flawed: it is none.
        """
        if cell.startswith(("=", "@", "+")) or (cell.startswith("-") and ALPHABETS[self.alphabet].separators):
            raise Flawed("formula")
        if not self.host:
            if "://" in cell:
                raise Flawed("url")
            return f"{self.before}{self._need(self._bare(cell))}{self.after}"
        if "://" not in cell and "/" not in cell:
            return self._need(cell)
        url = _URL.fullmatch(cell if "://" in cell else f"https://{cell}")
        if url is None:
            raise Flawed("url")
        if url["host"].lower() != self.host:
            raise Flawed("host")
        code = self._place(url)
        if code is None:
            raise Flawed("url")
        return self._need(code)

    def _in_url(self, url: re.Match[str]) -> str | None:
        code = self._place(url)
        return None if code is None else self._symbols(code)

    def _place(self, url: re.Match[str]) -> str | None:
        """What stands in the code's place; the path's own spelling counts, for servers tell capitals apart."""
        path = url["path"] or "/"
        if not self.field:
            if len(path) <= len(self.before) + len(self.after):
                return None
            fits = path.startswith(self.before) and path.endswith(self.after)
            return unquote(path[len(self.before) : len(path) - len(self.after)]) if fits else None
        if path.removesuffix("/") != self.before.removesuffix("/"):
            return None
        found = dict(part.split("=", 1) for part in (url["query"] or "").split("&") if "=" in part)
        if any(found.get(name) != value for name, value in self.fixed) or self.field not in found:
            return None
        return unquote(found[self.field])

    def _bare(self, text: str) -> str:
        """A plain code without its fixed ends; a text without them stays, to be refused for its length."""
        if not (self.before or self.after):
            return text
        shown = text.upper() if ALPHABETS[self.alphabet].folds else text
        fits = shown.startswith(self.before) and shown.endswith(self.after)
        return text[len(self.before) : len(text) - len(self.after)] if fits else ""

    def _tidy(self, text: str) -> str:
        """A typed text without what people put between the groups."""
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
            text = "".join([char for char in text if unicodedata.category(char) not in _SEPARATOR_CATEGORIES])
        alphabet = ALPHABETS[self.alphabet]
        text = text.translate(_SEPARATORS) if alphabet.separators else text.strip()
        return text.upper().translate(_FORGIVEN) if alphabet.forgives and not self.before else text

    def _symbols(self, code: str, *, whole: bool = False) -> str | None:
        try:
            found = self._need(code)
        except Flawed:
            return None
        return f"{self.before}{found}{self.after}" if whole else found

    def _need(self, code: str) -> str:
        alphabet = ALPHABETS[self.alphabet]
        if alphabet.folds:
            code = code.upper()
        if alphabet.symbols.fullmatch(code) is None:
            if _ROUNDED.fullmatch(code):
                raise Flawed("rounded")
            raise Flawed("symbol" if code else "length")
        if not self.length_min <= len(code) <= self.length_max:
            raise Flawed("length")
        return code


def declare(template: str, *, alphabet: str = "digits", length_min: int, length_max: int) -> Pattern:
    """Declare a pattern.

    Args:
        template: One `{code}`, and what stands around it: nothing, fixed characters, or an http(s) address.
        alphabet: A name of `ALPHABETS`.
        length_min: Symbols at least, from 6.
        length_max: Symbols at most, to 64.

    Raises:
        InvalidInput: the sentence says what is wrong with which part.
    """
    template = template.strip()
    if alphabet not in ALPHABETS:
        raise InvalidInput(f"The alphabet is one of {', '.join(ALPHABETS)}, not {alphabet!r}.", field="alphabet")
    if not LENGTH_MIN <= length_min <= length_max <= LENGTH_MAX:
        raise InvalidInput(f"The length is {LENGTH_MIN} to {LENGTH_MAX} symbols, the least first.", field="length")
    if len(template) > TEMPLATE_CHARS_MAX or _LITERAL.fullmatch(template) is None:
        raise InvalidInput(
            f"A pattern has at most {TEMPLATE_CHARS_MAX} characters of ASCII and no spaces.", field="template"
        )
    if template.count(PLACE) != 1:
        raise InvalidInput(f"A pattern says once where the code stands: {PLACE}.", field="template")
    if "://" not in template:
        before, after = template.split(PLACE)
        if ALPHABETS[alphabet].folds:
            before, after = before.upper(), after.upper()
        return Pattern(template, alphabet, length_min, length_max, "", before, after, "", ())
    return _declare_url(template, alphabet, length_min, length_max)


def _declare_url(template: str, alphabet: str, length_min: int, length_max: int) -> Pattern:
    scheme, _, rest = template.partition("://")
    place, _, query = rest.partition("?")
    authority, slash, path = place.partition("/")
    host = authority.lower().removesuffix(":443").removesuffix(":80")
    if scheme.lower() not in ("http", "https") or "#" in template or _HOST.fullmatch(host) is None:
        raise InvalidInput(
            "A pattern's address is http or https with a plain host name, and has no port, user or #.", field="template"
        )
    path = f"/{path}" if slash else "/"
    if PLACE in path:
        if query:
            raise InvalidInput("Where the code is in the path, the pattern has no query.", field="template")
        before, after = path.split(PLACE)
        return Pattern(template, alphabet, length_min, length_max, host, before, after, "", ())
    fields = [tuple(part.split("=", 1)) for part in query.split("&")]
    if any(len(each) != 2 or not each[0] for each in fields):
        raise InvalidInput("A pattern's query is NAME=VALUE, joined by &.", field="template")
    holding = [name for name, value in fields if value == PLACE]
    if len(holding) != 1 or any(PLACE in name for name, _ in fields):
        raise InvalidInput(f"In a query the code is a field's whole value: NAME={PLACE}.", field="template")
    fixed = tuple((name, value) for name, value in fields if value != PLACE)
    return Pattern(template, alphabet, length_min, length_max, host, path, "", holding[0], fixed)


class Book:
    """The patterns that are in force: an immutable collection, asked for every text that no key of ours signed."""

    __slots__ = ("_by_host", "_plain", "patterns")

    def __init__(self, patterns: Iterable[Pattern] = ()) -> None:
        self.patterns: Final = frozenset(patterns)
        ordered = sorted(self.patterns, key=lambda each: (each.space, each.alphabet, each.length_min, each.length_max))
        self._plain = [each for each in ordered if not each.host]
        self._by_host: dict[str, list[Pattern]] = {}
        for each in ordered:
            if each.host:
                self._by_host.setdefault(each.host, []).append(each)

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts of the patterns that are addresses."""
        return frozenset(self._by_host)

    def read(self, text: str) -> list[tuple[str, str]]:
        """What a text may be: (space, canonical code) of each pattern that it fits; most texts fit none."""
        if not self.patterns or len(text) > TEXT_CHARS_MAX:
            return []
        text = text.strip()
        suspects = self._plain
        if "://" in text:
            url = _URL.fullmatch(text)
            suspects = [] if url is None else self._by_host.get(url["host"].lower(), [])
        found: dict[tuple[str, str], None] = {}
        for each in suspects:
            code = each.read_text(text)
            if code is not None:
                found[each.space, code] = None
                if len(found) == CANDIDATES_MAX:
                    break
        return list(found)
