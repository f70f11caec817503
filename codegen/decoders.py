"""The two decoders, ZBar and ZXing, and the ways of showing a picture to them that they can see it better in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from pyzbar import pyzbar

from codegen.grids import Corners

Grey: TypeAlias = NDArray[np.uint8]

_FORMATS: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
_DOUBLE_PIXELS_MAX: Final = 4_000_000
"""Larger pictures are not enlarged: what is too small there is out of focus anyway."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A symbol as one decoder saw it.

    Attributes:
        text: What it says.
        corners: Top left, top right, bottom right, bottom left of the upright symbol, in pixels (x, y).
        version: 1 to 40; None from ZBar, as all below.
        level: Error correction level: L, M, Q or H.
        mask: The data mask, 0 to 7.
        unused_correction: Share of the error correction that decoding did not use.
    """

    text: str
    corners: Corners
    version: int | None = None
    level: str | None = None
    mask: int | None = None
    unused_correction: float | None = None

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the corners."""
        x, y = np.mean(self.corners, axis=0)
        return float(x), float(y)

    @property
    def side(self) -> float:
        """The longer side of the box around it, in pixels."""
        return float(np.ptp(np.array(self.corners), axis=0).max())

    def moved(self, scale: float, origin: tuple[float, float] = (0, 0)) -> Sighting:
        """In the coordinates of the picture from which the one it was seen in was cut and enlarged."""
        return replace(self, corners=tuple((origin[0] + x / scale, origin[1] + y / scale) for x, y in self.corners))


Read: TypeAlias = Callable[[Grey], list[Sighting]]


def read_zxing(picture: Grey) -> list[Sighting]:
    """All that ZXing sees; at most 255 at a time."""
    sightings = []
    for code in zxingcpp.read_barcodes(np.ascontiguousarray(picture), formats=_FORMATS):
        place = code.position
        points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
        corners = tuple((float(p.x), float(p.y)) for p in points)
        extra: Any = code.extra  # declared an object; it is a dict
        version = int(extra["Version"]) if "Version" in extra else None
        sightings.append(
            Sighting(code.text, corners, version, code.ec_level or None, extra.get("DataMask"), extra.get("UEC"))
        )
    return sightings


def read_zbar(picture: Grey) -> list[Sighting]:
    """All that ZBar sees."""
    sightings = []
    for code in pyzbar.decode(np.ascontiguousarray(picture), symbols=[pyzbar.ZBarSymbol.QRCODE]):
        box = code.rect
        right, bottom = float(box.left + box.width), float(box.top + box.height)
        left, top = float(box.left), float(box.top)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        sightings.append(Sighting(code.data.decode("utf-8", "replace"), corners))
    return sightings


def views(picture: Grey) -> Iterator[tuple[Grey, float]]:
    """The picture in ways that bring out hard symbols, and how many times larger each is; made one by one.

    Averaging takes away grain and missing dots, stretching makes faint print plain, sharpening undoes some
    blur, enlarging helps where a module has hardly a pixel. Measured in `benchmarks.readback`.
    """
    image = Image.fromarray(picture)
    yield np.asarray(image.reduce(2)), 0.5
    yield stretched(picture), 1.0
    yield np.asarray(image.filter(ImageFilter.UnsharpMask(radius=6, percent=300, threshold=0))), 1.0
    if picture.size <= _DOUBLE_PIXELS_MAX:
        size = (picture.shape[1] * 2, picture.shape[0] * 2)
        yield np.asarray(image.resize(size, Image.Resampling.LANCZOS)), 2.0
    yield np.asarray(image.reduce(4)), 0.25


def close_views(cut: Grey) -> Iterator[Grey]:
    """A cut with one symbol in it, in ways that a decoder may see it better in."""
    yield cut
    yield 255 - cut
    image = Image.fromarray(cut)
    yield stretched(cut)
    yield np.asarray(image.filter(ImageFilter.UnsharpMask(radius=6, percent=300, threshold=0)))
    yield np.asarray(image.reduce(2))
    yield 255 - stretched(cut)


def stretched(picture: Grey) -> Grey:
    """Smoothed, and the greys that there are spread from black to white."""
    smooth = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2))
    return np.asarray(ImageOps.autocontrast(smooth, cutoff=1))
