from __future__ import annotations

import io
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw

from codegen import labels, lettering, logos, samples, sheets
from codegen.labels import LabelTemplate
from codegen.readback import read_files
from codegen.sheets import write_pdf
from codegen.stationery import A4_80, BUILT_IN
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput

CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
GS1 = SymbolFactory("HTTPS://ID.SHOP.EXAMPLE/01/09506000134352/21/", mask=None)


def some_codes(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(CROCKFORD, (count, 20))


def page_text(path, page: int = 0) -> str:
    document = pypdfium2.PdfDocument(path)
    try:
        return document[page].get_textpage().get_text_bounded()
    finally:
        document.close()


@pytest.mark.parametrize("factory", [FACTORY, GS1], ids=["short", "gs1"])
def test_both_decoders_read_every_label_of_a_sheet_in_order(tmp_path, factory):
    codes = some_codes(85)
    report = write_pdf(tmp_path / "labels.pdf", codes=[codes], factory=factory, title="陈年花雕酒 500ml")
    assert (report.labels, report.pages) == (85, 2)
    found = list(read_files([tmp_path / "labels.pdf"]))
    assert [symbol.text for symbol in found] == [factory.text(code) for code in codes]
    assert all(symbol.zbar and symbol.zxing and symbol.grade == "A" for symbol in found)
    assert [symbol.page for symbol in found] == [1] * 80 + [2] * 5


def test_code_and_number_stand_under_the_symbol_as_text(tmp_path):
    codes = np.frombuffer(b"ABCDEFGHJKMNPQRSTVWX", np.uint8).reshape(1, 20)
    write_pdf(tmp_path / "a.pdf", codes=[codes], factory=FACTORY, first_number=1234)
    assert page_text(tmp_path / "a.pdf").split() == ["ABCD", "EFGH", "JKMN", "PQRS", "TVWX", "#1234"]


def test_labels_are_numbered_through_pages_and_batches(tmp_path):
    small = LabelTemplate("small", grid=(2, 2))
    done: list[int] = []
    report = write_pdf(
        tmp_path / "a.pdf",
        codes=[some_codes(3), some_codes(1), some_codes(0), some_codes(7)],
        factory=FACTORY,
        template=small,
        first_number=10,
        on_progress=done.append,
    )
    assert (report.pages, done) == (3, [4, 8, 11])
    numbers = [re.findall(r"#(\d+)", page_text(tmp_path / "a.pdf", page)) for page in range(3)]
    assert numbers == [["10", "11", "12", "13"], ["14", "15", "16", "17"], ["18", "19", "20"]]


def drawn(path: Path, engine: str, dots_per_mm: int) -> np.ndarray:
    """The first page as one of two PDF engines draws it, in grey levels."""
    if engine == "pdfium":
        document = pypdfium2.PdfDocument(path)
        picture = document[0].render(scale=25.4 * dots_per_mm / 72, grayscale=True).to_numpy().squeeze()
        document.close()
        return picture
    tool = shutil.which("pdftoppm")
    assert tool is not None, "poppler-utils is installed where tests run"
    command = [tool, "-r", str(25.4 * dots_per_mm), "-gray", "-f", "1", "-l", "1", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert done.stderr == b""
    with Image.open(io.BytesIO(done.stdout)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("engine", ["pdfium", "poppler"])
@pytest.mark.parametrize("symbol_mm", [30.0, 14.5])
def test_paper_symbol_and_modules_are_true_to_size_in_two_engines(tmp_path, engine, symbol_mm):
    """A ruler on the page: 0.1 mm is what the drawing's dots of a twentieth allow."""
    template = LabelTemplate(
        "one", page_mm=(100, 60), label_mm=(90, 50), grid=(1, 1), margin_mm=(5, 5), symbol_mm=symbol_mm
    )
    code = some_codes(1)
    write_pdf(tmp_path / "a.pdf", codes=[code], factory=FACTORY, template=template)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    assert document[0].get_size() == pytest.approx((100 / 25.4 * 72, 60 / 25.4 * 72), abs=0.01)
    document.close()
    dots_per_mm = 20
    dark = drawn(tmp_path / "a.pdf", engine, dots_per_mm) < 128
    assert dark.shape == pytest.approx((60 * dots_per_mm, 100 * dots_per_mm), abs=1)
    placed = labels.arrange(template, FACTORY.size, {}).symbol_mm
    left, top = ((5 + place) * dots_per_mm for place in placed[:2])
    module = symbol_mm / FACTORY.size * dots_per_mm
    expected = FACTORY.render(code)[0] == 1
    middles = (np.arange(FACTORY.size) + 0.5) * module
    rows, columns = (np.round(start + middles).astype(int) for start in (top, left))
    np.testing.assert_array_equal(dark[np.ix_(rows, columns)], expected)
    box = dark[: round(top + symbol_mm * dots_per_mm + 2)]
    inked = np.flatnonzero(box.any(axis=0))
    assert (inked[-1] - inked[0] + 1) / dots_per_mm == pytest.approx(symbol_mm, abs=0.1)
    inked = np.flatnonzero(box.any(axis=1))
    assert (inked[-1] - inked[0] + 1) / dots_per_mm == pytest.approx(symbol_mm, abs=0.1)
    quiet = round(4 * module) - 2
    below = round(top + symbol_mm * dots_per_mm) + 2
    assert not dark[below : below + quiet - 2].any()


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_label_of_the_houses_templates_is_read_from_both_engines_drawings(tmp_path, name):
    template = BUILT_IN[name]
    count = min(template.labels, 2)
    codes = samples.codes(count, sides=template.parts)
    more = {"facts": {"gtin": "06901234567892", "lot": "L2026"}, "logo": logos.read(a_logo()), "title": "陈年花雕酒"}
    write_pdf(tmp_path / "a.pdf", codes=[codes], factory=FACTORY, template=template, **more)
    texts = [FACTORY.text(code) for code in codes.reshape(-1, 20)]
    found = [symbol for symbol in read_files([tmp_path / "a.pdf"]) if symbol.page == 1][: len(texts)]
    assert sorted(symbol.text for symbol in found) == sorted(texts[: len(found)])
    assert all(symbol.zbar and symbol.zxing and symbol.grade == "A" for symbol in found)
    picture = drawn(tmp_path / "a.pdf", "poppler", 12)
    Image.fromarray(picture).save(tmp_path / "poppler.png")
    again = list(read_files([tmp_path / "poppler.png"]))
    assert sorted(symbol.text for symbol in again) == sorted(symbol.text for symbol in found)


def a_logo(size: tuple[int, int] = (300, 120), kind: str = "PNG") -> bytes:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((5, 5, size[0] - 5, size[1] - 5), fill=(200, 30, 30))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def test_a_logo_and_crop_marks_are_drawn_where_the_template_says(tmp_path):
    template = LabelTemplate(
        "logo", page_mm=(80, 60), label_mm=(60, 40), grid=(1, 1), margin_mm=(10, 10), symbol_mm=20, place="beside",
        logo_mm=10, lines=("{code_first}",), crop_marks=True,
    )  # fmt: skip
    logo = logos.read(a_logo())
    write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, template=template, logo=logo)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    colours = document[0].render(scale=25.4 * 10 / 72).to_numpy()[:, :, :3].astype(int)
    document.close()
    red = colours.max(axis=2) - colours.min(axis=2) > 100
    left, top, wide, high = labels.arrange(template, 29, {}, logo=logo.ratio).logo_mm
    rows, columns = np.flatnonzero(red.any(axis=1)) / 10, np.flatnonzero(red.any(axis=0)) / 10
    assert (columns[0], columns[-1]) == pytest.approx((10 + left, 10 + left + wide), abs=0.5)
    assert (rows[0], rows[-1]) == pytest.approx((10 + top, 10 + top + high), abs=0.5)
    dark = colours.max(axis=2) < 200
    for x, y in ((10, 7.5), (70, 7.5), (10, 52.5), (70, 52.5), (7.5, 10), (7.5, 50), (72.5, 10), (72.5, 50)):
        around = dark[round(y * 10) - 2 : round(y * 10) + 3, round(x * 10) - 2 : round(x * 10) + 3]
        assert around.any(), (x, y)


def test_the_file_is_structurally_sound(tmp_path):
    template = LabelTemplate("one", label_mm=(60, 60), grid=(1, 1), symbol_mm=20)
    count = 1030  # more than two nodes of the page tree
    write_pdf(tmp_path / "a.pdf", codes=[some_codes(count)], factory=FACTORY, template=template, title="一码")
    data = (tmp_path / "a.pdf").read_bytes()
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)[1])
    entries = re.findall(rb"(\d{10}) 00000 n \n", data[start:])
    for number, offset in enumerate(entries, start=1):
        assert data[int(offset) :].startswith(b"%d 0 obj\n" % number)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    assert len(document) == count
    assert document.get_metadata_value("Title") == "一码"
    document.close()


