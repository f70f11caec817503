from __future__ import annotations

import pytest

from codegen import samples
from codegen.labelruns import LabelRun
from codegen.pages import write_svg
from codegen.readback import read_files
from codegen.stationery import BUILT_IN
from codegen.symbols import SymbolFactory

FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")


@pytest.mark.browser
async def test_a_browser_shows_an_svg_that_both_decoders_read(tmp_path, chromium):
    run = LabelRun(FACTORY, BUILT_IN["roll-50x30"], {"product": "陈年花雕酒"})
    codes = samples.codes(1)
    write_svg(tmp_path / "a.svg", run, [codes])
    page = await chromium.new_page(viewport={"width": 900, "height": 600}, device_scale_factor=2)
    try:
        await page.goto((tmp_path / "a.svg").as_uri())
        (tmp_path / "a.png").write_bytes(await page.screenshot())
    finally:
        await page.close()
    found = list(read_files([tmp_path / "a.png"]))
    assert [symbol.text for symbol in found] == [FACTORY.text(codes[0])]
