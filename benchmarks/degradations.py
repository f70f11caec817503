"""Labels as cameras see them: a clean symbol put through what happens between the press and the phone."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from codegen.grids import perspective
from codegen.symbols import SymbolFactory

Grey: TypeAlias = NDArray[np.uint8]
Degrade: TypeAlias = Callable[[Grey, np.random.Generator], Grey]

PREFIX: Final = "HTTPS://YIMA.EXAMPLE/Q/"
MODULE_PX: Final = 8
_SYMBOLS: Final = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
_FACTORY: Final = SymbolFactory(PREFIX)


def label(random: np.random.Generator) -> tuple[str, Grey]:
    """A symbol with its quiet zone in the middle of a light field, and what it says."""
    code = random.choice(_SYMBOLS, (1, 20))
    modules = np.pad(_FACTORY.render(code)[0], 12)
    grey = np.where(modules, 20, 235).astype(np.uint8)
    return _FACTORY.text(code[0]), grey.repeat(MODULE_PX, axis=0).repeat(MODULE_PX, axis=1)


def _photo(grey: Grey, random: np.random.Generator) -> Grey:
    """What every camera adds: a little blur and noise."""
    return noisy(4)(blurred(0.15)(grey, random), random)


def turned(degrees: float) -> Degrade:
    """Turned by some angle."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        image = Image.fromarray(grey).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=235)
        return _photo(np.asarray(image), random)

    return degrade


def tilted(share: float) -> Degrade:
    """Seen from the side: one edge is by `share` shorter than the opposite one, and shifted."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        height, width = grey.shape
        # The picture's corners, as seen, lie on these of the unit square; a projective map, as a lens makes it.
        inset = share / 2
        corners = ((0.0, 0.0), (1.0, inset), (1.0, 1 - inset), (0.0, 1.0))
        forth = np.diag([width, height, 1.0]) @ perspective(corners) @ np.diag([1 / width, 1 / height, 1.0])
        back = np.linalg.inv(forth)
        image = Image.fromarray(grey).transform(
            (width, height), Image.Transform.PERSPECTIVE, tuple((back / back[2, 2]).reshape(-1)[:8]),
            Image.Resampling.BICUBIC, fillcolor=235,
        )  # fmt: skip
        return _photo(np.rot90(np.asarray(image), int(random.integers(4))), random)

    return degrade


def blurred(modules: float) -> Degrade:
    """Out of focus: a Gaussian of so many modules."""

    def degrade(grey: Grey, _: np.random.Generator) -> Grey:
        return np.asarray(
            Image.fromarray(np.ascontiguousarray(grey)).filter(ImageFilter.GaussianBlur(modules * MODULE_PX))
        )

    return degrade


def moved(modules: float) -> Degrade:
    """Moved while the shutter was open, by so many modules across."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        length = max(round(modules * MODULE_PX), 1)
        sums = np.cumsum(np.pad(grey.astype(np.float64), ((0, 0), (length, 0)), mode="edge"), axis=1)
        return _photo(((sums[:, length:] - sums[:, :-length]) / length).astype(np.uint8), random)

    return degrade


def noisy(levels: float) -> Degrade:
    """Grain of so many grey levels."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        return np.clip(grey + random.normal(0, levels, grey.shape), 0, 255).astype(np.uint8)

    return degrade


def faint(contrast: float) -> Degrade:
    """Ink and paper differ by this share of the range only; with a camera's grain."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        return noisy(3)((150 + (grey.astype(np.float64) - 235) * contrast * 255 / 215).astype(np.uint8), random)

    return degrade


def shaded(share: float) -> Degrade:
    """Lit from one side: the far edge gets `share` less light."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        light = np.linspace(1, 1 - share, grey.shape[1])[None, :]
        return _photo((grey * light).astype(np.uint8), random)

    return degrade


def inverted() -> Degrade:
    """Light on dark."""
    return lambda grey, random: _photo(255 - grey, random)


def compressed(quality: int) -> Degrade:
    """Through JPEG of this quality."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        packed = io.BytesIO()
        Image.fromarray(_photo(grey, random)).save(packed, "JPEG", quality=quality)
        return np.asarray(Image.open(packed))

    return degrade


def small(pixels: float) -> Degrade:
    """From far away: so many pixels a module."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        side = round(grey.shape[0] * pixels / MODULE_PX)
        return noisy(4)(np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BOX)), random)

    return degrade


def scratched(width: float) -> Degrade:
    """A light scratch of so many modules across the symbol."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        hurt = grey.copy()
        middle = grey.shape[0] / 2 + random.uniform(-6, 6) * MODULE_PX
        rows, columns = np.indices(grey.shape)
        slope = random.uniform(-0.4, 0.4)
        hurt[abs(rows - middle - slope * (columns - grey.shape[1] / 2)) < width * MODULE_PX / 2] = 235
        return _photo(hurt, random)

    return degrade


def stained(modules: float) -> Degrade:
    """A dark blot of so many modules in diameter, off the finder patterns."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        hurt = grey.copy()
        middle = grey.shape[0] / 2 + random.uniform(1, 8) * MODULE_PX
        rows, columns = np.indices(grey.shape)
        hurt[(rows - middle) ** 2 + (columns - middle) ** 2 < (modules * MODULE_PX / 2) ** 2] = 20
        return _photo(hurt, random)

    return degrade


def dotted(share: float) -> Degrade:
    """Printed by a worn inkjet: this share of the dark pixels is missing, in spots."""

    def degrade(grey: Grey, random: np.random.Generator) -> Grey:
        spots = random.random((grey.shape[0] // 2, grey.shape[1] // 2)) < share
        missing = spots.repeat(2, 0).repeat(2, 1)
        return _photo(np.where(missing & (grey < 128), 235, grey).astype(np.uint8), random)

    return degrade


KINDS: Final[dict[str, Degrade]] = {
    "turned 30°": turned(30), "turned 45°": turned(45), "turned 200°": turned(200),
    "tilted 20%": tilted(0.2), "tilted 40%": tilted(0.4), "tilted 55%": tilted(0.55),
    "blurred 0.4 modules": blurred(0.4), "blurred 0.6 modules": blurred(0.6), "blurred 0.8 modules": blurred(0.8),
    "moved 0.8 modules": moved(0.8), "moved 1.2 modules": moved(1.2),
    "grain 30": noisy(30), "grain 60": noisy(60), "grain 90": noisy(90),
    "contrast 20%": faint(0.2), "contrast 10%": faint(0.1), "contrast 6%": faint(0.06),
    "shaded 50%": shaded(0.5), "shaded 85%": shaded(0.85), "inverted": inverted(),
    "JPEG 20": compressed(20), "JPEG 5": compressed(5),
    "2 pixels a module": small(2), "1.5 pixels a module": small(1.5), "1.2 pixels a module": small(1.2),
    "scratch 1 module": scratched(1), "scratch 2 modules": scratched(2),
    "blot 5 modules": stained(5), "blot 8 modules": stained(8),
    "missing dots 15%": dotted(0.15), "missing dots 35%": dotted(0.35),
}  # fmt: skip
"""What is tried, by name."""
