from __future__ import annotations

import csv
import hashlib
import io
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen import columns, layouts
from codegen.batches import Batch
from codegen.bulk import seal_range
from codegen.columns import COLUMNS_MAX, ENCODINGS, KINDS, LINE_ENDS, PER_CODE, PLAIN, Column, DataLayout
from codegen.controllers import BUILT_IN
from codegen.datafiles import write
from codegen.scheme import CodeKey
from kernel.errors import InvalidInput, NotFound

KEY = CodeKey(7, bytes(range(32)))
PREFIX = "HTTPS://T.YIMA.CN/Q/"


def batch_of(count: int = 30, *, paired: bool = True, first_unit: int = 3) -> Batch:
    return Batch(
        id=1, name="SAMPLE1234", brand_id=1, gtin="06901234567892", order_number='PO-1, "a"', key_id=7, count=count,
        paired=paired, form="short", prefix=PREFIX, first_unit=first_unit, state="ready", sha256=None,
    )  # fmt: skip


def written(layout: DataLayout, batch: Batch, spans=((1, 12),), **more) -> bytes:
    out = io.BytesIO()
    digest = more.get("digest")
    sha256 = write(out, layout, batch, KEY, spans, **more)
    if digest is None:
        assert sha256 == hashlib.sha256(out.getvalue()).hexdigest()
    return out.getvalue()


def rows_of(layout: DataLayout, data: bytes) -> list[list[str]]:
    encoding, mark = ENCODINGS[layout.encoding]
    assert data.startswith(mark)
    text = data.removeprefix(mark).decode(encoding)
    quoting = csv.QUOTE_NONE if layout.quoting == "none" else csv.QUOTE_MINIMAL
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, quoting=quoting))


def mod97(code: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in code)) % 97


def expected(column: Column, batch: Batch, line: int, number: int, product: str) -> str:
    serial = batch.first_serial + 2 * (line - 1) + (column.side == "inner")
    code = seal_range(KEY, serial, 1).tobytes().decode()
    separator = columns.GROUP_SEPARATORS[column.separator]
    values = {
        "url": PREFIX + code,
        "code": code,
        "grouped": separator.join(code[i : i + 4] for i in range(0, 20, 4)),
        "serial": f"{serial:0{column.width}d}",
        "crc32": f"{zlib.crc32((PREFIX + code).encode()):08X}",
        "mod97": f"{98 - mod97(code + '00'):02d}",
        "line": f"{line:0{column.width}d}",
        "number": f"{number:0{column.width}d}",
        "gtin": batch.gtin, "batch": batch.name, "order": batch.order_number, "product": product, "text": column.text,
    }  # fmt: skip
    return values[column.kind]


@st.composite
def some_layouts(draw):
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    made = [{"kind": "code", "title": "must", "side": "outer"}]
    for number, kind in enumerate(kinds):
        column = {"kind": kind, "title": f"t{number}"}
        if kind in PER_CODE:
            column["side"] = draw(st.sampled_from(["outer", "inner"]))
        if kind in ("line", "number", "serial"):
            column["width"] = draw(st.integers(0, 12))
        if kind == "grouped":
            column["separator"] = draw(st.sampled_from(["space", "hyphen"]))
        if kind == "text":
            column["text"] = draw(
                st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)
            )
        made.append(column)
    document = {
        "columns": made,
        "delimiter": draw(st.sampled_from([",", ";", "tab", "|", "~"])),
        "quoting": draw(st.sampled_from(["minimal", "all"])),
        "header": draw(st.booleans()),
        "line_end": draw(st.sampled_from(list(LINE_ENDS))),
        "encoding": draw(st.sampled_from(list(ENCODINGS))),
    }
    made[:] = {tuple(sorted((k, v) for k, v in each.items() if k != "title")): each for each in made}.values()
    return columns.parse("any", document)


@settings(max_examples=60, deadline=None)
@given(layout=some_layouts(), first=st.integers(1, 20), product=st.text(st.characters(codec="utf-8"), max_size=20))
def test_every_cell_reads_back_as_what_its_column_says(layout, first, product):
    batch = batch_of(first_unit=40)
    spans = [(first, first + 7), (95, 102)]  # the second lies behind the batch, as canaries do
    rows = rows_of(layout, written(layout, batch, spans, product=product))
    if layout.header:
        assert rows.pop(0) == [columns.title_of(column) for column in layout.columns]
    lines = [line for low, high in spans for line in range(low, high + 1)]
    guard = "'" if layout.spreadsheet and product.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else ""
    assert rows == [
        [
            expected(column, batch, line, number, (guard if column.kind == "product" else "") + product)
            for column in layout.columns
        ]
        for number, line in enumerate(lines, start=1)
    ]


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "plain"])
def test_the_houses_layouts_keep_their_own_limits_and_can_be_copied(name):
    layout = BUILT_IN[name]
    copy = columns.parse("copy", columns.document_of(layout))
    assert copy.fingerprint == layout.fingerprint
    rows = rows_of(layout, written(layout, batch_of(), product="陈年花雕"))
    assert len(rows) == 12 + layout.header
    assert len({tuple(row) for row in rows}) == len(rows)


