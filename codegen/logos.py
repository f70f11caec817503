"""A brand's logo on its labels. Pure."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from kernel.errors import InvalidInput

BYTES_MAX: Final = 2 * 1024 * 1024
SIDE_PX_MAX: Final = 2_048


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture on white paper: red, green and blue, shape (height, width, 3)."""

    pixels: NDArray[np.uint8]

    @property
    def ratio(self) -> float:
        """Its width by its height."""
        return float(self.pixels.shape[1] / self.pixels.shape[0])

    def ink(self, width: int, height: int) -> NDArray[np.bool_]:
        """The logo in black dots of a size: what is darker than half is ink, for a thermal head has no grey."""
        image = Image.fromarray(self.pixels).convert("L")
        grey = np.asarray(image.resize((max(width, 1), max(height, 1)), Image.Resampling.LANCZOS))
        return grey < 128


def read(content: bytes) -> Logo:
    """A logo from a PNG or JPEG file.

    Raises:
        InvalidInput: it is neither, or larger than the limits.
    """
    if len(content) > BYTES_MAX:
        raise InvalidInput(f"The logo has {len(content):,} bytes, above {BYTES_MAX:,}.", field="logo")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if max(image.size) > SIDE_PX_MAX:
                raise InvalidInput(
                    f"The logo has {image.width:,} x {image.height:,} pixels, above {SIDE_PX_MAX:,} a side.",
                    field="logo",
                )
            colours = image.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput("The logo is no PNG or JPEG that can be read.", field="logo") from error
    paper = Image.new("RGBA", colours.size, "white")
    return Logo(np.asarray(Image.alpha_composite(paper, colours).convert("RGB")))
