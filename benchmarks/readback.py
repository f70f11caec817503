"""How much of what cameras and presses do to a symbol is read through, beside each decoder alone at first sight.

Rows are shares of pictures, not speeds: every kind of `degradations.KINDS`, so many pictures each. The peers are
ZXing and ZBar shown the plain picture once.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.degradations import KINDS, label
from codegen import decoders
from codegen.readback import read_picture

_PICTURES = 5
_PICTURES_LONG = 40


def run(long: bool = False) -> list[dict[str, object]]:
    """Read, and return the rows; `long` takes eight times as many pictures."""
    pictures = _PICTURES_LONG if long else _PICTURES
    rows: list[dict[str, object]] = []
    sums = np.zeros(5)
    seconds = 0.0
    for kind, degrade in KINDS.items():
        random = np.random.default_rng(1)
        shares = np.zeros(5)  # read, by ZXing, by ZBar; by ZXing alone at first sight, by ZBar so
        for _ in range(pictures):
            text, clean = label(random)
            picture = np.ascontiguousarray(degrade(clean, random))
            start = time.perf_counter()
            found = read_picture(picture, source=kind)
            seconds += time.perf_counter() - start
            if any(each.text != text for each in found):
                raise AssertionError(f"{kind}: a symbol was read as something else")
            shares += [
                bool(found),
                any(each.zxing for each in found),
                any(each.zbar for each in found),
                any(each.text == text for each in decoders.read_zxing(picture)),
                any(each.text == text for each in decoders.read_zbar(picture)),
            ]
        rows.append(_row(kind, shares[0] / pictures, "zxing-cpp", shares[3] / pictures))
        sums += shares / pictures / len(KINDS)
    return [
        _row("headline", float(sums[0]), "zxing-cpp", float(sums[3])),
        _row("read by ZXing", float(sums[1]), "zxing-cpp", float(sums[3])),
        _row("read by ZBar", float(sums[2]), "zbar", float(sums[4])),
        {
            "name": "time a picture, graded", "value": round(1000 * seconds / pictures / len(KINDS), 1), "unit": "ms",
            "peer": None, "peer_value": None, "ratio": None,
        },
        *rows,
    ]  # fmt: skip


def _row(name: str, share: float, peer: str, peer_share: float) -> dict[str, object]:
    return {
        "name": name, "value": round(100 * share, 1), "unit": "% read", "peer": peer,
        "peer_value": round(100 * peer_share, 1), "ratio": round(share / peer_share, 2) if peer_share else None,
    }  # fmt: skip
