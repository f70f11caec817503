"""Label templates that come with the house: common sheets, rolls, and labels for both codes of a unit. Pure.

Sizes are those printed on the boxes of the sheets meant; makes differ by tenths of a millimetre, and printers
shift the paper: print one sheet on plain paper and hold it against the labels first.
"""

from __future__ import annotations

from typing import Final

from codegen.labels import CODE_LINES, LabelTemplate

_GTIN_LINES: Final = ("{product}", "{code_first}", "{code_last}  #{line}", "GTIN {gtin}", "LOT {lot}")
_PAIR_LINES: Final = ("{side}", "{code_first}", "{code_last}", "#{line}")

A4_80: Final = LabelTemplate(
    name="a4-80", note="A4, 8 x 10 labels of 24.25 x 28.1 mm, to be cut: the house's own sheet."
)
ROLL_30X40: Final = LabelTemplate(
    name="roll-30x40", page_mm=(30, 40), label_mm=(30, 40), grid=(1, 1), margin_mm=(0, 0), symbol_mm=22, letter_mm=2.5,
    note="Roll, 30 mm wide, 40 mm high: symbol above, lines below.",
)  # fmt: skip

BUILT_IN: Final[dict[str, LabelTemplate]] = {
    each.name: each
    for each in (
        A4_80,
        LabelTemplate(
            name="a4-40-crop", label_mm=(36, 33), grid=(5, 8), margin_mm=(15, 16.5), symbol_mm=15.5, letter_mm=2.2,
            lines=_GTIN_LINES, crop_marks=True, note="A4, 5 x 8 labels of 36 x 33 mm with crop marks, GTIN and lot.",
        ),
        LabelTemplate(
            name="a4-21", label_mm=(63.5, 38.1), grid=(3, 7), margin_mm=(7.21, 15.15), gap_mm=(2.54, 0), symbol_mm=24,
            letter_mm=2.6, place="beside", lines=_GTIN_LINES, logo_mm=8,
            note="A4, 3 x 7 labels of 63.5 x 38.1 mm (as Avery L7160).",
        ),
        LabelTemplate(
            name="a4-65", label_mm=(38.1, 21.2), grid=(5, 13), margin_mm=(4.65, 10.7), gap_mm=(2.54, 0), symbol_mm=14,
            letter_mm=2, place="beside", note="A4, 5 x 13 labels of 38.1 x 21.2 mm (as Avery L7651).",
        ),
        LabelTemplate(
            name="a4-24", label_mm=(70, 37), grid=(3, 8), margin_mm=(0, 0.5), symbol_mm=24, letter_mm=2.6,
            place="beside", lines=_GTIN_LINES, logo_mm=8, note="A4, 3 x 8 labels of 70 x 37 mm without gaps.",
        ),
        LabelTemplate(
            name="letter-30", page_mm=(215.9, 279.4), label_mm=(66.675, 25.4), grid=(3, 10), margin_mm=(4.7625, 12.7),
            gap_mm=(3.175, 0), symbol_mm=17, letter_mm=2.4, place="beside",
            note="Letter, 3 x 10 labels of 2 5/8 x 1 inch (as Avery 5160).",
        ),
        LabelTemplate(
            name="letter-80", page_mm=(215.9, 279.4), label_mm=(44.45, 12.7), grid=(4, 20), margin_mm=(7.14, 12.7),
            gap_mm=(7.62, 0), symbol_mm=9, letter_mm=1.8, place="beside",
            lines=("{code_first}", "{code_last}", "#{line}"),
            note="Letter, 4 x 20 labels of 1 3/4 x 1/2 inch (as Avery 5167).",
        ),
        LabelTemplate(
            name="roll-30x20", page_mm=(30, 20), label_mm=(30, 20), grid=(1, 1), margin_mm=(0, 0), symbol_mm=12,
            letter_mm=1.8, place="beside", lines=("{code_first}", "{code_last}", "#{line}"),
            note="Roll, 30 x 20 mm: lines beside the symbol.",
        ),
        ROLL_30X40,
        LabelTemplate(
            name="roll-40x30", page_mm=(40, 30), label_mm=(40, 30), grid=(1, 1), margin_mm=(0, 0), symbol_mm=16.5,
            letter_mm=2.2, note="Roll, 40 x 30 mm: symbol above, lines below.",
        ),
        LabelTemplate(
            name="roll-50x30", page_mm=(50, 30), label_mm=(50, 30), grid=(1, 1), margin_mm=(0, 0), symbol_mm=20,
            letter_mm=2.4, place="beside", lines=(*CODE_LINES, "LOT {lot}"), logo_mm=6,
            note="Roll, 50 x 30 mm: logo and lines beside the symbol.",
        ),
        LabelTemplate(
            name="a4-pair-40", label_mm=(48.5, 28.1), grid=(4, 10), margin_mm=(8, 8), symbol_mm=15, letter_mm=1.9,
            codes="both", lines=_PAIR_LINES[:3], note="A4, 4 x 10 labels with both codes of a unit, outer and inner.",
        ),
        LabelTemplate(
            name="roll-pair-60x40", page_mm=(60, 40), label_mm=(60, 40), grid=(1, 1), margin_mm=(0, 0), symbol_mm=20,
            letter_mm=2.2, codes="both", lines=_PAIR_LINES, note="Roll, 60 x 40 mm, both codes of a unit.",
        ),
    )
}  # fmt: skip
