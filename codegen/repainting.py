"""A stranger's picture painted anew, in colours, for people to look at: nothing of the file is kept but pixels.

Run where nothing can be lost (see `codegen.confined`): the libraries that read pictures are what a harmful one aims at.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from codegen.photos import Limits, kind_of
from kernel.errors import InvalidInput

KINDS: Final = ("PNG", "JPEG", "WEBP")
JPEG_QUALITY: Final = 85
_HEAD_BYTES: Final = 1_024


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture of our own making: its bytes, and `png` or `jpeg`."""

    content: bytes
    type: str


def repaint(file: BinaryIO, name: str, limits: Limits, *, side_px_max: int, lossless: bool) -> Painted:
    """Read a PNG, JPEG or WebP and write its pixels anew: upright, no larger than asked, without any metadata.

    Args:
        file: Its content; seekable.
        name: Its name, for sentences.
        limits: How much of it is looked at.
        side_px_max: The longest side of what is made.
        lossless: Whether it may be a PNG, with transparency, where that is as small (logos); else it is a JPEG.

    Raises:
        InvalidInput: It is of another kind, damaged, or too large; the detail `problem` says so in a word.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    kind = kind_of(head, name)
    if kind not in KINDS:
        raise InvalidInput(f"{name} is a {kind} file; a picture is PNG, JPEG or WebP here.", problem="foreign")
    try:
        with Image.open(file, formats=[kind]) as opened:
            if opened.width * opened.height > limits.pixels_max:
                pixels = f"{opened.width} x {opened.height}"
                raise InvalidInput(f"{name} has {pixels} pixels, above {limits.pixels_max:,}.", problem="pixels")
            opened.draft("RGB", (2 * side_px_max, 2 * side_px_max))  # a JPEG decodes small by itself
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            return _paint(upright, side_px_max, lossless=lossless)
    except UnidentifiedImageError as error:
        raise InvalidInput(f"{name} begins as a {kind} picture and is none.", problem="damaged") from error
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, ArithmeticError, LookupError) as error:
        raise InvalidInput(f"{name} is damaged ({type(error).__name__}).", problem="damaged") from error


def _paint(picture: Image.Image, side_px_max: int, *, lossless: bool) -> Painted:
    transparent = picture.has_transparency_data
    plain = picture.convert("RGBA" if transparent else "RGB")
    plain.thumbnail((side_px_max, side_px_max), Image.Resampling.LANCZOS)
    if transparent and not lossless:
        paper = Image.new("RGBA", plain.size, "white")
        plain = Image.alpha_composite(paper, plain).convert("RGB")
        transparent = False
    # A picture made of these pixels alone: no Exif, no colour profile, no comment.
    bare = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    made = [_encode(bare, "png")] if lossless else []
    if not transparent:
        made.append(_encode(bare, "jpeg"))
    return min(made, key=lambda each: len(each.content))


def _encode(picture: Image.Image, kind: str) -> Painted:
    out = io.BytesIO()
    if kind == "png":
        picture.save(out, "PNG", optimize=True)
    else:
        picture.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return Painted(out.getvalue(), kind)
