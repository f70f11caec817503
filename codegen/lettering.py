"""Product names as bitmaps.

A label must show its Chinese name on a viewer, a printer or a machine that has no Chinese font. The name is
the same on every label of a run, so it is drawn once, with a font of this machine, and put in as a picture.
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
GROUP_CHARACTERS: Final = 4
"""Characters of a code that are read in one go."""

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
    if not text.strip() or not text.isprintable() or len(text) > NAME_CHARACTERS_MAX:
        raise InvalidInput(
            f"A product name on a label is one line of 1 to {NAME_CHARACTERS_MAX} characters, not {text!r}."
        )
    face = _named_face(font_path, text) if font_path else _installed_face(text)
    if face is None:
        return None
    font = face.font_variant(size=max(1, int(_EM * height_px)))
    line = text
    while font.getlength(line) > width_px and len(line) > 1:
        line = line.removesuffix("…")[:-1] + "…"
    width = min(width_px, max(1, int(np.ceil(font.getlength(line)))))
    base_px = round(_BASE * height_px)
    image = Image.new("1", (width, height_px), 0)
    ImageDraw.Draw(image).text((0, height_px - base_px), line, fill=1, font=font, anchor="ls")
    return Lettering(np.asarray(image, dtype=np.uint8), base_px, str(font.getname()[0]))


def code_lines(code: str, label_number: int) -> tuple[str, str]:
    """The two lines under a symbol: half of the code; the other half and the label's number.

    The code stands in groups of four, the greater half of them on the first line. The number bears a sign
    that no code has.
    """
    groups = [code[i : i + GROUP_CHARACTERS] for i in range(0, len(code), GROUP_CHARACTERS)]
    half = (len(groups) + 1) // 2
    return " ".join(groups[:half]), " ".join([*groups[half:], f" #{label_number}"])


def _named_face(path: Path, text: str) -> ImageFont.FreeTypeFont:
    face = _open_face(str(path))
    if face is None:
        raise InvalidInput(f"{path} is not a font file that can be read.")
    missing = _missing(face, text)
    if missing:
        raise InvalidInput(f"The font {path} lacks the characters {missing!r}.")
    return face


def _installed_face(text: str) -> ImageFont.FreeTypeFont | None:
    for path in _font_files():
        face = _open_face(path)
        if face is not None and not _missing(face, text):
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
def _open_face(path: str) -> ImageFont.FreeTypeFont | None:
    """The face of a font file, of a collection the one for simplified Chinese; None if it cannot be read."""
    faces = []
    for index in range(_FACES_MAX):
        try:
            faces.append(ImageFont.truetype(path, size=32, index=index, layout_engine=ImageFont.Layout.BASIC))
        except OSError:  # no such face: FreeType has no other way to say how many there are
            break
    simplified = (face for face in faces if str(face.getname()[0]).endswith(" SC"))
    return next(simplified, faces[0] if faces else None)


def _missing(face: ImageFont.FreeTypeFont, text: str) -> str:
    """The characters of `text` that the font shows as its box for unknown ones."""
    unknown = bytes(face.getmask("\U0010fffe"))
    return "".join(c for c in dict.fromkeys(text) if not c.isspace() and bytes(face.getmask(c)) == unknown)
