"""A run of labels: what is printed on which template, and how wide its letters are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from reportlab.pdfbase.ttfonts import TTFontFile

from codegen import labels, lettering
from codegen.labels import LETTER_MM_MIN, Arrangement, LabelTemplate, LineSpot
from codegen.logos import Logo
from codegen.symbols import Bytes, SymbolFactory
from kernel.errors import InvalidInput

SIDE_NAMES: Final = ("OUTER", "INNER")
_NUMBER_DIGITS: Final = 8  # the line number's length for which letters are sized


@cache
def latin() -> TTFontFile:
    """The font of codes and numbers, which reportlab brings along: Bitstream Vera Sans."""
    return TTFontFile("Vera.ttf")


@cache
def _advances() -> tuple[float, ...]:
    widths = latin().charWidths
    return tuple(widths.get(code, 0) / 1000 for code in range(128))


def latin_width(text: str) -> float:
    """Width of ASCII text in letter heights, in the font of codes and numbers."""
    return sum(map(_advances().__getitem__, text.encode("ascii")))


@dataclass(frozen=True, slots=True)
class LabelRun:
    """What is printed.

    Attributes:
        factory: makes the symbols; its level is the template's.
        template: what a label shows.
        facts: fills the lines' constant gaps: `product`, `gtin`, `lot`, `batch`, `order`.
        logo: the brand's, where the template has room for one.
        first_number: number of the first label; they count upwards.
        side: of the codes, where a label has one: `OUTER`, `INNER`, or empty where a unit has one code.
        font_path: font of the constant lines, instead of an installed one.
        lenient: where no installed font has a line's characters, leave the line out and say so, instead of
            refusing.
    """

    factory: SymbolFactory
    template: LabelTemplate
    facts: Mapping[str, str] = field(default_factory=dict)
    logo: Logo | None = None
    first_number: int = 1
    side: str = ""
    font_path: Path | None = None
    lenient: bool = False

    def arrange(self, dpi: int | None = None, *, below_symbol_mm: float = 0.0) -> Arrangement:
        """Where a label's parts stand; lines that vary get letters small enough for their room.

        Args:
            dpi: of the printer, where modules are whole dots.
            below_symbol_mm: space to leave below the symbol where there is some to spare.

        Raises:
            InvalidInput: something does not fit, or no font has a line's characters.
        """
        found = labels.arrange(
            self.template, self.factory.size, self.facts, dpi=dpi,
            logo=None if self.logo is None else self.logo.ratio, below_symbol_mm=below_symbol_mm,
        )  # fmt: skip
        letter_mm = min((self._fit(line) for line in found.lines if line.varies), default=0.0)
        lines = []
        for line in found.lines:
            if line.varies:
                lines.append(replace(line, letter_mm=letter_mm))  # one size for all of them
                continue
            lettering.require_line(line.text)
            if lettering.find_face(line.text, self.font_path) is None:
                if not self.lenient:
                    lettering.require_face(line.text)
                continue
            lines.append(line)
        return replace(found, lines=tuple(lines))

    def lettering(self, arrangement: Arrangement) -> str:
        """How the constant lines are set, for the report."""
        constant = [line for line in arrangement.lines if not line.varies]
        wanted = sum(not labels.varies(line) for line in self.template.lines)
        if not constant:
            return (
                "name left out: no font here has its characters" if wanted and self.facts.get("product") else "no name"
            )
        families = {lettering.require_face(line.text, self.font_path).family for line in constant}
        return f"{', '.join(sorted(families))}, shapes in the file"

    def gaps(self, code: str, number: int, part: int) -> dict[str, str]:
        """What fills the varying lines of a part of the label with this number."""
        side = SIDE_NAMES[part] if self.template.parts == 2 else self.side
        return labels.code_gaps(code, number, side)

    def _fit(self, line: LineSpot) -> float:
        """The letters' height at which the widest text of a varying line fits its room."""
        widest = max("0123456789ABCDEFGHJKMNPQRSTVWXYZ", key=latin_width)
        gaps = self.gaps(widest * self.factory.code_length, 10**_NUMBER_DIGITS - 1, 0) | {"side": SIDE_NAMES[0]}
        text = line.text.format_map(gaps)
        wide = latin_width(text)
        letter = min(line.letter_mm, line.width_mm / wide) if wide else line.letter_mm
        if letter < LETTER_MM_MIN:
            raise InvalidInput(
                f"The line {text!r} has {max(line.width_mm, 0):.3g} mm of room: its letters would be "
                f"{max(letter, 0):.2f} mm high, below {LETTER_MM_MIN} mm.",
                field="lines",
            )
        return letter


def in_batches(batches: Iterable[Bytes], count: int, run: LabelRun) -> Iterator[Bytes]:
    """Batches of any size as batches of `count` labels, the last one perhaps smaller.

    Args:
        batches: codes, ASCII, shape (n, 20), or (n, 40) with the outer code first where a label has both.
        count: labels in each.
        run: whose labels.

    Raises:
        InvalidInput: a batch has another shape, or a code another character.
    """
    width = run.factory.code_length * run.template.parts
    rest = np.empty((0, width), np.uint8)
    for batch in batches:
        parse_codes(batch, run)
        codes = np.concatenate([rest, batch]) if len(rest) else batch
        whole = len(codes) - len(codes) % count
        for start in range(0, whole, count):
            yield codes[start : start + count]
        rest = codes[whole:]
    if len(rest):
        yield rest


def parse_codes(batch: Bytes, run: LabelRun) -> Bytes:
    """The codes of a batch one by one, shape (n · parts, 20), held against what a symbol can hold.

    Raises:
        InvalidInput: the batch has another shape, or a code another character.
    """
    parts = run.template.parts
    if parts > 1 and (batch.ndim != 2 or batch.shape[1] != parts * run.factory.code_length):
        raise InvalidInput(
            f"A label has both codes of a unit: codes are of shape (n, {parts * run.factory.code_length}), not "
            f"{batch.shape}."
        )
    codes = batch.reshape(-1, run.factory.code_length) if parts > 1 else batch
    run.factory.parse(codes)  # names what is wrong in the caller's batch, not in our page
    return codes
