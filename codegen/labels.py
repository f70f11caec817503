"""Templates of labels, and where on a label its parts stand. Pure.

All measures are millimetres from the top left. A template says what a label shows; `arrange` puts the parts of
one symbol size in their places, or refuses with the numbers that do not fit. Where a printer has dots, a module
is a whole number of them, so the symbol comes out a little smaller than asked for, never larger.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from codegen import fields
from codegen.symbols import QUIET_ZONE_MODULES
from kernel.errors import InvalidInput

MODULE_MM_MIN: Final = 0.25
"""Narrowest module (X dimension) that phones read reliably from ordinary print; two dots of a 203 dpi head."""
LABELS_PER_PAGE_MAX: Final = 2_000
PAGE_MM_MAX: Final = 2_000.0
LETTER_MM_MIN: Final = 0.8
LINES_MAX: Final = 8
LINE_CHARS_MAX: Final = 80
DPIS: Final = (203, 300, 600)
PLACES: Final = ("below", "beside")
CODES: Final = ("one", "both")
LEVELS: Final = ("L", "M", "Q", "H")

CONSTANT: Final = ("product", "gtin", "lot", "batch", "order")
"""What a line may name that is alike on all labels of a run."""
PER_LABEL: Final = ("code", "code_first", "code_last", "line", "side")
"""What differs from label to label: the code in groups of four, its greater and its smaller half, the line's
number, and the side (OUTER or INNER)."""

CODE_LINES: Final = ("{product}", "{code_first}", "{code_last}  #{line}")
LINE_PITCH: Final = 1.1  # distance of base lines, in letter heights
SIDE_MM: Final = 0.5  # what a line of text leaves free on either side of its room
DESCENT: Final = 0.2  # a fifth of the letters' height hangs below the base line
_MARK_GAP_MM: Final = 1.0
_MARK_MM: Final = 3.0
_SNAP: Final = 1e-6  # dots: what rounding of millimetres may take away
_BESIDE_MM_MIN: Final = 6.0  # narrowest room for lines beside a symbol

_GAP: Final = re.compile(r"\{([^{}]*)\}")
_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*")  # ASCII without quotes and backslashes


@dataclass(frozen=True, slots=True)
class LabelTemplate:
    """What a label shows, and how labels lie on their paper.

    Attributes:
        name: the template's name.
        page_mm: width and height of the paper; of a roll, of one label.
        label_mm: width and height of a label.
        grid: labels in a row, rows on a page.
        margin_mm: left and top edge of the paper to the first label.
        gap_mm: space between neighbours, across and down.
        symbol_mm: side of the symbol without its quiet zone, for which the label has room besides.
        letter_mm: height of a line of text; the code is set smaller where it would not fit.
        level: error correction of the symbol.
        place: lines `below` the symbol or `beside` it.
        codes: `one` code a label, or `both` of a unit: then the label has two halves, outer and inner.
        lines: texts with gaps such as `{product}`; a line all of whose gaps are empty is left out.
        logo_mm: height of the brand's logo above the lines; 0 for none.
        crop_marks: marks in the margins where the labels are to be cut.
        note: what it is for, for people.
    """

    name: str
    page_mm: tuple[float, float] = (210.0, 297.0)
    label_mm: tuple[float, float] = (24.25, 28.1)
    grid: tuple[int, int] = (8, 10)
    margin_mm: tuple[float, float] = (8.0, 8.0)
    gap_mm: tuple[float, float] = (0.0, 0.0)
    symbol_mm: float = 15.0
    letter_mm: float = 2.0
    level: str = "M"
    place: str = "below"
    codes: str = "one"
    lines: tuple[str, ...] = CODE_LINES
    logo_mm: float = 0.0
    crop_marks: bool = False
    note: str = ""

    @property
    def labels(self) -> int:
        """Labels on a full page."""
        return self.grid[0] * self.grid[1]

    @property
    def parts(self) -> int:
        """Symbols on a label."""
        return 2 if self.codes == "both" else 1

    @property
    def part_mm(self) -> tuple[float, float]:
        """Width and height of the part of a label that one symbol has to itself."""
        return self.label_mm[0] / self.parts, self.label_mm[1]

    def label_origin_mm(self, index: int) -> tuple[float, float]:
        """Top left corner of a page's `index`-th label."""
        row, column = divmod(index, self.grid[0])
        return (
            self.margin_mm[0] + column * (self.label_mm[0] + self.gap_mm[0]),
            self.margin_mm[1] + row * (self.label_mm[1] + self.gap_mm[1]),
        )