def test_a_million_symbols_worth_of_pages_would_fit_in_memory(tmp_path):
    def grown(count: int) -> int:
        batches = (some_codes(400, seed) for seed in range(count // 400))
        tracemalloc.start()
        write_pdf(tmp_path / "a.pdf", codes=batches, factory=FACTORY)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    grown(400)
    assert grown(8000) - grown(800) < 100_000  # bytes; the pages themselves are five million


def test_all_letters_are_in_the_file_and_the_name_can_be_copied(tmp_path):
    report = write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, title="花雕酒 (A)")
    assert "shapes in the file" in report.lettering
    assert "花雕酒 (A)" in page_text(tmp_path / "a.pdf")
    tool = shutil.which("pdffonts")
    assert tool is not None, "poppler-utils is installed where tests run"
    said = subprocess.run([tool, str(tmp_path / "a.pdf")], check=True, capture_output=True, text=True, timeout=60)
    fonts = said.stdout.splitlines()[2:]
    assert len(fonts) == 2
    assert [re.search(r"\b(yes|no) +(yes|no) +(yes|no)\b", font)[1] for font in fonts] == ["yes", "yes"]  # embedded


def test_the_name_looks_as_the_font_draws_it(tmp_path):
    """Its shapes, enlarged, against a bitmap of the same font by FreeType."""
    template = LabelTemplate(
        "big", page_mm=(120, 60), label_mm=(120, 60), grid=(1, 1), margin_mm=(0, 0), symbol_mm=20, letter_mm=20,
        lines=("{product}",),
    )  # fmt: skip
    write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, template=template, title="花雕酒")
    ink = drawn(tmp_path / "a.pdf", "pdfium", 10)[300:] < 128
    bitmap = lettering.draw("花雕酒", height_px=round(200 / 0.85), width_px=1200).bitmap == 1

    def trimmed(dark: np.ndarray) -> np.ndarray:
        rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
        return dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    shapes = [trimmed(each) for each in (ink, bitmap)]
    assert shapes[0].shape == pytest.approx(shapes[1].shape, abs=4)
    high, wide = (min(each.shape[axis] for each in shapes) for axis in (0, 1))
    assert (shapes[0][:high, :wide] == shapes[1][:high, :wide]).mean() > 0.9


