from __future__ import annotations

import re

import numpy as np
import pytest
import zxingcpp
from pyzbar import pyzbar

from codegen import lettering, zpl
from codegen.symbols import SymbolFactory
from codegen.zpl import LabelStock, write_zpl
from kernel.errors import InvalidInput

CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/", mask=4)
BQ = re.compile(r"\^FO(\d+),(\d+)\^BQN,2,(\d+),([LMQH])(?:,([0-7]))?\^FD([LMQH])M,A([^^]*)\^FS")


def some_codes(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(CROCKFORD, (count, 20))


def written(path, **options) -> list[str]:
    write_zpl(path, **options)
    formats = re.findall(r"\^XA.*?\^XZ\n", path.read_text(), re.DOTALL)
    assert "".join(formats) == path.read_text()
    return formats


def printed(label: str) -> np.ndarray:
    """What a printer makes of the symbol and graphic of one format, at the declared size."""
    width, height = (int(re.search(rf"\^{name}(\d+)", label)[1]) for name in ("PW", "LL"))
    paper = np.full((height, width), 255, np.uint8)
    x, y, dots, level, mask, again, text = BQ.search(label).groups()
    assert level == again
    prefix, last = text[:-1], text[-1:]
    factory = SymbolFactory(prefix, 1, level, int(mask) if mask else None)
    modules = factory.render(np.frombuffer(last.encode(), np.uint8).reshape(1, 1))[0]
    symbol = modules.repeat(int(dots), axis=0).repeat(int(dots), axis=1)
    area = paper[int(y) : int(y) + len(symbol), int(x) : int(x) + len(symbol)]
    assert area.shape == symbol.shape
    area[symbol == 1] = 0
    graphic = re.search(r"\^FO(\d+),(\d+)\^GFA,(\d+),(\d+),(\d+),([0-9A-F]+)\^FS", label)
    if graphic:
        left, top, total, count, row_bytes = (int(n) for n in graphic.groups()[:5])
        data = np.frombuffer(bytes.fromhex(graphic[6]), np.uint8)
        assert total == count == len(data)
        bits = np.unpackbits(data.reshape(-1, row_bytes), axis=1)
        bits = bits[:, : width - left]
        paper[top : top + len(bits), left : left + bits.shape[1]][bits == 1] = 0
    return paper


@pytest.mark.parametrize("mask", [4, None])
@pytest.mark.parametrize("stock", [LabelStock(), LabelStock(dpi=203), LabelStock(20, 30, 600, 2.0)])
def test_each_code_is_one_format_whose_symbol_both_decoders_read(tmp_path, stock, mask):
    codes = some_codes(3)
    factory = SymbolFactory("HTTP://127.0.0.1:8000/Q/", mask=mask)
    labels = written(tmp_path / "a.zpl", codes=[codes[:2], codes[2:]], factory=factory, stock=stock, title="花雕酒")
    assert len(labels) == 3
    for label, code in zip(labels, codes, strict=True):
        picture = printed(label)
        assert [found.text for found in zxingcpp.read_barcodes(picture)] == [factory.text(code)]
        assert [found.data.decode() for found in pyzbar.decode(picture)] == [factory.text(code)]


def test_field_data_asks_for_alphanumeric_mode_at_the_level_and_mask(tmp_path):
    codes = np.frombuffer(b"ABCDEFGHJKMNPQRSTVWX", np.uint8).reshape(1, 20)
    (label,) = written(tmp_path / "a.zpl", codes=[codes], factory=FACTORY, first_number=42)
    assert ",M,4^FDMM,AHTTPS://YIMA.EXAMPLE/Q/ABCDEFGHJKMNPQRSTVWX^FS" in label
    assert re.findall(r"\^A0N,\d+\^FD([^^]*)\^FS", label) == ["ABCD EFGH JKMN", "PQRS TVWX  #42"]


def test_symbol_quiet_zone_and_text_lie_on_the_label(tmp_path):
    stock = LabelStock(width_mm=25, height_mm=36, dpi=203)
    (label,) = written(tmp_path / "a.zpl", codes=[some_codes(1)], factory=FACTORY, stock=stock)
    x, y, dots = (int(n) for n in BQ.search(label).groups()[:3])
    assert min(x, y) >= 4 * dots
    assert x + (29 + 4) * dots <= stock.dots(25)
    tops = [int(top) for top in re.findall(r"\^FO0,(\d+)", label)]
    assert tops[0] >= y + (29 + 4) * dots
    assert tops[-1] + stock.dots(stock.letter_mm) <= stock.dots(36)


def test_a_name_is_a_graphic_so_that_the_printer_needs_no_font(tmp_path):
    codes = some_codes(1)
    (label,) = written(tmp_path / "a.zpl", codes=[codes], factory=FACTORY, title="花雕酒")
    (bare,) = written(tmp_path / "b.zpl", codes=[codes], factory=FACTORY)
    assert "花" not in label
    ink = (printed(label) == 0) & (printed(bare) == 255)
    assert 200 < ink.sum() < 2000


def test_without_a_font_the_name_is_text_that_cannot_break_the_format(tmp_path, monkeypatch):
    monkeypatch.setattr(lettering, "_font_files", lambda: ())
    report = write_zpl(tmp_path / "a.zpl", codes=[some_codes(1)], factory=FACTORY, title="花^XZ~_")
    assert report.lettering.startswith("the printer's own font")
    assert "^FH^FD花_5EXZ_7E_5F^FS" in (tmp_path / "a.zpl").read_text()


@pytest.mark.parametrize(
    "stock",
    [LabelStock(8, 40), LabelStock(30, 15), LabelStock(dpi=72), LabelStock(0, 40), LabelStock(letter_mm=0)],
)
def test_labels_too_small_for_the_symbol_are_refused(tmp_path, stock):
    with pytest.raises(InvalidInput):
        write_zpl(tmp_path / "a.zpl", codes=[some_codes(1)], factory=FACTORY, stock=stock)
    assert list(tmp_path.iterdir()) == []


def test_bad_codes_empty_ranges_and_too_many_labels_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(zpl, "LABELS_PER_FILE_MAX", 3)
    bad = np.frombuffer(b"ABCDEFGHJKMNPQRS^XZX", np.uint8).reshape(1, 20)
    for codes, message in [([bad], "not alphanumeric"), ([], "no label"), ([some_codes(4)], "at most 3")]:
        with pytest.raises(InvalidInput, match=message):
            write_zpl(tmp_path / "a.zpl", codes=codes, factory=FACTORY)
    assert list(tmp_path.iterdir()) == []
    assert write_zpl(tmp_path / "a.zpl", codes=[some_codes(3)], factory=FACTORY).labels == 3
