"""Printed labels read back from scans, photographs and PDF files.

Two independent decoders look at every symbol: one that only one of them reads is a warning about the print.
ZXing looks at the whole picture. ZBar, which sees next to nothing on a crowded sheet, is shown each find of
ZXing's alone and enlarged, then the picture with the finds painted over; what it reads there, ZXing is shown
again, alone and enlarged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pypdfium2  # type: ignore[import-untyped]  # publishes no type information
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError
from pyzbar import pyzbar

from codegen.grades import Corners, grade
from kernel.errors import InvalidInput

PIXELS_MAX: Final = 89_000_000
"""Largest picture that is read: an A4 page at 900 dpi."""

PAGES_MAX: Final = 10_000
PDF_DPI: Final = 300
"""Resolution at which pages of a PDF are looked at; larger paper than A3 at less, to keep to `PIXELS_MAX`."""

_ROUNDS_MAX: Final = 8  # ZXing returns at most 255 symbols at a time
_RETRY_SIDE_PX: Final = 400  # a symbol shown again is enlarged to this size
_MARGIN: Final = 0.18  # of a symbol's side, shown around it: a quiet zone of four modules at version 2


@dataclass(frozen=True, slots=True)
class ReadSymbol:
    """One QR symbol on one page. Two prints of one code on a page are two symbols.

    Attributes:
        source: The file's path as it was given.
        page: Page of a PDF from 1; 1 for a picture.
        text: What the symbol says.
        zbar: Whether ZBar read it.
        zxing: Whether ZXing read it.
        grade: A to F, an indication of quality (see `grades`); None if ZXing, which measures it, did not read
            the symbol.
    """

    source: str
    page: int
    text: str
    zbar: bool
    zxing: bool
    grade: str | None


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A symbol as one decoder saw it."""

    text: str
    corners: Corners
    version: int | None = None
    unused_correction: float | None = None

    @property
    def middle(self) -> tuple[float, float]:
        x, y = np.mean(self.corners, axis=0)
        return float(x), float(y)

    @property
    def side(self) -> float:
        return float(np.ptp(np.array(self.corners), axis=0).max())


@dataclass(frozen=True, slots=True)
class _Match:
    """A symbol and who read it; seen by ZXing if it did, as only ZXing tells the version."""

    seen: _Sighting
    zbar: bool
    zxing: bool


def read_files(paths: Iterable[Path | str]) -> Iterator[ReadSymbol]:
    """Read all QR symbols of PNG, JPEG and PDF files, in reading order, page by page.

    Raises:
        InvalidInput: A file is missing, is neither a picture nor a PDF, is damaged or too large.
    """
    for path in paths:
        for page, picture in enumerate(_pictures(Path(path)), start=1):
            yield from read_picture(picture, source=str(path), page=page)


def read_picture(picture: NDArray[np.uint8], *, source: str, page: int = 1) -> list[ReadSymbol]:
    """Read all QR symbols of one picture.

    Args:
        picture: Grey levels, shape (height, width).
        source: Name of the file, for the result.
        page: Page number, for the result.
    """
    matches: list[_Match] = []
    by_zxing, rest = _read_zxing_all(picture)
    for sighting in by_zxing:
        cut, _, _ = _enlarge(picture, sighting)
        found = any(again.text == sighting.text for again in _read_zbar(cut))
        matches.append(_Match(sighting, zbar=found, zxing=True))
    for sighting in _read_zbar(rest):
        cut, origin, scale = _enlarge(picture, sighting)
        again = next((s for s in _read_zxing(cut) if s.text == sighting.text), None)
        if again is None:
            matches.append(_Match(sighting, zbar=True, zxing=False))
        else:
            matches.append(_Match(_put_back(again, origin, scale), zbar=True, zxing=True))
    return [
        ReadSymbol(source, page, match.seen.text, match.zbar, match.zxing, _grade(picture, match))
        for match in _reading_order(matches)
    ]


def _grade(picture: NDArray[np.uint8], match: _Match) -> str | None:
    seen = match.seen
    if not match.zxing or seen.version is None:
        return None
    return grade(picture, seen.corners, seen.version, seen.unused_correction)


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


def _read_zxing_all(picture: NDArray[np.uint8]) -> tuple[list[_Sighting], NDArray[np.uint8]]:
    """All that ZXing finds, in rounds, and the picture with that painted over."""
    found: list[_Sighting] = []
    rest = Image.fromarray(picture)
    for _ in range(_ROUNDS_MAX):
        fresh = _read_zxing(np.asarray(rest))
        if not fresh:
            break
        found += fresh
        pen = ImageDraw.Draw(rest)
        for sighting in fresh:
            pen.polygon(sighting.corners, fill=255)
    return found, np.asarray(rest)


def _read_zxing(picture: NDArray[np.uint8]) -> list[_Sighting]:
    sightings = []
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    for code in zxingcpp.read_barcodes(picture, formats=formats):
        place = code.position
        points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
        corners = tuple((float(p.x), float(p.y)) for p in points)
        extra: Any = code.extra  # declared an object; it is a dict
        version = int(extra["Version"]) if "Version" in extra else None
        sightings.append(_Sighting(code.text, corners, version, extra.get("UEC")))
    return sightings


def _read_zbar(picture: NDArray[np.uint8]) -> list[_Sighting]:
    sightings = []
    for code in pyzbar.decode(picture, symbols=[pyzbar.ZBarSymbol.QRCODE]):
        box = code.rect
        right, bottom = float(box.left + box.width), float(box.top + box.height)
        left, top = float(box.left), float(box.top)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        sightings.append(_Sighting(code.data.decode("utf-8", "replace"), corners))
    return sightings


def _enlarge(picture: NDArray[np.uint8], sighting: _Sighting) -> tuple[NDArray[np.uint8], tuple[int, int], float]:
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


def _put_back(sighting: _Sighting, origin: tuple[int, int], scale: float) -> _Sighting:
    """A sighting on an enlarged cut, in the coordinates of the whole picture."""
    corners = tuple((origin[0] + x / scale, origin[1] + y / scale) for x, y in sighting.corners)
    return _Sighting(sighting.text, corners, sighting.version, sighting.unused_correction)


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The pages of a file as grey levels."""
    try:
        with path.open("rb") as file:
            head = file.read(5)
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from error
    if head == b"%PDF-":
        yield from _pdf_pictures(path)
        return
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            if image.width * image.height > PIXELS_MAX:
                raise InvalidInput(f"{path} has {image.width} x {image.height} pixels, above {PIXELS_MAX}.")
            yield _grey(image)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{path} is not a PNG or JPEG picture nor a PDF.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInput(f"{path} is damaged: {error}.") from error


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    """Grey levels; what is transparent is white paper."""
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, colours)
    return np.asarray(image.convert("L"))


def _pdf_pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    try:
        document: Any = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise InvalidInput(f"{path} is not a PDF that can be read: {error}.") from error
    try:
        if len(document) > PAGES_MAX:
            raise InvalidInput(f"{path} has {len(document)} pages, above {PAGES_MAX}.")
        for page in document:
            scale = PDF_DPI / 72
            scale = min(scale, (PIXELS_MAX / (page.get_width() * page.get_height())) ** 0.5)
            bitmap = page.render(scale=scale, grayscale=True)
            grey: NDArray[np.uint8] = bitmap.to_numpy()
            yield np.ascontiguousarray(grey.reshape(grey.shape[0], grey.shape[1]))
            bitmap.close()
            page.close()
    except pypdfium2.PdfiumError as error:
        raise InvalidInput(f"{path} is damaged: {error}.") from error
    finally:
        document.close()