def test_plain_is_one_url_a_line_and_a_pair_outer_comma_inner():
    single = written(PLAIN, batch_of(paired=False), [(1, 3)]).decode().splitlines()
    codes = [seal_range(KEY, 6 + 2 * n, 1).tobytes().decode() for n in range(3)]
    assert single == [PREFIX + code for code in codes]
    pair = written(PLAIN, batch_of(), [(1, 1)]).decode()
    inner = seal_range(KEY, 7, 1).tobytes().decode()
    assert pair == f"{PREFIX}{codes[0]},{PREFIX}{inner}\n"


@pytest.mark.parametrize("name", ["plain", "spreadsheet", "fixed-length"])
def test_a_file_written_in_two_goes_is_the_file_written_in_one(name):
    layout, batch = BUILT_IN[name], batch_of(40)
    whole = written(layout, batch, [(1, 40)], product="酒")
    out, digest = io.BytesIO(), hashlib.sha256()
    write(out, layout, batch, KEY, [(1, 9)], product="酒", digest=digest)
    sha256 = write(out, layout, batch, KEY, [(10, 40)], product="酒", digest=digest, rows_before=9)
    assert out.getvalue() == whole
    assert sha256 == hashlib.sha256(whole).hexdigest()


def test_more_rows_than_a_block_come_in_order_in_constant_memory():
    layout, batch = BUILT_IN["spreadsheet"], batch_of(2_000_000)
    done: list[int] = []

    class Sink(io.BytesIO):
        def write(self, data):
            return len(data)

    def peak(count: int) -> int:
        tracemalloc.start()
        write(Sink(), layout, batch, KEY, [(1, count)], on_progress=done.append)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small = peak(40_000)
    assert done[-1] == 40_000
    assert done == sorted(done)
    assert peak(200_000) < small + 200_000  # bytes; the rows themselves are 20 million
    rows = rows_of(layout, written(layout, batch, [(9_990, 40_000)]))[1:]
    assert [int(row[0]) for row in rows] == list(range(9_990, 40_001))


def test_columns_of_inner_codes_are_refused_where_there_are_none():
    with pytest.raises(InvalidInput, match=r"Column 3 .* one code a unit"):
        written(BUILT_IN["pair-columns"], batch_of(paired=False))


@pytest.mark.parametrize("product", ["=1+1", "+1", "-2", "@SUM(A1)"])
def test_a_name_that_begins_a_formula_is_neutral_in_a_spreadsheet_and_untouched_for_a_printer(product):
    rows = rows_of(BUILT_IN["spreadsheet"], written(BUILT_IN["spreadsheet"], batch_of(), product=product))
    assert rows[1][-1] == f"'{product}"
    rows = rows_of(BUILT_IN["laser-gb"], written(BUILT_IN["laser-gb"], batch_of(), product=product))
    assert rows[0][-1] == product


@pytest.mark.parametrize("product", ['a "b", c', "two\nlines", "half,half", "🍵 tea", "𠮷 酒"])
def test_names_with_quotes_line_ends_commas_and_rare_characters_survive_a_quoting_layout(product):
    for name in ("spreadsheet", "spreadsheet-gb"):
        rows = rows_of(BUILT_IN[name], written(BUILT_IN[name], batch_of(), product=product))
        assert {row[-1] for row in rows[1:]} == {product}


@pytest.mark.parametrize("product", ["half,half", 'a "b"', "two\nlines"])
def test_where_nothing_is_quoted_such_a_name_is_refused_before_a_byte_is_written(product):
    out = io.BytesIO()
    with pytest.raises(InvalidInput, match="The product's name"):
        write(out, BUILT_IN["laser-gb"], batch_of(), KEY, [(1, 2)], product=product)
    assert out.getvalue() == b""


def test_half_a_surrogate_pair_is_named():
    with pytest.raises(InvalidInput, match="product's name holds"):
        written(BUILT_IN["spreadsheet"], batch_of(), product="\ud842")


