from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyzbar import pyzbar

from codegen import samples, tspl, zpl
from codegen.labelruns import LabelRun
from codegen.labels import LabelTemplate
from codegen.stationery import BUILT_IN, ROLL_30X40
from codegen.symbols import SymbolFactory
from codegen.tspl import write_tspl
from codegen.zpl import write_zpl
from kernel.errors import InvalidInput
from tests.codegen import printers

FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/", mask=4)
FACTS = {"product": "花雕酒", "gtin": "06901234567892", "lot": "L^1~_2"}


def run_of(template: LabelTemplate = ROLL_30X40, factory: SymbolFactory = FACTORY, **more) -> LabelRun:
    return LabelRun(factory, template, more.pop("facts", FACTS), **more)


def printed(tmp_path, language: str, run: LabelRun, codes, dpi: int, **more) -> list[printers.Paper]:
    path = tmp_path / f"a.{language}"
    if language == "zpl":
        report = write_zpl(path, run, codes, dpi=dpi, **more)
        papers = printers.print_zpl(path.read_text())
    else:
        report = write_tspl(path, run, codes, dpi=dpi, **more)
        papers = printers.print_tspl(path.read_bytes(), dpi)
    assert report.labels == report.pages == len(papers)
    return papers


def require_read(paper: printers.Paper, texts: list[str]) -> None:
    """Both decoders read exactly these symbols."""
    picture = np.pad(paper.picture, 20, constant_values=255)
    assert sorted(found.text for found in zxingcpp.read_barcodes(picture)) == sorted(texts)
    assert sorted(found.data.decode() for found in pyzbar.decode(picture)) == sorted(texts)


@pytest.mark.parametrize("language", ["zpl", "tspl"])
@pytest.mark.parametrize("mask", [4, None])
@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("name", ["roll-30x40", "roll-30x20", "roll-50x30", "roll-pair-60x40"])
def test_the_printers_own_symbols_say_the_codes_where_the_template_has_them(tmp_path, language, mask, dpi, name):
    template = BUILT_IN[name]
    factory = SymbolFactory("HTTP://127.0.0.1:8000/Q/", mask=mask)
    codes = samples.codes(3, sides=template.parts)
    run = run_of(template, factory)
    papers = printed(tmp_path, language, run, [codes[:2], codes[2:]], dpi)
    arrangement = run.arrange(dpi)
    for paper, code in zip(papers, codes, strict=True):
        texts = [factory.text(each) for each in code.reshape(-1, 20)]
        assert [text for *_, text in paper.symbols] == texts
        require_read(paper, texts)
        for x, y, dots, _ in paper.symbols:
            assert dots == arrangement.module_dots
            side, quiet = factory.size * dots, 4 * dots
            around = paper.ink[max(y - quiet, 0) : y + side + quiet, max(x - quiet, 0) : x + side + quiet].copy()
            around[min(y, quiet) : min(y, quiet) + side, min(x, quiet) : min(x, quiet) + side] = False
            assert not around.any(), "something stands in the quiet zone"


@pytest.mark.parametrize("language", ["zpl", "tspl"])
@pytest.mark.parametrize(("name", "dpi"), [("roll-30x40", 203), ("roll-50x30", 300), ("roll-pair-60x40", 600)])
def test_graphics_are_bit_for_bit_the_symbols_of_the_factory(tmp_path, language, name, dpi):
    template = BUILT_IN[name]
    codes = samples.codes(2, sides=template.parts)
    run = run_of(template)
    papers = printed(tmp_path, language, run, [codes], dpi, graphic=True)
    arrangement = run.arrange(dpi)
    x, y = (round(place / 25.4 * dpi) for place in arrangement.symbol_mm[:2])
    for paper, code in zip(papers, codes, strict=True):
        assert not paper.symbols
        require_read(paper, [FACTORY.text(each) for each in code.reshape(-1, 20)])
        symbol = FACTORY.render(code.reshape(-1, 20)[:1])[0].repeat(arrangement.module_dots, 0)
        symbol = symbol.repeat(arrangement.module_dots, 1)
        np.testing.assert_array_equal(paper.ink[y : y + len(symbol), x : x + len(symbol)], symbol == 1)


