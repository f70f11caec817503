"""Fonts of this machine, and lines of text as bitmaps.

A label must show its Chinese name on a viewer, a printer or a machine that has no Chinese font. So its shapes go
into the file: as outlines (see `outlines`) or, for printers, as a picture drawn once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kernel.errors import InvalidInput

_FOLDERS: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
_PREFERRED: Final = (  # sans serif, regular, mainland forms first; then anything that covers the name
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "NotoSerifCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DroidSansFallback.ttf",
    "uming.ttc",
    "ukai.ttc",
    "PingFang.ttc",
    "STHeiti Light.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "simsun.ttc",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
)
_FACES_MAX: Final = 16
_EM: Final = 0.85  # size of the letters and height of the base line, as parts of the bitmap's height: Chinese
_BASE: Final = 0.22  # reaches from 0.12 em below the line to 0.88 above it, a Latin g to 0.24 em below
NAME_CHARACTERS_MAX: Final = 120
"""Longest product name a label is asked to show; what does not fit the width is cut with an ellipsis."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """One line of text as a picture.

    Attributes:
        bitmap: Shape (height, width): 1 is ink.
        base_px: Height of the base line above the bitmap's lower edge.
        font: Family name of the font it was drawn with.
    """

    bitmap: NDArray[np.uint8]
    base_px: int
    font: str


@dataclass(frozen=True, slots=True)
class Face:
    """A face of a font file; `index` is its place in a collection."""

    path: str
    index: int
    font: ImageFont.FreeTypeFont

    @property
    def family(self) -> str:
        """The family's name."""
        return str(self.font.getname()[0])


def require_line(text: str) -> None:
    """Raise InvalidInput unless it is one line that can be shown, not too long."""
    if not text.strip() or not text.isprintable() or len(text) > NAME_CHARACTERS_MAX:
        raise InvalidInput(
            f"A product name on a label is one line of 1 to {NAME_CHARACTERS_MAX} characters, not {text[:200]!r}."
        )


def find_face(text: str, font_path: Path | None = None) -> Face | None:
    """The face to set a text in: of the font file named, or the first installed one that has all the characters.

    Raises:
        InvalidInput: the font file named cannot be read or lacks a character.
    """
    return _named_face(font_path, text) if font_path else _installed_face(text)


def require_face(text: str, font_path: Path | None = None) -> Face:
    """As `find_face`, where a text must be shown.

    Raises:
        InvalidInput: no installed font has all the characters; the sentence names those that are lacking.
    """
    found = find_face(text, font_path)
    if found is not None:
        return found
    lacking = [_missing(face.font, text) for face in map(_open_face, _font_files()) if face is not None]
    least = min(lacking, key=len, default="".join(dict.fromkeys(text.replace(" ", ""))))
    raise InvalidInput(
        f"No installed font has the characters {least!r} of {text!r}; install one (Debian: fonts-noto-cjk) or name a "
        "font file.",
        characters=least,
    )


def draw(text: str, *, height_px: int, width_px: int, font_path: Path | None = None) -> Lettering | None:
    """Draw one line of text, cut with an ellipsis if it is wider than allowed.

    Args:
        text: The line; not blank.
        height_px: Height of the bitmap, ascenders and descenders included.
        width_px: Greatest width of the bitmap.
        font_path: The font file to use, instead of the first installed one that has all the characters.

    Returns:
        The bitmap, or None if no installed font has all the characters.

    Raises:
        InvalidInput: The text is blank, has control characters or is too long; the font file named cannot be
            read or lacks a character.
    """
    require_line(text)
    face = find_face(text, font_path)
    if face is None:
        return None
    font = face.font.font_variant(size=max(1, int(_EM * height_px)))
    line = text
    while font.getlength(line) > width_px and len(line) > 1:
        line = line.removesuffix("…")[:-1] + "…"
    width = min(width_px, max(1, int(np.ceil(font.getlength(line)))))
    base_px = round(_BASE * height_px)
    image = Image.new("1", (width, height_px), 0)
    ImageDraw.Draw(image).text((0, height_px - base_px), line, fill=1, font=font, anchor="ls")
    return Lettering(np.asarray(image, dtype=np.uint8), base_px, face.family)


def _named_face(path: Path, text: str) -> Face:
    face = _open_face(str(path))
    if face is None:
        raise InvalidInput(f"{path} is not a font file that can be read.")
    missing = _missing(face.font, text)
    if missing:
        raise InvalidInput(f"The font {path} lacks the characters {missing!r}.", characters=missing)
    return face


def _installed_face(text: str) -> Face | None:
    for path in _font_files():
        face = _open_face(path)
        if face is not None and not _missing(face.font, text):
            return face
    return None


@cache
def _font_files() -> tuple[str, ...]:
    """The installed fonts of the preferred list, in its order."""
    found: dict[str, str] = {}
    for path in _walk_fonts():
        if path.name in _PREFERRED:
            found.setdefault(path.name, str(path))
    return tuple(found[name] for name in _PREFERRED if name in found)


def _walk_fonts() -> Iterator[Path]:
    for folder in _FOLDERS:
        root = Path(folder).expanduser()
        if root.is_dir():
            yield from sorted(root.rglob("*.[ot]t[fc]"))


@cache
def _open_face(path: str) -> Face | None:
    """The face of a font file, of a collection the one for simplified Chinese; None if it cannot be read."""
    faces = []
    for index in range(_FACES_MAX):
        try:
            font = open_font(path, index)
        except OSError:  # no such face: FreeType has no other way to say how many there are
            break
        faces.append(Face(path, index, font))
    simplified = (face for face in faces if face.family.endswith(" SC"))
    return next(simplified, faces[0] if faces else None)


def open_font(path: str, index: int = 0) -> ImageFont.FreeTypeFont:
    """A face of a font file.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    return ImageFont.truetype(path, size=32, index=index, layout_engine=ImageFont.Layout.BASIC)


def _missing(face: ImageFont.FreeTypeFont, text: str) -> str:
    """The characters of `text` that the font shows as its box for unknown ones."""
    unknown = bytes(face.getmask("\U0010fffe"))
    return "".join(c for c in dict.fromkeys(text) if not c.isspace() and bytes(face.getmask(c)) == unknown)