@dataclass(frozen=True, slots=True)
class LineSpot:
    """A line of text in its place: base line, room across, alignment (`middle` or `left`)."""

    text: str
    varies: bool
    base_mm: float
    left_mm: float
    width_mm: float
    align: str
    letter_mm: float


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where the parts of one symbol's part of a label stand, from that part's top left.

    Attributes:
        symbol_mm: left, top and side of the symbol, quiet zone not included.
        module_mm: width of a module.
        module_dots: the same in the printer's dots; 0 where there are none.
        lines: the texts.
        logo_mm: left, top, width and height of the room for the logo; None where there is none.
    """

    symbol_mm: tuple[float, float, float]
    module_mm: float
    module_dots: int
    lines: tuple[LineSpot, ...]
    logo_mm: tuple[float, float, float, float] | None


def parse(name: str, document: Mapping[str, Any]) -> LabelTemplate:
    """A template from its document, everything held against the limits.

    Raises:
        InvalidInput: a field is missing, unknown or outside its limits, or the labels do not fit the page.
    """
    fields.require_name(name, "template")
    fields.require_known(document, [key for key in asdict(LabelTemplate("x")) if key != "name"], "A template")
    page = fields.read_measures(document, "page_mm", (210.0, 297.0), low=5, high=PAGE_MM_MAX)
    grid = document.get("grid", (1, 1))
    if not isinstance(grid, (list, tuple)) or len(grid) != 2:
        raise InvalidInput("grid is a pair of whole numbers: labels across and down.", field="grid")
    across, down = (fields.read_whole({"grid": each}, "grid", 1, low=1, high=200) for each in grid)
    template = LabelTemplate(
        name=name,
        page_mm=page,
        label_mm=fields.read_measures(document, "label_mm", page, low=5, high=PAGE_MM_MAX),
        grid=(across, down),
        margin_mm=fields.read_measures(document, "margin_mm", (0.0, 0.0), low=0, high=PAGE_MM_MAX),
        gap_mm=fields.read_measures(document, "gap_mm", (0.0, 0.0), low=0, high=PAGE_MM_MAX),
        symbol_mm=fields.read_measure(document, "symbol_mm", 15.0, low=5, high=500),
        letter_mm=fields.read_measure(document, "letter_mm", 2.0, low=LETTER_MM_MIN, high=50),
        level=fields.read_choice(document, "level", "M", LEVELS),
        place=fields.read_choice(document, "place", "below", PLACES),
        codes=fields.read_choice(document, "codes", "one", CODES),
        lines=_parse_lines(document.get("lines", CODE_LINES)),
        logo_mm=fields.read_measure(document, "logo_mm", 0.0, low=0, high=500),
        crop_marks=fields.read_flag(document, "crop_marks", default=False),
        note=fields.read_text(document, "note", "", most=120),
    )
    require_page(template)
    return template


def document_of(template: LabelTemplate) -> dict[str, Any]:
    """What `parse` reads."""
    document = asdict(template)
    del document["name"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in document.items()}


def _parse_lines(given: object) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)) or len(given) > LINES_MAX:
        raise InvalidInput(f"lines is a list of at most {LINES_MAX} texts.", field="lines")
    found = []
    for number, each in enumerate(given, start=1):
        text = fields.read_text({"lines": each}, "lines", "", most=LINE_CHARS_MAX)
        for name in _GAP.findall(text):
            if name not in CONSTANT and name not in PER_LABEL:
                raise InvalidInput(
                    f"Line {number} names {name[:40]!r}; there are {', '.join((*CONSTANT, *PER_LABEL))}.", field="lines"
                )
        if not text.strip() or set(_GAP.sub("", text)) & set("{}"):
            raise InvalidInput(f"Line {number} is blank, or has a brace without its other.", field="lines")
        if varies(text) and (not _GAP.sub("", text).isascii() or set(text) & set('\\"')):
            raise InvalidInput(
                f"Line {number} changes from label to label: only its gaps and ASCII without quotes and backslashes "
                "may stand in it; put other text in a line of its own.",
                field="lines",
            )
        found.append(text)
    return tuple(found)


def varies(line: str) -> bool:
    """Whether a line differs from label to label."""
    return any(name in PER_LABEL for name in _GAP.findall(line))


def fill(line: str, values: Mapping[str, str]) -> str:
    """A line with the gaps filled that `values` names; others stay."""
    return _GAP.sub(lambda match: values.get(match[1], match[0]), line)


def require_page(template: LabelTemplate) -> None:
    """Raise InvalidInput unless the labels lie on the page, and the crop marks in its margins."""
    if template.labels > LABELS_PER_PAGE_MAX or min(template.grid) < 1:
        raise InvalidInput(
            f"A page holds 1 to {LABELS_PER_PAGE_MAX:,} labels, not {template.grid[0]} x {template.grid[1]}.",
            field="grid",
        )
    for axis, (word, count) in enumerate(zip(("wide", "high"), template.grid, strict=True)):
        label, gap, margin, page = (
            each[axis] for each in (template.label_mm, template.gap_mm, template.margin_mm, template.page_mm)
        )
        if not all(math.isfinite(each) for each in (label, gap, margin, page)) or min(gap, margin) < 0 or label <= 0:
            raise InvalidInput("A label's sides are above 0 mm, margins and gaps at least 0.", field="label_mm")
        taken = margin + count * label + (count - 1) * gap
        if taken > page + 0.005:  # hundredths are what sheets are specified to
            raise InvalidInput(
                f"{count} labels of {label:g} mm with gaps of {gap:g} mm after a margin of {margin:g} mm take "
                f"{taken:.4g} mm; the page is {page:g} mm {word}.",
                field="label_mm",
            )
        if template.crop_marks:
            room = min(margin, page - taken)
            if room < _MARK_GAP_MM + _MARK_MM:
                raise InvalidInput(
                    f"Crop marks need margins of {_MARK_GAP_MM + _MARK_MM:g} mm on all sides; one is {room:.3g} mm.",
                    field="crop_marks",
                )


def crop_marks(template: LabelTemplate) -> list[tuple[float, float, float, float]]:
    """Lines (x0, y0, x1, y1) in the margins, where labels begin and end."""
    if not template.crop_marks:
        return []
    columns, rows = template.grid
    xs, ys = [], []
    for column in range(columns):
        left = template.margin_mm[0] + column * (template.label_mm[0] + template.gap_mm[0])
        xs += [left, left + template.label_mm[0]]
    for row in range(rows):
        top = template.margin_mm[1] + row * (template.label_mm[1] + template.gap_mm[1])
        ys += [top, top + template.label_mm[1]]
    near, far = _MARK_GAP_MM, _MARK_GAP_MM + _MARK_MM
    across = [(x, edge + sign * near, x, edge + sign * far) for x in xs for edge, sign in ((ys[0], -1), (ys[-1], 1))]
    down = [(edge + sign * near, y, edge + sign * far, y) for y in ys for edge, sign in ((xs[0], -1), (xs[-1], 1))]
    return across + down


def arrange(
    template: LabelTemplate,
    size: int,
    facts: Mapping[str, str],
    *,
    dpi: int | None = None,
    logo: float | None = None,
    below_symbol_mm: float = 0.0,
) -> Arrangement:
    """Put the parts of a label in their places.

    Args:
        template: what the label shows.
        size: modules a side of the symbol.
        facts: fills the gaps that are alike on all labels; what is missing is empty.
        dpi: of the printer, where modules are whole dots.
        logo: width of the brand's logo by its height; None where there is none.
        below_symbol_mm: space to leave below the symbol where there is some to spare.

    Raises:
        InvalidInput: a part does not fit, with the numbers.
    """
    require_page(template)
    dots, module = _module(template, size, dpi)
    side = module * size
    framed = side + 2 * QUIET_ZONE_MODULES * module
    texts = _texts(template, facts)
    part = template.part_mm
    logo_high = template.logo_mm if logo is not None else 0.0
    if template.place == "below":
        height = framed + logo_high + len(texts) * LINE_PITCH * template.letter_mm
        _require_room(template, part, (framed, height), size, module)
        below = min(below_symbol_mm, max(part[1] - height, 0.0))
        top = (part[1] - height - below) / 2
        left = (part[0] - side) / 2
        symbol = (left, top + logo_high + (framed - side) / 2, side)
        room = (0.0, part[0])
        first = top + logo_high + framed + below
        logo_top = top
    else:
        height = max(framed, logo_high + len(texts) * LINE_PITCH * template.letter_mm)
        width = framed + (_BESIDE_MM_MIN if texts or logo_high else 0.0)
        _require_room(template, part, (width, height), size, module)
        quiet = QUIET_ZONE_MODULES * module
        symbol = (quiet, (part[1] - side) / 2, side)
        room = (framed, part[0] - framed)
        logo_top = (part[1] - logo_high - len(texts) * LINE_PITCH * template.letter_mm) / 2
        first = logo_top + logo_high
    lines = tuple(
        LineSpot(
            text, changes, first + ((number + 1) * LINE_PITCH - DESCENT - (LINE_PITCH - 1)) * template.letter_mm,
            room[0] + SIDE_MM, room[1] - 2 * SIDE_MM, "middle" if template.place == "below" else "left",
            template.letter_mm,
        )
        for number, (text, changes) in enumerate(texts)
    )  # fmt: skip
    spot = None if logo is None or not logo_high else _logo_room(room, logo_top, logo_high, logo, template.place)
    if dots:
        symbol = (_snap(symbol[0], dpi), _snap(symbol[1], dpi), symbol[2])
    return Arrangement(symbol, module, dots, lines, spot)


def _module(template: LabelTemplate, size: int, dpi: int | None) -> tuple[int, float]:
    """Dots a module (0 where there are none) and its width in millimetres."""
    module = template.symbol_mm / size
    if module < MODULE_MM_MIN - _SNAP:
        raise InvalidInput(
            f"A symbol of {size} modules on {template.symbol_mm:g} mm has modules of {module:.3f} mm; phones need "
            f"{MODULE_MM_MIN} mm, that is {size * MODULE_MM_MIN:g} mm.",
            field="symbol_mm",
        )
    if dpi is None:
        return 0, module
    if dpi not in DPIS:
        raise InvalidInput(f"A print head has {', '.join(map(str, DPIS))} dots an inch, not {dpi}.", field="dpi")
    dots = math.floor(module / 25.4 * dpi + _SNAP)
    if dots < 1 or dots * 25.4 / dpi < MODULE_MM_MIN - _SNAP:
        raise InvalidInput(
            f"At {dpi} dpi a module of {module:.3f} mm is {module / 25.4 * dpi:.3f} dots, and with {dots} whole ones "
            f"{dots * 25.4 / dpi:.3f} mm; phones need {MODULE_MM_MIN} mm.",
            field="dpi",
        )
    return dots, dots * 25.4 / dpi


def _snap(length_mm: float, dpi: int | None) -> float:
    assert dpi is not None
    return round(length_mm / 25.4 * dpi) * 25.4 / dpi


def _texts(template: LabelTemplate, facts: Mapping[str, str]) -> list[tuple[str, bool]]:
    """The lines with their constant gaps filled, and whether each varies; one whose gaps are all empty is left out.

    A line that varies is what `str.format_map` fills.
    """
    values = {name: facts.get(name, "") for name in CONSTANT}
    escaped = {name: value.replace("{", "{{").replace("}", "}}") for name, value in values.items()}
    found = []
    for line in template.lines:
        names = _GAP.findall(line)
        if names and not any(name in PER_LABEL or values[name] for name in names):
            continue
        if not varies(line):
            found.append((fill(line, values), False))
            continue
        strange = next((name for name in names if name in values and not _PLAIN.fullmatch(values[name])), None)
        if strange is not None:
            raise InvalidInput(
                f"A line that changes from label to label names {strange}, and {values[strange][:60]!r} is not plain "
                "ASCII: give it a line of its own.",
                field="lines",
            )
        found.append((fill(line, escaped), True))
    return found


def _require_room(
    template: LabelTemplate, part: tuple[float, float], needed: tuple[float, float], size: int, module: float
) -> None:
    if needed[0] <= part[0] + 0.005 and needed[1] <= part[1] + 0.005:
        return
    half = "Half of the label" if template.parts == 2 else "The label"
    logo = f", the logo of {template.logo_mm:g} mm" if template.logo_mm else ""
    raise InvalidInput(
        f"{half} is {part[0]:.4g} x {part[1]:.4g} mm; the symbol of {size * module:.3g} mm with its quiet zone of "
        f"{QUIET_ZONE_MODULES} modules{logo} and the lines need {needed[0]:.4g} x {needed[1]:.4g} mm.",
        field="symbol_mm",
    )


def _logo_room(
    room: tuple[float, float], top: float, height: float, logo: float, place: str
) -> tuple[float, float, float, float]:
    """The logo's rectangle: as high as it may be, no wider than the room, its shape kept."""
    inside = room[1] - 2 * SIDE_MM
    high = min(height - SIDE_MM, inside / logo)
    if high <= 0:
        raise InvalidInput(f"A logo {height:g} mm high leaves nothing to draw; it needs more than {SIDE_MM} mm.",
                           field="logo_mm")  # fmt: skip
    wide = high * logo
    left = room[0] + SIDE_MM + (0.0 if place == "beside" else (inside - wide) / 2)
    return left, top + (height - high) / 2, wide, high


def code_gaps(code: str, label_number: int, side: str) -> dict[str, str]:
    """What fills a label's own gaps: the code in groups of four, the greater half of them in `code_first`."""
    groups = [code[i : i + 4] for i in range(0, len(code), 4)]
    half = (len(groups) + 1) // 2
    return {
        "code": " ".join(groups),
        "code_first": " ".join(groups[:half]),
        "code_last": " ".join(groups[half:]),
        "line": str(label_number),
        "side": side,
    }
