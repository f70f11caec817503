"""Printed labels read back from scans, photographs and PDF files.

Two independent decoders look at every symbol: one that only one of them reads is a warning about the print.
ZXing looks at the whole picture. ZBar, which sees next to nothing on a crowded sheet, is shown each find of
ZXing's alone and enlarged, then the picture with the finds painted over; what it reads there, ZXing is shown
again, alone and enlarged. What neither reads at first sight, both are shown again smoothed, stretched, sharpened
and at other sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, ImageDraw

from codegen import decoders
from codegen.decoders import Grey, Read, Sighting
from codegen.grades import Grades, grade
from codegen.grids import Corners
from codegen.photos import LIMITS, Limits, Page, Remark, pages
from kernel.errors import InvalidInput

SYMBOLS_MAX: Final = 5_000
"""Symbols of one page that are read: an A3 page of labels 9 mm wide and high has 1,500."""

_ROUNDS_MAX: Final = 8  # ZXing returns at most 255 symbols at a time
_RETRY_SIDE_PX: Final = 400  # a symbol shown again is enlarged to this size
_MARGIN: Final = 0.18  # of a symbol's side, shown around it: a quiet zone of four modules at version 2
_HARD_PIXELS_MAX: Final = 16_000_000
"""Larger pictures, and pages that are drawn and not photographed, are looked at hard only if nothing was found."""


@dataclass(frozen=True, slots=True)
class ReadSymbol:
    """One QR symbol on one page. Two prints of one code on a page are two symbols.

    Attributes:
        source: The file's name as it was given.
        page: Page of a PDF or TIFF, frame of an animation, from 1; 1 for a picture.
        text: What the symbol says.
        zbar: Whether ZBar read it.
        zxing: Whether ZXing read it.
        corners: Where it is: top left, top right, bottom right, bottom left of the upright symbol, in pixels.
        grades: An indication of its print quality; None if ZXing, which finds the grid, did not read it.
    """

    source: str
    page: int
    text: str
    zbar: bool
    zxing: bool
    corners: Corners
    grades: Grades | None

    @property
    def grade(self) -> str | None:
        """The worst of all grades, A to F."""
        return None if self.grades is None else self.grades.letter


@dataclass(frozen=True, slots=True)
class _Match:
    """A symbol and who read it; seen by ZXing if it did, as only ZXing tells the version."""

    seen: Sighting
    zbar: bool
    zxing: bool


def read_files(paths: Iterable[Path | str]) -> Iterator[ReadSymbol]:
    """Read all QR symbols of pictures and PDF files, in reading order, page by page, in this process.

    Raises:
        InvalidInput: A file is missing, of a kind that is not read, damaged or too large.
    """
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                for each in pages(file, str(path)):
                    if isinstance(each, Page):
                        yield from read_picture(each.grey, source=str(path), page=each.number)
        except OSError as error:
            raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from error


def read_pages(file: BinaryIO, name: str, limits: Limits = LIMITS) -> Iterator[tuple[Page, list[ReadSymbol]] | Remark]:
    """Read a file page by page; a symbol that an earlier frame of the same animation showed is left out."""
    shown: set[str] = set()
    for each in pages(file, name, limits):
        if isinstance(each, Remark):
            yield each
            continue
        symbols = read_picture(each.grey, source=name, page=each.number, drawn=each.drawn)
        if each.moving:
            symbols = [symbol for symbol in symbols if symbol.text not in shown]
            shown.update(symbol.text for symbol in symbols)
        yield each, symbols


def read_picture(picture: Grey, *, source: str, page: int = 1, drawn: bool = False) -> list[ReadSymbol]:
    """Read all QR symbols of one picture.

    Args:
        picture: Grey levels, shape (height, width).
        source: Name of the file, for the result.
        page: Page number, for the result.
        drawn: Whether it was drawn by a program and not photographed.
    """
    matches, rest = _read_easy(picture)
    if not matches or (not drawn and picture.size <= _HARD_PIXELS_MAX):
        matches += _read_hard(picture, rest)
    return [
        ReadSymbol(source, page, match.seen.text, match.zbar, match.zxing, match.seen.corners, _grade(picture, match))
        for match in _reading_order(matches)[:SYMBOLS_MAX]
    ]


def _read_easy(picture: Grey) -> tuple[list[_Match], Grey]:
    """What is read at first sight, and the picture with that painted over."""
    matches: list[_Match] = []
    by_zxing, rest = _read_zxing_all(picture)
    for sighting in by_zxing:
        found = _look_again(picture, sighting, decoders.read_zbar) is not None
        matches.append(_Match(sighting, zbar=found, zxing=True))
    fresh = decoders.read_zbar(rest)
    matches += [_shown_to_zxing(picture, sighting) for sighting in fresh]
    return matches, _painted(rest, fresh)


def _read_hard(picture: Grey, rest: Grey) -> list[_Match]:
    """What is read when the rest of the picture is shown in other ways."""
    matches: list[_Match] = []
    painted = rest
    for view, scale in decoders.views(rest):
        fresh = _unseen(matches, [each.moved(scale) for each in decoders.read_zxing(view)])
        for sighting in fresh:
            found = _look_again(picture, sighting, decoders.read_zbar) is not None
            matches.append(_Match(sighting, zbar=found, zxing=True))
        others = _unseen(matches, [each.moved(scale) for each in decoders.read_zbar(view)])
        matches += [_shown_to_zxing(painted, sighting) for sighting in others]
    return matches


def _unseen(matches: list[_Match], sightings: list[Sighting]) -> list[Sighting]:
    """Those that are not a symbol that was read already: another text, or another place."""
    fresh: list[Sighting] = []
    for each in sightings:
        known = [match.seen for match in matches] + fresh
        if not any(_same(each, other) for other in known):
            fresh.append(each)
    return fresh


def _same(one: Sighting, other: Sighting) -> bool:
    apart = np.hypot(one.middle[0] - other.middle[0], one.middle[1] - other.middle[1])
    return one.text == other.text and bool(apart < max(one.side, other.side) / 2)


def _shown_to_zxing(picture: Grey, sighting: Sighting) -> _Match:
    again = _look_again(picture, sighting, decoders.read_zxing)
    return _Match(again or sighting, zbar=True, zxing=again is not None)


def _look_again(picture: Grey, sighting: Sighting, read: Read) -> Sighting | None:
    """Show one symbol alone and enlarged to the other decoder, in several ways."""
    cut, origin, scale = _enlarge(picture, sighting)
    for view in decoders.close_views(cut):
        zoom = view.shape[1] / cut.shape[1]
        for again in read(view):
            if again.text == sighting.text:
                return again.moved(scale * zoom, origin)
    return None


def _grade(picture: Grey, match: _Match) -> Grades | None:
    seen = match.seen
    if not match.zxing or seen.version is None:
        return None
    return grade(picture, seen)


def _reading_order(matches: list[_Match]) -> list[_Match]:
    """Row by row, in each from left to right; a row reaches half a symbol below its topmost middle."""
    rows: list[list[_Match]] = []
    for match in sorted(matches, key=lambda m: m.seen.middle[1]):
        first = rows[-1][0].seen if rows else None
        if first is not None and match.seen.middle[1] - first.middle[1] < first.side / 2:
            rows[-1].append(match)
        else:
            rows.append([match])
    return [match for row in rows for match in sorted(row, key=lambda m: m.seen.middle[0])]


def _read_zxing_all(picture: Grey) -> tuple[list[Sighting], Grey]:
    """All that ZXing finds, in rounds, and the picture with that painted over."""
    found: list[Sighting] = []
    rest = picture
    for _ in range(_ROUNDS_MAX):
        fresh = decoders.read_zxing(rest)
        if not fresh:
            break
        found += fresh
        rest = _painted(rest, fresh)
    return found, rest


def _painted(picture: Grey, sightings: list[Sighting]) -> Grey:
    """The picture with symbols painted over in white."""
    if not sightings:
        return picture
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for sighting in sightings:
        pen.polygon(sighting.corners, fill=255)
    return np.asarray(image)


def _enlarge(picture: Grey, sighting: Sighting) -> tuple[Grey, tuple[int, int], float]:
    """A symbol with its surroundings, enlarged: the cut, where it was (x, y), and how many times larger."""
    points = np.array(sighting.corners)
    margin = sighting.side * _MARGIN
    left, top = (max(int(v), 0) for v in points.min(axis=0) - margin)
    right, bottom = (int(v) + 1 for v in points.max(axis=0) + margin)
    cut = picture[top:bottom, left:right]
    scale = max(_RETRY_SIDE_PX / max(sighting.side, 1.0), 1.0)
    size = (max(round(cut.shape[1] * scale), 1), max(round(cut.shape[0] * scale), 1))
    enlarged = Image.fromarray(cut).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(enlarged), (left, top), scale
