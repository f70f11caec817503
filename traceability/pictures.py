"""Pictures that people upload: painted anew in a confined process, so that nothing but pixels is kept."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from typing import Final

from codegen.confined import Reader
from codegen.photos import Limits
from kernel.errors import InvalidInput
from traceability.changes import Problem, refuse

UPLOAD_BYTES_MAX: Final = 512 * 1024
SIDE_PX_MAX: Final = 512
PIXELS_MAX: Final = 20_000_000
"""A small file can unfold to billions of pixels; decoding stops before that."""
LARGE_BYTES_MAX: Final = 4 << 20
LARGE_SIDE_PX: Final = 1_080
PHOTO_BYTES_MAX: Final = 10 << 20
PHOTO_SIDE_PX: Final = 1_600
PHOTO_PIXELS_MAX: Final = 60_000_000
"""What a telephone of today takes."""
READ_S_MAX: Final = 20
MEMORY_BYTES_MAX: Final = 1_024 << 20


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is served: its bytes, `png` or `jpeg`, and a name of its content."""

    content: bytes
    type: str
    hash: str


def read(upload: bytes, *, field: str) -> Picture:
    """Read an uploaded logo; write it anew with at most 512 px a side, PNG or JPEG.

    Args:
        upload: the file: PNG, JPEG or WebP.
        field: what the form calls it.

    Raises:
        InvalidInput: it is too large, or none of these (SVG is a program, and so none).
        Unavailable: no process could be started to read it in.
    """
    return _read(upload, field, bytes_max=UPLOAD_BYTES_MAX, side_px=SIDE_PX_MAX, pixels_max=PIXELS_MAX, lossless=True)


def read_large(upload: bytes, *, field: str) -> Picture:
    """Read a picture for a page: a JPEG of at most 1,080 px a side. Raises like `read`."""
    return _read(
        upload, field, bytes_max=LARGE_BYTES_MAX, side_px=LARGE_SIDE_PX, pixels_max=PHOTO_PIXELS_MAX, lossless=False
    )


def read_photo(upload: bytes, *, field: str) -> Picture:
    """Read a telephone's photo: a JPEG of at most 1,600 px a side. Raises like `read`."""
    return _read(
        upload, field, bytes_max=PHOTO_BYTES_MAX, side_px=PHOTO_SIDE_PX, pixels_max=PHOTO_PIXELS_MAX, lossless=False
    )


def _read(upload: bytes, field: str, *, bytes_max: int, side_px: int, pixels_max: int, lossless: bool) -> Picture:
    if len(upload) > bytes_max:
        kilobytes = bytes_max // 1024
        refuse([Problem(field, "picture_large", f"The picture has more than {kilobytes} kB.", {"most": kilobytes})])
    limits = Limits(
        bytes_max=bytes_max, pixels_max=pixels_max, pages_max=1, frames_max=1, page_s_max=READ_S_MAX,
        file_s_max=READ_S_MAX, memory_bytes_max=MEMORY_BYTES_MAX,
    )  # fmt: skip
    try:
        # A file without a name, on the disk no longer than it is read.
        with tempfile.TemporaryFile() as file, Reader(limits) as reader:
            file.write(upload)
            file.flush()
            painted = reader.repaint(file, "The picture", side_px_max=side_px, lossless=lossless)
    except InvalidInput as error:
        if error.details.get("problem") in {"pixels", "memory"}:
            millions = pixels_max // 1_000_000
            sentence = f"The picture has more than {millions} million pixels."
            refuse([Problem(field, "picture_pixels", sentence, {"most": millions})])
        refuse([Problem(field, "picture_kind", "The picture is no PNG, JPEG or WebP that can be read.")])
    return Picture(painted.content, painted.type, hashlib.sha256(painted.content).hexdigest()[:16])
