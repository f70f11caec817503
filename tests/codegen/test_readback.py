from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchmarks.degradations import KINDS, label
from codegen import decoders, photos, readback
from codegen.pictures import write_png
from codegen.readback import ReadSymbol, read_files, read_picture
from codegen.sheets import write_pdf
from codegen.symbols import SymbolFactory

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
    symbol = read_one(one_symbol())
    assert (symbol.source, symbol.page, symbol.text) == ("one", 1, TEXT)
    assert (symbol.zbar, symbol.zxing, symbol.grade) == (True, True, "A")
    assert symbol.corners == ((64, 64), (296, 64), (296, 296), (64, 296))


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
    real = decoders.read_zxing
    monkeypatch.setattr(decoders, "read_zxing", lambda picture: [s for s in real(picture) if s.text != texts[33]])
    found = list(read_files([tmp_path / "a.png"]))
    assert [symbol.text for symbol in found] == texts
    assert [symbol.zxing for symbol in found] == [text != texts[33] for text in texts]
    assert all(symbol.zbar for symbol in found)


def test_a_symbol_that_only_one_decoder_reads_says_which(monkeypatch):
    monkeypatch.setattr(decoders, "read_zbar", lambda _picture: [])
    symbol = read_one(one_symbol())
    assert (symbol.zbar, symbol.zxing, symbol.grade) == (False, True, "A")
    monkeypatch.undo()
    monkeypatch.setattr(decoders, "read_zxing", lambda _picture: [])
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


def test_two_pictures_of_one_code_close_to_each_other_are_not_mistaken_for_one():
    picture = np.vstack([one_symbol(quiet=4), one_symbol(quiet=4)])
    noise = np.random.default_rng(1).normal(0, 60, picture.shape)
    found = read_picture(np.clip(picture + noise, 0, 255).astype(np.uint8), source="grain")
    assert [symbol.text for symbol in found] == [TEXT, TEXT]


@pytest.mark.parametrize("kind", [
    "tilted 55%", "turned 45°", "blurred 0.4 modules", "moved 1.2 modules", "grain 90", "contrast 6%", "shaded 85%",
    "inverted", "JPEG 5", "1.2 pixels a module", "scratch 1 module", "blot 8 modules", "missing dots 15%",
])  # fmt: skip
def test_what_cameras_and_presses_do_to_a_symbol_is_read_through(kind):
    random = np.random.default_rng(7)
    text, picture = label(random)
    found = read_picture(np.ascontiguousarray(KINDS[kind](picture, random)), source=kind)
    assert [symbol.text for symbol in found] == [text]


def test_a_sheet_with_one_spoilt_symbol_loses_no_other(tmp_path):
    codes = np.random.default_rng(1).choice(CROCKFORD, (9, 20))
    write_png(tmp_path / "a.png", codes=[codes], factory=FACTORY, module_px=6)
    with (tmp_path / "a.png").open("rb") as file:
        (sheet,) = photos.pages(file, "a.png")
    assert isinstance(sheet, photos.Page)
    whole = read_picture(sheet.grey, source="a")
    assert len(whole) == 9
    spoilt = sheet.grey.copy()
    left, top = (int(v) for v in whole[7].corners[0])
    spoilt[top : top + 150, left : left + 150] = 255 - spoilt[top : top + 150, left : left + 150] // 2
    found = read_picture(spoilt, source="a")
    texts = {symbol.text for symbol in whole} - {whole[7].text}
    assert texts <= {symbol.text for symbol in found}
