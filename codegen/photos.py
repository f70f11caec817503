"""Photos, scans and PDF files as pages of grey levels, within limits.

What a file is, its first bytes say, never its name. Everything here may be handed files made to do harm: run it
where nothing can be lost (see `codegen.confined`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import pypdfium2  # type: ignore[import-untyped]  # publishes no type information
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from kernel.errors import InvalidInput

PDF_DPI: Final = 300
"""Resolution at which pages of a PDF are looked at; large paper at less, to keep to the limit of pixels."""

PAGE_POINTS_MAX: Final = 14_400
"""Longest side of a PDF's page, in points: five metres, the format's own limit."""

FORMATS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
NAMES: Final = "PNG, JPEG, WebP, TIFF, BMP, GIF or PDF"

_SUFFIXES: Final = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
    ".gif": "GIF", ".pdf": "PDF",
}  # fmt: skip
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"), (b"MM\x00+", "TIFF"), (b"BM", "BMP"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
    (b"%PDF-", "PDF"),
)  # fmt: skip
_FOREIGN: Final = (
    (b"PK\x03\x04", "a ZIP archive (or a document that is one)"), (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"), (b"7z\xbc\xaf", "a 7-Zip archive"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
    (b"{\\rtf", "a text document"), (b"\xd0\xcf\x11\xe0", "an office document"),
)  # fmt: skip
_HEIC: Final = "a HEIC photo (have the phone take JPEG, “Most Compatible”, or save it as JPEG)"
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_FILMED: Final = dict.fromkeys(_HEIC_BRANDS, _HEIC) | {b"avif": "an AVIF picture", b"avis": "an AVIF picture"}
_HEAD_BYTES: Final = 1_024
_BAND_ROWS: Final = 512  # transparency is laid on paper in bands, so that it costs no further copies of a picture


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is looked at.

    Attributes:
        bytes_max: Longest file.
        pixels_max: Largest picture; pages of a PDF are rendered to at most so many.
        pages_max: Most pages of a PDF or TIFF.
        frames_max: Frames of an animation that are looked at; further ones are left, and it is said.
        page_s_max: Seconds that one page may take.
        file_s_max: Seconds that a file may take.
        memory_bytes_max: Address space of the process that reads.
    """

    bytes_max: int = 1 << 30
    pixels_max: int = 89_000_000  # an A4 page at 900 dpi
    pages_max: int = 10_000
    frames_max: int = 10
    page_s_max: float = 60
    file_s_max: float = 7_200
    memory_bytes_max: int = 2 << 30


LIMITS: Final = Limits()


class Page(NamedTuple):
    """One page.

    Attributes:
        number: From 1.
        grey: Grey levels, shape (height, width).
        moving: Whether it is a frame of an animation, which shows the same things again and again.
        drawn: Whether it was drawn here, from a PDF, and not photographed.
    """

    number: int
    grey: NDArray[np.uint8]
    moving: bool = False
    drawn: bool = False


class Remark(NamedTuple):
    """Something that whoever gave the file should know."""

    sentence: str


