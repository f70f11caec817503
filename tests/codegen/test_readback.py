from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from codegen import readback
from codegen.pictures import write_png
from codegen.readback import ReadSymbol, read_files, read_picture
from codegen.sheets import write_pdf
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput

CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
TEXT = "HTTPS://YIMA.EXAMPLE/Q/ABCDEFGHJKMNPQRSTVWX"
CODE = np.frombuffer(TEXT[-20:].encode(), np.uint8).reshape(1, 20)


def one_symbol(*, dark: int = 0, light: int = 255, quiet: int = 8, module_px: int = 8) -> np.ndarray:
    modules = np.pad(FACTORY.render(CODE)[0], quiet)
    return np.where(modules, dark, light).astype(np.uint8).repeat(module_px, axis=0).repeat(module_px, axis=1)


def read_one(picture: np.ndarray) -> ReadSymbol:
    (symbol,) = read_picture(np.ascontiguousarray(picture), source="one")
    assert symbol.text == TEXT
    return symbol


def tilted(picture: np.ndarray, background: int = 255) -> np.ndarray:
    """As photographed from the side."""
    height, width = picture.shape
    quad = (-20, -10, 5, height + 15, width + 20, height - 10, width - 10, 10)
    image = Image.fromarray(picture).transform(
        (width, height), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor=background
    )
    return np.asarray(image)


def test_a_clean_print_is_read_by_both_and_graded_a():
    assert read_one(one_symbol()) == ReadSymbol("one", 1, TEXT, zbar=True, zxing=True, grade="A")


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_symbol_is_read_and_graded_the_same(quarter_turns):
    symbol = read_one(np.rot90(one_symbol(), quarter_turns))
    assert (symbol.zbar, symbol.zxing, symbol.grade) == (True, True, "A")


def test_a_photograph_from_the_side_is_read(tmp_path):
    noise = np.random.default_rng(1).normal(0, 6, one_symbol(dark=30, light=220).shape)
    picture = np.clip(tilted(one_symbol(dark=30, light=220), 220) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1)).save(tmp_path / "photo.jpg", quality=70)
    (symbol,) = read_files([tmp_path / "photo.jpg"])
    assert (symbol.text, symbol.zbar, symbol.zxing) == (TEXT, True, True)
    assert symbol.grade is not None


@pytest.mark.parametrize(
    ("dark", "light", "expected"),
    [(20, 250, "A"), (40, 200, "B"), (80, 200, "C"), (100, 170, "D"), (110, 150, "F")],
)
def test_the_grade_falls_with_the_contrast(dark, light, expected):
    assert read_one(one_symbol(dark=dark, light=light)).grade == expected


def test_the_grade_falls_with_the_modulation():
    blurred = [
        np.asarray(Image.fromarray(one_symbol()).filter(ImageFilter.GaussianBlur(radius))) for radius in (1, 3, 4)
    ]
    grades = [read_one(picture).grade for picture in blurred]
    assert grades[0] == "A"
    assert grades == sorted(grades)
    assert grades[-1] in "BCDF"


