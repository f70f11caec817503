from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codegen import fields, labels, logos, previews, samples, templates
from codegen.labelruns import LabelRun, in_batches
from codegen.labels import LABELS_PER_PAGE_MAX, MODULE_MM_MIN, LabelTemplate
from codegen.stationery import A4_80, BUILT_IN
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput, NotFound

FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
ROLL = {"page_mm": [40, 30], "symbol_mm": 16}


@pytest.mark.parametrize("name", list(BUILT_IN))
@pytest.mark.parametrize("size", [25, 29, 33])
@pytest.mark.parametrize("dpi", [None, 203, 300, 600])
def test_the_houses_templates_hold_both_forms_of_address_at_every_resolution(name, size, dpi):
    template = BUILT_IN[name]
    facts = {"product": "酒", "gtin": "1", "lot": "L"}
    found = labels.arrange(template, size, facts, dpi=dpi, logo=2.5)
    assert found.module_mm >= MODULE_MM_MIN - 1e-6
    assert found.module_mm * size <= template.symbol_mm + 1e-6
    if dpi is not None:
        assert found.module_mm == pytest.approx(found.module_dots * 25.4 / dpi)
    assert labels.parse("copy", json.loads(json.dumps(labels.document_of(template)))) == dataclasses.replace(
        template, name="copy"
    )