def test_a_name_that_no_font_has_is_refused_with_its_characters_or_left_out_if_asked(tmp_path):
    codes = some_codes(2)
    with pytest.raises(InvalidInput, match="No installed font has the characters '🍵'"):
        write_pdf(tmp_path / "a.pdf", codes=[codes], factory=FACTORY, title="茶🍵")
    assert list(tmp_path.iterdir()) == []
    report = write_pdf(tmp_path / "a.pdf", codes=[codes], factory=FACTORY, title="茶🍵", lenient=True)
    assert report.lettering.startswith("name left out")
    assert [s.text for s in read_files([tmp_path / "a.pdf"])] == [FACTORY.text(code) for code in codes]


def test_without_any_font_the_codes_are_printed_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(lettering, "_font_files", lambda: ())
    codes = some_codes(2)
    report = write_pdf(tmp_path / "a.pdf", codes=[codes], factory=FACTORY, title="花雕酒", lenient=True)
    assert report.lettering.startswith("name left out")
    with pytest.raises(InvalidInput, match="'花雕酒' of '花雕酒'"):
        write_pdf(tmp_path / "b.pdf", codes=[codes], factory=FACTORY, title="花雕酒")


def test_a_long_name_ends_in_an_ellipsis_and_stays_in_its_cell(tmp_path):
    write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, title="花雕" * 40)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    picture = document[0].render(scale=4, grayscale=True).to_numpy().squeeze()
    document.close()
    right = np.flatnonzero((picture < 128).any(axis=0))[-1] / 4 / 72 * 25.4
    assert right < 8 + A4_80.label_mm[0]


@pytest.mark.parametrize("title", ["two\nlines", "x" * 121, " "])
def test_names_that_are_no_line_are_refused(tmp_path, title):
    with pytest.raises(InvalidInput, match="product name"):
        write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, title=title)


def test_an_error_half_way_leaves_no_file_and_keeps_an_older_one(tmp_path):
    def failing():
        yield some_codes(200)
        raise RuntimeError("power cut")

    path = tmp_path / "a.pdf"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError):
        write_pdf(path, codes=failing(), factory=FACTORY)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.pdf", b"older")]


def test_an_empty_range_and_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no label"):
        write_pdf(tmp_path / "a.pdf", codes=[], factory=FACTORY)
    with pytest.raises(InvalidInput, match="nowhere"):
        write_pdf(tmp_path / "nowhere" / "a.pdf", codes=[some_codes(1)], factory=FACTORY)
    with pytest.raises(InvalidInput, match="folder"):
        write_pdf(tmp_path, codes=[some_codes(1)], factory=FACTORY)
    assert list(tmp_path.iterdir()) == []


def test_the_limit_of_labels_holds_at_its_edge(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "LABELS_PER_PDF_MAX", 100)
    assert write_pdf(tmp_path / "a.pdf", codes=[some_codes(100)], factory=FACTORY).labels == 100
    with pytest.raises(InvalidInput, match="at most 100"):
        write_pdf(tmp_path / "b.pdf", codes=[some_codes(101)], factory=FACTORY)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pdf"]


def test_codes_of_another_length_or_character_are_named_and_leave_no_file(tmp_path):
    with pytest.raises(InvalidInput, match="shape"):
        write_pdf(tmp_path / "a.pdf", codes=[some_codes(3), np.zeros((1, 19), np.uint8)], factory=FACTORY)
    bad = np.frombuffer(b"ABCDEFGHJKMNPQRSTVw)", np.uint8).reshape(1, 20)
    with pytest.raises(InvalidInput, match="Code 0 has 'w' at position 18"):
        write_pdf(tmp_path / "a.pdf", codes=[bad], factory=FACTORY)
    assert list(tmp_path.iterdir()) == []
