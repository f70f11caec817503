"""Pictures that people upload: read, made small, and written anew, so that nothing but pixels is kept. Pure."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from traceability.changes import Problem, refuse

UPLOAD_BYTES_MAX: Final = 512 * 1024
SIDE_PX_MAX: Final = 512
PIXELS_MAX: Final = 20_000_000
"""A small file can unfold to billions of pixels; decoding stops before that."""
FORMATS: Final = ("PNG", "JPEG", "WEBP")
JPEG_QUALITY: Final = 88


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is served: its bytes, `png` or `jpeg`, and a name of its content."""

    content: bytes
    type: str
    hash: str


def read(upload: bytes, *, field: str) -> Picture:
    """Read an uploaded PNG, JPEG or WebP; write it anew with at most 512 px a side and none of its metadata.

    Args:
        upload: the file.
        field: what the form calls it.

    Raises:
        InvalidInput: it is too large, or none of these (SVG is a program, and so none).
    """
    if len(upload) > UPLOAD_BYTES_MAX:
        kilobytes = UPLOAD_BYTES_MAX // 1024
        refuse([Problem(field, "picture_large", f"The picture has more than {kilobytes} kB.", {"most": kilobytes})])
    try:
        # Pillow warns of a bomb only from 89 million pixels on, and refuses from twice that on by itself.
        with Image.open(io.BytesIO(upload), formats=FORMATS) as opened:
            if opened.width * opened.height > PIXELS_MAX:
                _refuse_pixels(field)
            opened.load()
            upright = ImageOps.exif_transpose(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        _refuse_pixels(field)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        refuse([Problem(field, "picture_kind", "The picture is no PNG, JPEG or WebP that can be read.")])
    return _write(upright)


def _refuse_pixels(field: str) -> None:
    millions = PIXELS_MAX // 1_000_000
    refuse(
        [Problem(field, "picture_pixels", f"The picture has more than {millions} million pixels.", {"most": millions})]
    )


def _write(picture: Image.Image) -> Picture:
    transparent = picture.has_transparency_data
    plain = picture.convert("RGBA" if transparent else "RGB")
    plain.thumbnail((SIDE_PX_MAX, SIDE_PX_MAX), Image.Resampling.LANCZOS)
    # A picture made of these pixels alone: no EXIF, no colour profile, no comment.
    bare = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    best = _encode(bare, "png")
    if not transparent:
        best = min(best, _encode(bare, "jpeg"), key=lambda each: len(each.content))
    return best


def _encode(picture: Image.Image, kind: str) -> Picture:
    out = io.BytesIO()
    if kind == "png":
        picture.save(out, "PNG", optimize=True)
    else:
        picture.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    content = out.getvalue()
    return Picture(content, kind, hashlib.sha256(content).hexdigest()[:16])