def test_field_data_asks_for_alphanumeric_mode_at_the_level_and_mask(tmp_path):
    codes = np.frombuffer(b"ABCDEFGHJKMNPQRSTVWX", np.uint8).reshape(1, 20)
    (paper,) = printed(tmp_path, "zpl", run_of(first_number=42), [codes], 300)
    assert ",M,4^FDMM,AHTTPS://YIMA.EXAMPLE/Q/ABCDEFGHJKMNPQRSTVWX^FS" in (tmp_path / "a.zpl").read_text()
    assert [text for *_, text in paper.lines] == ["ABCD EFGH JKMN", "PQRS TVWX  #42"]
    (paper,) = printed(tmp_path, "tspl", run_of(first_number=42), [codes], 203)
    assert b',M,0,M2,S4,"AHTTPS://YIMA.EXAMPLE/Q/ABCDEFGHJKMNPQRSTVWX"\r\n' in (tmp_path / "a.tspl").read_bytes()
    assert [text for *_, text in paper.lines] == ["ABCD EFGH JKMN", "PQRS TVWX  #42"]


def test_room_is_left_below_the_symbol_for_firmware_that_sets_it_lower(tmp_path):
    (paper,) = printed(tmp_path, "zpl", run_of(facts={}), [samples.codes(1)], 300)
    ((_, y, dots, _),) = paper.symbols
    assert min(top for _, top, _, _ in paper.lines) >= y + (29 + 4) * dots + 8


def test_a_lot_with_commands_in_it_cannot_break_the_format(tmp_path):
    template = dataclasses.replace(ROLL_30X40, lines=("{code_first}", "LOT {lot} #{line}"))
    (paper,) = printed(tmp_path, "zpl", run_of(template), [samples.codes(1)], 300)
    assert paper.lines[1][3] == "LOT L^1~_2 #1"
    quoted = run_of(template, facts={"lot": '1" PRINT 9,9'})
    for write in (write_zpl, write_tspl):
        with pytest.raises(InvalidInput, match="not plain ASCII"):
            write(tmp_path / "b", quoted, [samples.codes(1)], dpi=203)


def test_a_name_is_a_graphic_so_that_the_printer_needs_no_font(tmp_path):
    for language in ("zpl", "tspl"):
        codes = [samples.codes(1)]
        (paper,) = printed(tmp_path, language, run_of(), codes, 300)
        (bare,) = printed(tmp_path, language, run_of(facts={}), codes, 300)
        assert 200 < paper.ink.sum() - bare.ink.sum() < 3000


@settings(max_examples=60)
@given(rows=arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 70)),
                          elements=st.sampled_from([0, 0, 0, 255, 255, 0x0F, 0xA5])))  # fmt: skip
def test_compressed_graphics_unfold_to_the_same_dots(rows):
    packed = zpl.compress(rows)
    assert printers.inflate(packed, rows.shape[1]) == [row.tobytes().hex().upper() for row in rows]


def test_a_large_graphic_is_sent_in_bands(tmp_path):
    template = LabelTemplate("big", page_mm=(100, 150), label_mm=(100, 150), grid=(1, 1), margin_mm=(0, 0),
                             symbol_mm=78)  # fmt: skip
    wide = dataclasses.replace(template, lines=(*template.lines, "G" * 60), letter_mm=4)
    (paper,) = printed(tmp_path, "zpl", run_of(wide), [samples.codes(1)], 600, graphic=True)
    assert (tmp_path / "a.zpl").read_text().count("^GFA") > 1
    require_read(paper, [FACTORY.text(samples.codes(1)[0])])


@pytest.mark.parametrize("write", [write_zpl, write_tspl])
def test_modules_wider_than_the_printer_makes_are_refused_and_fit_a_graphic(tmp_path, write):
    with pytest.raises(InvalidInput, match="at most 10 dots itself, and the template wants 17"):
        write(tmp_path / "a", run_of(), [samples.codes(1)], dpi=600)
    assert list(tmp_path.iterdir()) == []
    assert write(tmp_path / "a", run_of(), [samples.codes(1)], dpi=600, graphic=True).labels == 1


@pytest.mark.parametrize("write", [write_zpl, write_tspl])
def test_bad_codes_empty_ranges_and_too_many_labels_leave_no_file(tmp_path, monkeypatch, write):
    monkeypatch.setattr(zpl, "LABELS_PER_FILE_MAX", 3)
    monkeypatch.setattr(tspl, "LABELS_PER_FILE_MAX", 3)
    bad = np.frombuffer(b"ABCDEFGHJKMNPQRS^XZX", np.uint8).reshape(1, 20)
    for codes, message in [([bad], "not alphanumeric"), ([], "no label"), ([samples.codes(4)], "at most 3")]:
        with pytest.raises(InvalidInput, match=message):
            write(tmp_path / "a", run_of(), codes, dpi=300)
    assert list(tmp_path.iterdir()) == []
    assert write(tmp_path / "a", run_of(), [samples.codes(3)], dpi=300).labels == 3
