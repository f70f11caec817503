from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from codegen import pages, samples
from codegen.labelruns import LabelRun
from codegen.labels import LabelTemplate
from codegen.pages import write_png, write_svg
from codegen.readback import read_files, read_picture
from codegen.stationery import BUILT_IN
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput

FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
FACTS = {"product": "陈年花雕酒 & <500ml>", "gtin": "06901234567892", "lot": "L1"}


def run_of(name: str) -> LabelRun:
    return LabelRun(FACTORY, BUILT_IN[name], FACTS)


@pytest.mark.parametrize("dpi", [203, 300, 600])
@pytest.mark.parametrize("name", ["roll-50x30", "roll-pair-60x40"])
def test_a_png_has_the_printers_dots_and_both_decoders_read_it(tmp_path, name, dpi):
    run = run_of(name)
    codes = samples.codes(1, sides=run.template.parts)
    write_png(tmp_path / "a.png", run, [codes], dpi=dpi)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "1"
        assert image.size == tuple(round(side / 25.4 * dpi) for side in run.template.page_mm)
        assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
    found = list(read_files([tmp_path / "a.png"]))
    assert [symbol.text for symbol in found] == [FACTORY.text(code) for code in codes.reshape(-1, 20)]
    assert all(symbol.zbar and symbol.zxing for symbol in found)


def test_a_page_of_a_sheet_is_one_picture_and_more_go_into_a_zip(tmp_path):
    run = run_of("letter-30")
    codes = samples.codes(33)
    with pytest.raises(InvalidInput, match=r"One picture holds one page, here 30 labels: .* \.zip"):
        write_png(tmp_path / "a.png", run, [codes], dpi=203)
    assert list(tmp_path.iterdir()) == []
    report = write_png(tmp_path / "a.zip", run, [codes[:7], codes[7:]], dpi=203)
    assert (report.labels, report.pages) == (33, 2)
    texts = []
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["000000001.png", "000000031.png"]
        for name in archive.namelist():
            with Image.open(io.BytesIO(archive.read(name))) as image:
                texts += [symbol.text for symbol in read_picture(np.asarray(image.convert("L")), source=name)]
    assert texts == [FACTORY.text(code) for code in codes]


def test_the_same_range_gives_the_same_zip(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_svg(tmp_path / name, run_of("roll-40x30"), [samples.codes(3)])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_limits_of_pages_and_dots_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PAGES_MAX", 2)
    assert write_svg(tmp_path / "a.zip", run_of("roll-40x30"), [samples.codes(2)]).pages == 2
    with pytest.raises(InvalidInput, match="at most 2 pictures"):
        write_svg(tmp_path / "b.zip", run_of("roll-40x30"), [samples.codes(3)])
    with pytest.raises(InvalidInput, match="no label"):
        write_svg(tmp_path / "b.svg", run_of("roll-40x30"), [])
    wide = LabelTemplate("wide", page_mm=(500, 500), label_mm=(30, 40), grid=(1, 1), margin_mm=(0, 0))
    with pytest.raises(InvalidInput, match="11811 x 11811 dots is above"):
        write_png(tmp_path / "b.png", LabelRun(FACTORY, wide), [samples.codes(1)], dpi=600)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["a4-21", "roll-pair-60x40"])
def test_an_svg_is_in_millimetres_its_symbols_are_those_of_the_factory_and_its_letters_outlines(tmp_path, name):
    run = run_of(name)
    count = min(run.template.labels, 4)
    codes = samples.codes(count, sides=run.template.parts)
    write_svg(tmp_path / "a.svg", run, [codes])
    root = ET.parse(tmp_path / "a.svg").getroot()  # noqa: S314  # written just now
    width, height = run.template.page_mm
    assert (root.get("width"), root.get("viewBox")) == (f"{width:g}mm", f"0 0 {width:g} {height:g}")
    assert not list(root.iter(f"{SVG}text"))
    expected = FACTORY.render(codes.reshape(-1, 20))
    paths = [each for each in root.iter(f"{SVG}path") if each.get("shape-rendering")]
    for path, symbol in zip(paths, expected, strict=True):
        module = float(re.search(r"scale\(([\d.]+)\)", path.get("transform"))[1])
        assert module * FACTORY.size == pytest.approx(run.template.symbol_mm, abs=0.001)
        modules = np.zeros_like(symbol)
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1", path.get("d")):
            modules[int(y), int(x) : int(x) + int(length)] = 1
        np.testing.assert_array_equal(modules, symbol)
