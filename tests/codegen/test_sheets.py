from __future__ import annotations

import re
import tracemalloc
import zlib

import numpy as np
import pypdfium2
import pytest

from codegen import lettering, sheets
from codegen.readback import read_files
from codegen.sheets import SheetTemplate, write_pdf
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
    small = SheetTemplate(columns=2, rows=2)
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


def test_paper_and_symbol_are_true_to_size(tmp_path):
    template = SheetTemplate(page_mm=(100, 60), columns=1, rows=1, margins_mm=(5, 5, 5, 5), symbol_mm=30)
    write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, template=template)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    page = document[0]
    assert page.get_size() == pytest.approx((100 / 25.4 * 72, 60 / 25.4 * 72), abs=0.01)
    dots_per_mm = 20
    picture = page.render(scale=25.4 * dots_per_mm / 72, grayscale=True).to_numpy().squeeze()
    document.close()
    dark = picture < 128
    columns = np.flatnonzero(dark[: 40 * dots_per_mm].any(axis=0))
    rows = np.flatnonzero(dark[:, columns[0] + 5])  # the left edge of two finders
    assert (columns[-1] - columns[0] + 1) / dots_per_mm == pytest.approx(30, abs=0.1)
    assert (rows[-1] - rows[0] + 1) / dots_per_mm == pytest.approx(30, abs=0.1)
    quiet = round(4 * 30 / 29 * dots_per_mm) - 2
    middle = slice(rows[0], rows[-1])
    assert not dark[middle, columns[0] - quiet : columns[0]].any()
    assert not dark[middle, columns[-1] + 1 : columns[-1] + quiet].any()
    assert not dark[rows[-1] + 1 : rows[-1] + quiet].any()


def test_the_file_is_structurally_sound(tmp_path):
    template = SheetTemplate(columns=1, rows=1, symbol_mm=20)
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


def test_the_name_is_drawn_with_shapes_in_the_file_where_a_font_has_it(tmp_path):
    report = write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, title="花雕酒")
    assert "shapes in the file" in report.lettering
    data = (tmp_path / "a.pdf").read_bytes()
    mask = re.search(rb"/ImageMask true.*?/Width (\d+)/Height (\d+)>>\nstream\n(.*?)\nendstream", data, re.DOTALL)
    width, height = int(mask[1]), int(mask[2])
    bitmap = np.unpackbits(np.frombuffer(zlib.decompress(mask[3]), np.uint8).reshape(height, -1), axis=1)
    assert 2.4 < width / height < 3.0  # three square characters, a little lower than their line
    assert 0.1 < bitmap[:, :width].mean() < 0.5


def test_without_a_font_the_name_is_left_to_the_viewer_and_the_report_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(lettering, "_font_files", lambda: ())
    codes = some_codes(2)
    report = write_pdf(tmp_path / "a.pdf", codes=[codes], factory=FACTORY, title="花雕酒 A")
    assert report.lettering.startswith("STSong-Light")
    assert "花雕酒 A" in page_text(tmp_path / "a.pdf")
    assert [s.text for s in read_files([tmp_path / "a.pdf"])] == [FACTORY.text(code) for code in codes]
    with pytest.raises(InvalidInput, match="font"):
        write_pdf(tmp_path / "b.pdf", codes=[codes], factory=FACTORY, title="𠮷")


def test_a_long_name_ends_in_an_ellipsis_and_stays_in_its_cell(tmp_path):
    write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, title="花雕" * 40)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    picture = document[0].render(scale=4, grayscale=True).to_numpy().squeeze()
    document.close()
    right = np.flatnonzero((picture < 128).any(axis=0))[-1] / 4 / 72 * 25.4
    assert right < 8 + SheetTemplate().cell_mm[0]


@pytest.mark.parametrize("title", ["two\nlines", "x" * 121, " "])
def test_names_that_are_no_line_are_refused(tmp_path, title):
    with pytest.raises(InvalidInput, match="product name"):
        write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, title=title)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (SheetTemplate(columns=12), "does not fit a cell"),
        (SheetTemplate(rows=12), "does not fit a cell"),
        (SheetTemplate(symbol_mm=7), "phones need"),
        (SheetTemplate(columns=0), "labels"),
        (SheetTemplate(columns=100, rows=21), "labels"),
        (SheetTemplate(margins_mm=(8, -1, 8, 8)), "at least 0"),
    ],
)
def test_templates_that_cannot_hold_the_symbol_are_refused(tmp_path, template, message):
    with pytest.raises(InvalidInput, match=message):
        write_pdf(tmp_path / "a.pdf", codes=[some_codes(1)], factory=FACTORY, template=template)
    assert list(tmp_path.iterdir()) == []


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