def pages(file: BinaryIO, name: str, limits: Limits = LIMITS) -> Iterator[Page | Remark]:
    """The pages of a file.

    Args:
        file: Its content; seekable.
        name: Its name, for sentences and to tell a renamed file.
        limits: How much of it is looked at.

    Raises:
        InvalidInput: It is empty, of a kind that is not read, damaged, locked, or too large; the detail `problem`
            says so in a word.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    kind = kind_of(head, name)
    meant = _SUFFIXES.get(PurePath(name).suffix.lower())
    if meant not in (None, kind):
        yield Remark(f"{name} is named like a {meant} file and is a {kind} file; it was read as what it is.")
    if kind == "PDF":
        yield from _pdf_pages(file, name, limits)
    else:
        yield from _picture_pages(file, name, kind, limits)


def kind_of(head: bytes, name: str) -> str:
    """What the first bytes say that a file is.

    Raises:
        InvalidInput: It is empty, or none of the kinds that are read.
    """
    if not head:
        raise InvalidInput(f"{name} is empty.", problem="empty")
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    raise InvalidInput(f"{name} is {_foreign(head)}, not a picture that is read here ({NAMES}).", problem="foreign")


def _foreign(head: bytes) -> str:
    """What else it may be, for the person who gave it."""
    found = next((words for magic, words in _FOREIGN if head.startswith(magic)), None)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if found is not None:
        return found
    if head[4:8] == b"ftyp":
        return _FILMED.get(head[8:12], "a film")
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in text:
        return "an SVG drawing (save it as PNG or PDF)"
    if text.startswith(b"<"):
        return "a web page or XML"
    return "a text file" if head.isascii() and b"\0" not in head else "of an unknown kind"


def _too_large(name: str, pixels: str, limits: Limits) -> InvalidInput:
    return InvalidInput(f"{name} has {pixels} pixels, above {limits.pixels_max:,}.", problem="pixels")


def _picture_pages(file: BinaryIO, name: str, kind: str, limits: Limits) -> Iterator[Page | Remark]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours, below
            image = Image.open(file, formats=[kind])
        with image:
            for number in range(1, limits.pages_max + 2):
                if image.width * image.height > limits.pixels_max:
                    raise _too_large(name, f"{image.width} x {image.height}", limits)
                if kind == "TIFF" and number > limits.pages_max:
                    raise InvalidInput(f"{name} has more than {limits.pages_max:,} pages.", problem="pages")
                if kind != "TIFF" and number > limits.frames_max:
                    yield Remark(f"{name} is an animation; only its first {limits.frames_max:,} frames were read.")
                    return
                yield Page(number, _grey(image), moving=kind != "TIFF")
                try:
                    image.seek(number)
                except EOFError:
                    return
    except Image.DecompressionBombError as error:
        raise _too_large(name, f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,}", limits) from error
    except UnidentifiedImageError as error:
        raise InvalidInput(
            f"{name} is damaged: it begins as a {kind} picture and is none.", problem="damaged"
        ) from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        EOFError,
        OverflowError,
        ArithmeticError,
        LookupError,
    ) as error:
        raise InvalidInput(f"{name} is damaged: {_plainly(error)}.", problem="damaged") from error


def _plainly(error: Exception) -> str:
    """The library's sentence, on one line."""
    return " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    """Grey levels the right way up (Exif); what is transparent is white paper."""
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        return _from_deep(np.asarray(upright))
    if not upright.has_transparency_data:
        return np.asarray(upright.convert("L"))
    grey = np.empty((upright.height, upright.width), np.uint8)
    for top in range(0, upright.height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, upright.height)
        band = upright.crop((0, top, upright.width, bottom)).convert("RGBA")
        paper = Image.new("RGBA", band.size, "white")
        grey[top:bottom] = np.asarray(Image.alpha_composite(paper, band).convert("L"))
    return grey


def _from_deep(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """16 bits and more as 8: whole numbers by their high byte, others stretched to what there is."""
    if levels.dtype.kind in "ui" and levels.max(initial=0) <= 0xFFFF and levels.min(initial=0) >= 0:
        return (levels.astype(np.uint32) >> 8).astype(np.uint8)
    finite = np.nan_to_num(levels.astype(np.float64), nan=0, posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    return ((finite - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)


def _pdf_pages(file: BinaryIO, name: str, limits: Limits) -> Iterator[Page]:
    try:
        with closing(pypdfium2.PdfDocument(file)) as document:
            if len(document) > limits.pages_max:
                raise InvalidInput(f"{name} has {len(document):,} pages, above {limits.pages_max:,}.", problem="pages")
            if not len(document):
                raise InvalidInput(f"{name} is damaged: it has no page.", problem="damaged")
            for number in range(1, len(document) + 1):
                yield Page(number, _render(document, number, name, limits), drawn=True)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InvalidInput(f"{name} is protected by a password; save it without.", problem="locked") from error
        raise InvalidInput(f"{name} is a damaged PDF: {_plainly(error)}.", problem="damaged") from error


def _render(document: Any, number: int, name: str, limits: Limits) -> NDArray[np.uint8]:  # noqa: ANN401 (untyped)
    with closing(document[number - 1]) as page:
        width, height = page.get_width(), page.get_height()
        if not (0 < width <= PAGE_POINTS_MAX and 0 < height <= PAGE_POINTS_MAX):
            raise InvalidInput(
                f"Page {number} of {name} measures {width:.0f} x {height:.0f} points; at most "
                f"{PAGE_POINTS_MAX:,} a side are read.",
                problem="box",
            )
        scale = min(PDF_DPI / 72, (limits.pixels_max / (width * height)) ** 0.5)
        with closing(page.render(scale=scale, grayscale=True)) as bitmap:
            grey: NDArray[np.uint8] = bitmap.to_numpy()
            return np.array(grey.reshape(grey.shape[0], grey.shape[1]))