CODE = {"kind": "code"}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "1 to 32 columns, not 0"),
        ({"columns": [CODE] * 10_000}, "1 to 32 columns, not 10,000"),
        ({"columns": [CODE, CODE]}, "Column 2 repeats column 1"),
        ({"columns": [CODE, {"kind": "line", "title": "code"}], "header": True}, "Columns 1 and 2 have one title"),
        ({"columns": [{"kind": "line"}]}, "No column holds the code"),
        ({"columns": ["code"]}, "Column 1 is no object"),
        ({"columns": [{"kind": "qr"}]}, "Column 1: kind is one of"),
        ({"columns": [{"kind": "code", "colour": "red"}]}, "Column 1 has no field 'colour'"),
        ({"columns": [{"kind": "code", "side": "left"}]}, "side is one of outer, inner"),
        ({"columns": [{"kind": "code", "width": 8}]}, "only a number has a width"),
        ({"columns": [CODE, {"kind": "line", "width": 13}]}, "width is a whole number from 0 to 12"),
        ({"columns": [CODE, {"kind": "line", "width": True}]}, "width is a whole number"),
        ({"columns": [CODE, {"kind": "text"}]}, "a column of kind text"),
        ({"columns": [CODE, {"kind": "text", "text": "a\nb"}]}, "one line of at most 120"),
        ({"columns": [CODE, {"kind": "text", "text": "x" * 121}]}, "one line of at most 120"),
        ({"columns": [CODE, {"kind": "text", "text": "a,b"}], "quoting": "none"}, "quotes nothing"),
        ({"columns": [CODE], "encoding": "latin-1"}, "encoding is one of"),
        ({"columns": [CODE], "encoding": ["utf-8"]}, "encoding is one of"),
        ({"columns": [CODE], "line_end": "none"}, "line_end is one of"),
        ({"columns": [CODE], "header": "yes"}, "header is true or false"),
        ({"columns": [CODE], "delimiter": '"'}, "delimiter is a quote"),
        ({"columns": [CODE], "delimiter": "'"}, "delimiter is a quote"),
        ({"columns": [CODE], "delimiter": "7"}, "stands in codes"),
        ({"columns": [CODE], "delimiter": "q"}, "stands in codes"),
        ({"columns": [CODE], "delimiter": "/"}, "stands in codes"),
        ({"columns": [CODE], "delimiter": "\n"}, "one ASCII character"),
        ({"columns": [CODE], "delimiter": "，"}, "one ASCII character"),
        ({"columns": [CODE], "delimiter": ""}, "one ASCII character"),
        ({"columns": [{"kind": "grouped"}], "delimiter": "space"}, "separated by the delimiter itself"),
        ({"columns": [CODE], "colums": []}, "no field 'colums'"),
    ],
)  # fmt: skip
def test_documents_that_are_no_layout_are_refused_with_the_field_named(document, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        columns.parse("mine", document)


def test_the_limit_of_columns_holds_at_its_edge():
    made = [{"kind": "text", "text": str(number)} for number in range(COLUMNS_MAX - 1)]
    assert len(columns.parse("mine", {"columns": [CODE, *made]}).columns) == COLUMNS_MAX


@pytest.mark.parametrize("name", ["", "Upper", "a--b", "-a", "x" * 41, "a b", "a\n", "名"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(InvalidInput, match="layout's name"):
        columns.parse(name, {"columns": [CODE]})


async def test_a_brands_layout_is_kept_by_name_and_version(world):
    brand = world.brand.id
    document = {"columns": [{"kind": "url"}, {"kind": "product"}], "delimiter": "tab"}
    async with world.opened.db.transaction() as tx:
        await layouts.save(tx, brand_id=brand, name="line-3", document=document, version=0, actor="test")
        kept = await layouts.find(tx, brand, "line-3")
        assert (kept.delimiter, [column.kind for column in kept.columns]) == ("\t", ["url", "product"])
        assert (await layouts.names(tx, brand))[0] == "plain"
        assert (await layouts.names(tx, brand))[-1] == "line-3"
    for version, name, error in ((0, "line-3", "already"), (7, "line-3", "changed"), (0, "domino", "of the house")):
        with pytest.raises(Exception, match=error):
            async with world.opened.db.transaction() as tx:
                await layouts.save(tx, brand_id=brand, name=name, document=document, version=version, actor="test")
    async with world.opened.db.transaction() as tx:
        with pytest.raises(NotFound):
            await layouts.find(tx, brand + 1, "line-3")
        await layouts.remove(tx, brand_id=brand, name="line-3", actor="test")
        with pytest.raises(NotFound):
            await layouts.find(tx, brand, "line-3")
        with pytest.raises(NotFound):
            await layouts.remove(tx, brand_id=brand, name="line-3", actor="test")