@given(
    symbol=st.floats(5, 120), letter=st.floats(0.8, 8), wide=st.floats(5, 150), high=st.floats(5, 150),
    lines=st.integers(0, 8), place=st.sampled_from(["below", "beside"]), logo=st.floats(0, 40),
    dpi=st.sampled_from([None, 203, 300, 600]), codes=st.sampled_from(["one", "both"]),
)  # fmt: skip
def test_whatever_is_arranged_lies_on_the_label_and_keeps_the_quiet_zone(
    symbol, letter, wide, high, lines, place, logo, dpi, codes
):
    template = LabelTemplate(
        "any", page_mm=(wide, high), label_mm=(wide, high), grid=(1, 1), margin_mm=(0, 0), symbol_mm=symbol,
        letter_mm=letter, lines=("{code_first}",) * lines, place=place, logo_mm=logo, codes=codes,
    )  # fmt: skip
    try:
        found = labels.arrange(template, 29, {}, dpi=dpi, logo=2.0)
    except InvalidInput as error:
        assert any(number.isdigit() for number in error.message)  # noqa: PT017 (a refusal is one of the outcomes)
        return
    part = template.part_mm
    left, top, side = found.symbol_mm
    quiet = 4 * found.module_mm
    snap = 0 if dpi is None else 0.5 * 25.4 / dpi
    for low, most in ((left, part[0]), (top, part[1])):
        assert low >= quiet - 0.01 - snap
        assert low + side + quiet <= most + 0.01 + snap
    for line in found.lines:
        assert line.base_mm + 0.2 * letter <= part[1] + 0.01
        if place == "below":
            assert line.base_mm - 0.8 * letter >= top + side + quiet - 0.01 - snap
        else:
            assert line.left_mm >= left + side + quiet - 0.01 - snap
    if found.logo_mm is not None:
        x, y, logo_wide, logo_high = found.logo_mm
        assert logo_wide == pytest.approx(2 * logo_high)
        assert min(x, y) >= -0.01
        assert x + logo_wide <= part[0] + 0.01
        assert y + logo_high <= part[1] + 0.01


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"grid": [2, 1]}, "2 labels of 40 mm with gaps of 0 mm after a margin of 0 mm take 80 mm; the page is 40 mm"),
        ({"label_mm": [40, 20], "grid": [1, 2]}, "take 40 mm; the page is 30 mm high"),
        ({"margin_mm": [1, 0]}, "margin of 1 mm take 41 mm"),
        ({"page_mm": [210, 297], "label_mm": [5, 5], "grid": [41, 59]}, "1 to 2,000 labels, not 41 x 59"),
        ({"page_mm": [math.nan, 30]}, "page_mm is a number from 5 to 2000, not nan"),
        ({"page_mm": [math.inf, 30]}, "page_mm is a number from 5 to 2000, not inf"),
        ({"page_mm": [1e9, 30]}, "page_mm is a number from 5 to 2000, not 1e"),
        ({"page_mm": [-40, 30]}, "page_mm is a number from 5"),
        ({"page_mm": ["40", 30]}, "page_mm is a number"),
        ({"page_mm": [40]}, "page_mm is a pair"),
        ({"page_mm": [True, 30]}, "page_mm is a number"),
        ({"grid": [0, 1]}, "grid is a whole number from 1"),
        ({"grid": [1.5, 1]}, "grid is a whole number"),
        ({"grid": 4}, "grid is a pair"),
        ({"symbol_mm": -3}, "symbol_mm is a number from 5"),
        ({"letter_mm": 0.1}, "letter_mm is a number from 0.8"),
        ({"logo_mm": 1e9}, "logo_mm is a number from 0 to 500"),
        ({"level": "X"}, "level is one of"),
        ({"place": "above"}, "place is one of"),
        ({"lines": ["{code"]}, "a brace without its other"),
        ({"lines": ["{price}"]}, "Line 1 names 'price'"),
        ({"lines": [" "]}, "blank"),
        ({"lines": ["第 {line} 件"]}, "only its gaps and ASCII"),
        ({"lines": ['"{line}"']}, "without quotes"),
        ({"lines": ["a"] * 9}, "at most 8 texts"),
        ({"lines": ["a\nb"]}, "one line of at most 80"),
        ({"lines": "code"}, "a list of at most"),
        ({"crop_marks": True}, "Crop marks need margins of 4 mm on all sides; one is 0 mm"),
        ({"colour": "red"}, "no field 'colour'"),
    ],
)  # fmt: skip
def test_documents_that_are_no_template_are_refused_with_the_numbers(change, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        labels.parse("mine", ROLL | change)


@pytest.mark.parametrize(
    ("change", "dpi", "sentence"),
    [
        ({"symbol_mm": 7}, None, "29 modules on 7 mm has modules of 0.241 mm; phones need 0.25 mm, that is 7.25 mm"),
        ({"symbol_mm": 9}, 203, None),
        ({"symbol_mm": 7.3}, 300, "At 300 dpi a module of 0.252 mm is 2.973 dots, and with 2 whole ones 0.169 mm"),
        ({"symbol_mm": 7.25}, 203, "At 203 dpi a module of 0.250 mm is 1.998 dots, and with 1 whole ones 0.125 mm"),
        ({"symbol_mm": 27}, None, "The label is 40 x 30 mm; the symbol of 27 mm with its quiet zone of 4 modules"),
        ({"symbol_mm": 20, "lines": ["a"] * 8}, None, r"need 25.52 x 44.8\d+ mm|need 25.52 x 4"),
        ({"logo_mm": 25}, None, "the logo of 25 mm"),
        ({"codes": "both", "symbol_mm": 18}, None, "Half of the label is 20 x 30 mm"),
        ({"place": "beside", "symbol_mm": 23, "page_mm": [31, 30], "label_mm": [31, 30]}, None, "need 35.34"),
    ],
)  # fmt: skip
def test_a_symbol_that_does_not_fit_is_refused_with_the_numbers(change, dpi, sentence):
    template = labels.parse("mine", ROLL | change)
    if sentence is None:
        assert labels.arrange(template, 29, {}, dpi=dpi).module_dots == 2
        return
    with pytest.raises(InvalidInput, match=sentence):
        labels.arrange(template, 29, {}, dpi=dpi, logo=2.0)


def test_another_resolution_than_a_print_heads_is_refused():
    with pytest.raises(InvalidInput, match="203, 300, 600 dots an inch, not 72"):
        labels.arrange(A4_80, 29, {}, dpi=72)


def test_limits_hold_at_their_edges():
    most = {"page_mm": [400, 400], "label_mm": [8, 8], "grid": [40, 50]}
    assert labels.parse("mine", most).labels == LABELS_PER_PAGE_MAX
    with pytest.raises(InvalidInput, match="not 41 x 50"):
        labels.parse("mine", most | {"grid": [41, 50]})
    assert labels.parse("mine", ROLL | {"label_mm": [13.335, 30], "grid": [3, 1]})  # 40.005 mm: within a hundredth
    with pytest.raises(InvalidInput, match="take 40"):
        labels.parse("mine", ROLL | {"label_mm": [13.34, 30], "grid": [3, 1]})


def test_a_line_whose_facts_are_empty_is_left_out_and_braces_in_a_name_are_no_gap():
    template = LabelTemplate("mine", label_mm=(60, 60), grid=(1, 1), lines=("{product}", "LOT {lot}", "{gtin} #{line}"))
    run = LabelRun(FACTORY, template, {"product": "{code} {x} {", "gtin": "{0}"})
    found = run.arrange()
    assert [line.text for line in found.lines] == ["{code} {x} {", "{{0}} #{line}"]
    assert found.lines[1].text.format_map(run.gaps("A" * 20, 7, 0)) == "{0} #7"


def test_letters_too_small_to_be_read_are_refused_with_the_numbers():
    template = LabelTemplate("mine", page_mm=(60, 60), label_mm=(19, 40), grid=(1, 1), margin_mm=(0, 0),
                             symbol_mm=13, lines=("{code} {code} #{line}",))  # fmt: skip
    with pytest.raises(InvalidInput, match=r"letters would be 0\.\d\d mm high, below 0.8 mm"):
        LabelRun(FACTORY, template).arrange()


def test_varying_lines_share_one_size_that_fits_the_widest_code():
    found = LabelRun(FACTORY, BUILT_IN["roll-30x20"]).arrange()
    assert len({line.letter_mm for line in found.lines}) == 1
    assert found.lines[0].letter_mm < 1.8


def test_labels_with_both_codes_want_both():
    run = LabelRun(FACTORY, BUILT_IN["a4-pair-40"])
    with pytest.raises(InvalidInput, match="both codes of a unit"):
        list(in_batches([samples.codes(3)], 40, run))
    batches = list(in_batches([samples.codes(30, sides=2), samples.codes(15, sides=2)], 40, run))
    assert [batch.shape for batch in batches] == [(40, 40), (5, 40)]


def test_logos_beyond_the_limits_are_refused():
    def png(width: int, height: int) -> bytes:
        out = io.BytesIO()
        Image.new("1", (width, height)).save(out, "PNG")
        return out.getvalue()

    assert logos.read(png(logos.SIDE_PX_MAX, 8)).ratio == logos.SIDE_PX_MAX / 8
    with pytest.raises(InvalidInput, match="2,049 x 8 pixels, above 2,048"):
        logos.read(png(logos.SIDE_PX_MAX + 1, 8))
    with pytest.raises(InvalidInput, match="above 2,097,152"):
        logos.read(b"x" * (logos.BYTES_MAX + 1))
    for content in (b"", b"<svg/>", png(8, 8)[:40]):
        with pytest.raises(InvalidInput, match="no PNG or JPEG"):
            logos.read(content)


@pytest.mark.parametrize("name", ["a4-21", "roll-pair-60x40"])
def test_previews_are_pictures_of_the_template_with_codes_that_nobody_issued(name):
    template = BUILT_IN[name]
    for draw in (previews.label_png, previews.sheet_png):
        with Image.open(io.BytesIO(draw(template, prefix=FACTORY.prefix, facts=previews.FACTS, logo=None))) as image:
            paper = template.page_mm if draw is previews.sheet_png else template.label_mm
            assert image.width / image.height == pytest.approx(paper[0] / paper[1], rel=0.01)
            assert max(image.size) <= previews.LABEL_SIDE_PX_MAX
            assert np.asarray(image).min() < 100
    huge = LabelTemplate("huge", page_mm=(2000, 2000), label_mm=(2000, 2000), grid=(1, 1), margin_mm=(0, 0))
    with pytest.raises(InvalidInput, match="too large to be shown here"):
        previews.label_png(huge, prefix=FACTORY.prefix, facts={}, logo=None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ("[" * 9000, "no JSON"),
        ('{"a": "' + "x" * 20_000 + '"}', "more than 16,384 bytes"),
    ],
)
def test_documents_that_are_no_json_object_are_refused(text, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fields.parse_document(text)


async def test_a_brands_template_is_kept_by_name_and_version(world):
    brand = world.brand.id
    async with world.opened.db.transaction() as tx:
        await templates.save(tx, brand_id=brand, name="cap-20", document=ROLL, version=0, actor="test")
        kept = await templates.find(tx, brand, "cap-20")
        assert (kept.page_mm, kept.label_mm, kept.symbol_mm) == ((40, 30), (40, 30), 16)
        assert [each.name for each in await templates.list_of(tx, brand)][-1] == "cap-20"
    for version, name, error in ((0, "cap-20", "already"), (7, "cap-20", "changed"), (0, "a4-80", "of the house")):
        with pytest.raises(Exception, match=error):
            async with world.opened.db.transaction() as tx:
                await templates.save(tx, brand_id=brand, name=name, document=ROLL, version=version, actor="test")
    async with world.opened.db.transaction() as tx:
        with pytest.raises(NotFound):
            await templates.find(tx, brand + 1, "cap-20")
        await templates.remove(tx, brand_id=brand, name="cap-20", actor="test")
        with pytest.raises(NotFound):
            await templates.find(tx, brand, "cap-20")
