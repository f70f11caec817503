from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import reportlab
from PIL import Image

from codegen import lettering, pictures
from codegen.pictures import LABELS_PER_PICTURE_MAX, write_png, write_svg
from codegen.readback import read_files, read_picture
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput

CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
SVG = "{http://www.w3.org/2000/svg}"


def some_codes(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(CROCKFORD, (count, 20))


def drawn_svg(root: ET.Element, px: int = 5) -> np.ndarray:
    """The symbols of an SVG of ours, painted: its paths are rectangles, its groups translated."""
    width, height = (int(side) for side in root.get("viewBox").split()[2:])
    canvas = np.full((height * px, width * px), 255, np.uint8)
    for group in root.iter(f"{SVG}g"):
        if group.get("transform"):
            left, top = (int(n) for n in re.findall(r"\d+", group.get("transform")))
            path = group.find(f"{SVG}path").get("d")
            runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path)
            assert "".join(f"M{x} {y}h{w}v1h-{w}z" for x, y, w, _ in runs) == path
            for x, y, w, _ in (map(int, run) for run in runs):
                canvas[(top + y) * px : (top + y + 1) * px, (left + x) * px : (left + x + w) * px] = 0
    return canvas


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("title", ["", "陈年花雕酒"])
def test_both_decoders_read_every_label_of_a_png(tmp_path, count, title):
    codes = some_codes(count)
    write_png(tmp_path / "a.png", codes=[codes[:1], codes[1:]], factory=FACTORY, title=title)
    found = list(read_files([tmp_path / "a.png"]))
    assert [symbol.text for symbol in found] == [FACTORY.text(code) for code in codes]
    assert all(symbol.zbar and symbol.zxing and symbol.grade == "A" for symbol in found)


def test_a_png_is_black_and_white_with_whole_pixels_a_module(tmp_path):
    codes = some_codes(1)
    write_png(tmp_path / "a.png", codes=[codes], factory=FACTORY, module_px=5)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "1"
        assert image.width == (29 + 8) * 5
        dark = ~np.asarray(image)
    symbol = dark[20 : 20 + 29 * 5, 20 : 20 + 29 * 5]
    np.testing.assert_array_equal(symbol, FACTORY.render(codes)[0].repeat(5, axis=0).repeat(5, axis=1) == 1)
    assert not dark[:20].any()
    assert not dark[20 + 29 * 5 : 37 * 5].any()
    assert dark[37 * 5 :].any()  # the code in letters


def test_a_picture_holds_its_limit_of_labels_and_not_one_more(tmp_path):
    codes = some_codes(LABELS_PER_PICTURE_MAX + 1)
    report = write_png(tmp_path / "a.png", codes=[codes[:-1]], factory=FACTORY, module_px=4)
    assert report.labels == 400
    found = list(read_files([tmp_path / "a.png"]))
    assert [symbol.text for symbol in found] == [FACTORY.text(code) for code in codes[:-1]]
    assert all(symbol.zbar and symbol.zxing for symbol in found)
    for write in (write_png, write_svg):
        with pytest.raises(InvalidInput, match="at most 400 labels"):
            write(tmp_path / "b", codes=[codes], factory=FACTORY)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_picture_that_programs_would_refuse_to_open_is_not_written(tmp_path):
    with pytest.raises(InvalidInput, match="pixels"):
        write_png(tmp_path / "a.png", codes=[some_codes(400)], factory=FACTORY, module_px=16)
    assert pictures.PIXELS_MAX < Image.MAX_IMAGE_PIXELS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 5])
def test_both_decoders_read_every_label_of_an_svg(tmp_path, count):
    codes = some_codes(count)
    write_svg(tmp_path / "a.svg", codes=[codes], factory=FACTORY, title="花雕 & <酒>", first_number=7, columns=2)
    root = ET.parse(tmp_path / "a.svg").getroot()  # noqa: S314  # written just now
    found = read_picture(drawn_svg(root), source="a.svg")
    assert [symbol.text for symbol in found] == [FACTORY.text(code) for code in codes]
    assert all(symbol.zbar and symbol.zxing for symbol in found)
    lines = [text.text for text in root.iter(f"{SVG}text")]
    first = codes[0].tobytes().decode()
    assert lines[0] == "花雕 & <酒>"
    assert "".join(lines[1:3]).replace(" ", "") == f"{first}#7"
    assert len(lines) == 3 * count


def test_an_svg_gives_its_size_in_millimetres(tmp_path):
    write_svg(tmp_path / "a.svg", codes=[some_codes(3)], factory=FACTORY, columns=3)
    root = ET.parse(tmp_path / "a.svg").getroot()  # noqa: S314  # written just now
    assert root.get("width") == "55.5mm"  # 3 labels of 37 modules of half a millimetre
    assert root.get("viewBox").startswith("0 0 111 ")


def test_without_a_font_a_png_has_no_name_and_the_report_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(lettering, "_font_files", lambda: ())
    report = write_png(tmp_path / "a.png", codes=[some_codes(1)], factory=FACTORY, title="花雕酒")
    assert report.lettering.startswith("name left out")
    assert len(list(read_files([tmp_path / "a.png"]))) == 1


def test_a_named_font_is_used_or_refused(tmp_path):
    not_a_font = tmp_path / "font.ttf"
    not_a_font.write_bytes(b"no font")
    with pytest.raises(InvalidInput, match="not a font file"):
        write_png(tmp_path / "a", codes=[some_codes(1)], factory=FACTORY, title="x", font_path=not_a_font)
    latin = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    options = {"codes": [some_codes(1)], "factory": FACTORY, "font_path": latin}
    assert "Vera" in write_png(tmp_path / "a.png", title="Rice wine", **options).lettering
    with pytest.raises(InvalidInput, match="lacks the characters '花雕'"):
        write_png(tmp_path / "b.png", title="花雕 x", **options)


@pytest.mark.parametrize("options", [{"module_px": 3}, {"module_px": 65}, {"columns": 0}, {"columns": 401}])
def test_impossible_pictures_are_refused(tmp_path, options):
    with pytest.raises(InvalidInput):
        write_png(tmp_path / "a.png", codes=[some_codes(1)], factory=FACTORY, **options)


@pytest.mark.parametrize("write", [write_png, write_svg])
def test_an_empty_range_is_refused(tmp_path, write):
    with pytest.raises(InvalidInput, match="no label"):
        write(tmp_path / "a", codes=[], factory=FACTORY)