@pytest.mark.parametrize(("percent", "expected"), [(100, "A"), (107, "B"), (109, "C"), (111, "D"), (120, "F")])
def test_the_grade_falls_with_a_stretched_print(percent, expected):
    picture = Image.fromarray(one_symbol())
    stretched = picture.resize((picture.width * percent // 100, picture.height), Image.Resampling.BICUBIC)
    assert read_one(np.asarray(stretched)).grade == expected


def test_the_grade_falls_with_a_spoilt_quiet_zone():
    picture = one_symbol(quiet=8, module_px=8)
    assert read_one(picture).grade == "A"
    spoilt = picture.copy()
    spoilt[120:136, 5 * 8 : 6 * 8] = 0  # two modules beside the symbol
    assert read_one(spoilt).grade == "C"
    assert read_one(one_symbol(quiet=2)).grade == "F"


def test_the_grade_falls_with_damage_that_error_correction_repaired():
    picture = one_symbol()
    picture[(8 + 12) * 8 : (8 + 18) * 8, (8 + 18) * 8 : (8 + 24) * 8] = 255
    symbol = read_one(picture)
    assert symbol.grade == "D"  # 0.3 of the error correction is left


def test_two_prints_of_one_code_are_two_symbols():
    picture = np.hstack([one_symbol(), one_symbol()])
    found = read_picture(picture, source="twice")
    assert [symbol.text for symbol in found] == [TEXT, TEXT]
    assert all(symbol.zbar and symbol.zxing for symbol in found)


def test_what_zxing_misses_on_the_sheet_zbar_finds_and_zxing_is_shown_again(monkeypatch):
    monkeypatch.setattr(readback, "_read_zxing_all", lambda picture: ([], picture))
    again = read_one(one_symbol())
    assert (again.zbar, again.zxing, again.grade) == (True, True, "A")


def test_a_symbol_on_a_crowded_sheet_that_only_zbar_can_read_is_found(tmp_path, monkeypatch):
    codes = np.random.default_rng(1).choice(CROCKFORD, (60, 20))
    texts = [FACTORY.text(code) for code in codes]
    write_png(tmp_path / "a.png", codes=[codes], factory=FACTORY, module_px=6)
    real = readback._read_zxing
    monkeypatch.setattr(readback, "_read_zxing", lambda picture: [s for s in real(picture) if s.text != texts[33]])
    found = list(read_files([tmp_path / "a.png"]))
    assert [symbol.text for symbol in found] == texts
    assert [symbol.zxing for symbol in found] == [text != texts[33] for text in texts]
    assert all(symbol.zbar for symbol in found)


def test_a_symbol_that_only_one_decoder_reads_says_which(monkeypatch):
    monkeypatch.setattr(readback, "_read_zbar", lambda _picture: [])
    symbol = read_one(one_symbol())
    assert (symbol.zbar, symbol.zxing, symbol.grade) == (False, True, "A")
    monkeypatch.undo()
    monkeypatch.setattr(readback, "_read_zxing", lambda _picture: [])
    symbol = read_one(one_symbol())
    assert (symbol.zbar, symbol.zxing, symbol.grade) == (True, False, None)


def test_transparent_pictures_are_read_on_white_paper(tmp_path):
    picture = one_symbol()
    image = Image.fromarray(np.stack([picture * 0, picture * 0, picture * 0, 255 - picture], axis=2), "RGBA")
    image.save(tmp_path / "a.png")
    (symbol,) = read_files([tmp_path / "a.png"])
    assert (symbol.text, symbol.zbar, symbol.zxing) == (TEXT, True, True)


def test_several_files_are_read_in_order_with_their_names(tmp_path):
    codes = np.random.default_rng(1).choice(CROCKFORD, (3, 20))
    write_png(tmp_path / "a.png", codes=[codes[:1]], factory=FACTORY)
    write_pdf(tmp_path / "b.bin", codes=[codes[1:]], factory=FACTORY)  # known by its content
    found = list(read_files([tmp_path / "b.bin", str(tmp_path / "a.png")]))
    assert [symbol.text for symbol in found] == [FACTORY.text(code) for code in codes[[1, 2, 0]]]
    assert [symbol.source for symbol in found] == [str(tmp_path / name) for name in ("b.bin", "b.bin", "a.png")]


def test_a_picture_without_symbols_gives_none():
    assert read_picture(np.full((200, 300), 255, np.uint8), source="blank") == []


def test_missing_foreign_and_damaged_files_are_named(tmp_path):
    write_png(tmp_path / "whole.png", codes=[CODE], factory=FACTORY)
    whole = (tmp_path / "whole.png").read_bytes()
    files = {"text.txt": b"no picture", "empty": b"", "cut.png": whole[:400], "bad.pdf": b"%PDF-1.4\nnothing"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput, match=name):
            list(read_files([tmp_path / name]))
    with pytest.raises(InvalidInput, match=r"gone\.png"):
        list(read_files([tmp_path / "gone.png"]))
    with pytest.raises(InvalidInput, match=tmp_path.name):
        list(read_files([tmp_path]))


def test_pictures_above_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(readback, "PIXELS_MAX", 100 * 100)
    Image.new("1", (101, 100)).save(tmp_path / "a.png")
    with pytest.raises(InvalidInput, match="101 x 100 pixels"):
        list(read_files([tmp_path / "a.png"]))
