"""Listings: what the bulk way says of a file is what the single way says of each of its lines."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen import line_fields, listings, scheme
from codegen.bulk import Openers, seal_range
from codegen.line_fields import BLOCK_BYTES, COLUMNS, LINE_BYTES_MAX
from codegen.listings import DUPLICATE, PAIR, Known, Listing
from codegen.scheme import CodeKey, MalformedCode, Ring, Sealer
from codegen.states import Span
from kernel.errors import InvalidInput

GTIN = "06901234567892"
KEYS = [CodeKey(7, bytes(range(32))), CodeKey(9, bytes(range(1, 33)))]
RING = Ring(KEYS)
SHORT, LINK = "HTTPS://YIMA.CN/Q/", f"HTTPS://T.YIMA.CN/01/{GTIN}/21/"
BATCHES = [
    Known("ONE", GTIN, 7 << 35, (7 << 35) + 200,
          [Span(1, 60, "activated"), Span(61, 90, "void"), Span(91, 95, "issued")]),
    Known("TWO", "06901234567908", (9 << 35) + 1000, (9 << 35) + 1200, [Span(1, 100, "issued")]),
]  # fmt: skip


def code(serial, key=KEYS[0]):
    return Sealer(key).seal(serial)


def tally(content, batches=BATCHES):
    bad = []
    found = Listing(Openers(KEYS), batches, lambda *row: bad.append(row)).read(io.BytesIO(content))
    return found, bad


def test_whole_file_of_one_batch_is_counted_with_its_states():
    rows = seal_range(KEYS[0], 0, 100, 2)
    found, bad = tally(b"".join(SHORT.encode() + row.tobytes() + b"\n" for row in rows))
    assert (found.lines, found.codes, found.valid, found.bad_lines, bad) == (100, 100, 100, 0, [])
    (batch,) = found.batches
    assert (batch.batch, batch.gtin, batch.codes) == ("ONE", GTIN, 100)
    assert batch.states == {"activated": 60, "void": 30, "issued": 10}  # what lies behind its lines is issued
    assert found.hosts == {"yima.cn": 100}


def test_codes_of_set_up_labels_are_issued_and_the_other_units_behind_the_lines_are_not():
    known = [
        Known("ONE", GTIN, 7 << 35, (7 << 35) + 200, [Span(1, 100, "activated")], [((7 << 34) + 110, (7 << 34) + 112)])
    ]
    found, bad = tally("\n".join(code(serial) for serial in (198, 200, 218, 220, 222, 224, 222)).encode(), known)
    assert [(line, reason) for line, reason, _ in bad] == [
        (2, "forged: never issued"), (3, "forged: never issued"), (6, "forged: never issued"), (7, DUPLICATE),
    ]  # fmt: skip
    assert found.batches[0].states == {"activated": 1, "issued": 3}


def test_codes_of_two_batches_on_one_line_are_left_to_the_line_to_pair():
    found, bad = tally(f"{code(1)},{code(1000, KEYS[1])}\n".encode())
    assert (found.valid, bad) == (2, [])


def test_both_forms_pairs_keys_and_typed_codes_mix_in_one_file():
    lines = [
        SHORT + code(0),
        f"{LINK}{code(2)},{LINK}{code(3)}",
        code(1000, KEYS[1]).lower(),
        f"  {code(4)[:4]}-{code(4)[4:]}",
        f"https://t.yima.cn/01/{GTIN}/21/{code(6)}",
        "",
        "https://yima.cn/q/" + code(1002, KEYS[1]) + "?x=1",
    ]
    found, bad = tally("\r\n".join(lines).encode())
    assert bad == []
    assert (found.lines, found.blank, found.codes, found.valid) == (7, 1, 7, 7)
    assert {each.batch: each.codes for each in found.batches} == {"ONE": 5, "TWO": 2}


def test_each_bad_line_is_told_with_its_number_and_reason():
    forged = code(0)[:-1] + ("0" if code(0)[-1] != "0" else "1")
    lines = [
        SHORT + code(0),
        SHORT + forged,
        SHORT + code(200),
        f"HTTPS://T.YIMA.CN/01/06901234567908/21/{code(2)}",
        "nonsense",
        "a,b,c",
        SHORT + code(0),
        f"{SHORT}{code(4)},{SHORT}{code(7)}",
        f"{SHORT}{code(9)},{SHORT}{code(8)}",
        code(0, CodeKey(3, b"s" * 32)),
        "=HYPERLINK(1)",
        f"{SHORT}{code(10)},",
        "\u4e2d\u6587".encode("gbk").decode("latin-1"),
        f"{SHORT}{code(12)}",
    ]
    found, bad = tally("\n".join(lines).encode())
    assert [(line, reason.split(":")[0]) for line, reason, _ in bad] == [
        (2, "forged"), (3, "forged"), (4, "forged"), (5, "malformed"), (6, "columns"), (7, DUPLICATE), (8, "pair"),
        (9, "pair"), (10, "forged"), (11, "malformed"), (12, "malformed"), (13, "malformed"),
    ]  # fmt: skip
    assert [reason for _, reason, _ in bad[:3]] == [
        "forged: no key of ours made it", "forged: never issued", "forged: the URL names another product",
    ]  # fmt: skip
    assert bad[4] == (6, COLUMNS, "a,b,c")
    assert bad[6][1] == PAIR
    assert (found.bad_lines, found.duplicates) == (12, 1)
    assert found.lines == len(lines)


def test_bytes_that_are_no_text_and_a_bom_are_tolerated():
    found, bad = tally(b"\xef\xbb\xbf" + code(0).encode() + b"\n\xd6\xd0\xce\xc4\n\x00\x00\n" + code(2).encode())
    assert (found.lines, found.valid) == (4, 2)
    assert [line for line, _, _ in bad] == [2, 3]


def test_utf_16_is_named():
    with pytest.raises(InvalidInput, match="UTF-16"):
        tally(code(0).encode("utf-16"))


@pytest.mark.parametrize("length", [LINE_BYTES_MAX, LINE_BYTES_MAX + 1, BLOCK_BYTES + 10, 3 * BLOCK_BYTES])
def test_a_huge_line_is_one_bad_line_and_the_next_ones_are_read(length):
    found, bad = tally(code(0).encode() + b"\n" + b"x" * length + b"\n" + code(2).encode() + b"\n" + code(4).encode())
    assert (found.lines, found.valid, found.bad_lines) == (4, 3, 1)
    assert [(line, reason) for line, reason, _ in bad] == [(2, "malformed: too_long")]
    assert all(len(text) <= LINE_BYTES_MAX for _, _, text in bad)


def test_a_million_columns_are_one_bad_line():
    found, bad = tally(b"," * 1_000_000 + b"\n" + code(0).encode())
    assert (found.lines, found.valid) == (2, 1)
    assert [(line, reason) for line, reason, _ in bad] == [(1, COLUMNS)]


def test_lines_join_across_blocks(monkeypatch):
    monkeypatch.setattr(line_fields, "BLOCK_BYTES", 64)
    lines = [f"{SHORT}{code(2 * i)},{SHORT}{code(2 * i + 1)}" for i in range(50)]
    found, bad = tally("\n".join(lines).encode())
    assert (found.lines, found.codes, found.valid, bad) == (50, 100, 100, [])
    found, bad = tally("\n".join([*lines, lines[3]]).encode())
    assert [(line, reason) for line, reason, _ in bad] == [(51, DUPLICATE)] * 2


def test_where_memory_for_duplicates_ends_it_is_said(monkeypatch):
    content = f"{code(0)}\n{code(0)}\n{code(1000, KEYS[1])}\n".encode()
    monkeypatch.setattr(listings, "SEEN_BYTES_MAX", 100)
    found, _ = tally(content)
    assert (found.duplicates, found.unwatched) == (1, 1)
    monkeypatch.setattr(listings, "SEEN_BYTES_MAX", 200)
    assert tally(content)[0].unwatched == 0


def test_more_prefixes_and_hosts_than_are_remembered_change_nothing_but_names(monkeypatch):
    monkeypatch.setattr(listings, "PREFIXES_MAX", 2)
    monkeypatch.setattr(listings, "HOSTS_MAX", 3)
    lines = [f"HTTPS://H{i}.CN/Q/{code(2 * i)}" for i in range(9)]
    found, bad = tally("\n".join(lines).encode())
    assert (found.valid, bad) == (9, [])
    assert sum(found.hosts.values()) == 9
    assert found.hosts[listings.OTHER_HOSTS] == 6


def test_an_empty_file_and_an_installation_without_batches():
    assert tally(b"")[0].lines == 0
    found, bad = tally(code(0).encode(), batches=[])
    assert (found.valid, bad[0][1]) == (0, "forged: never issued")


texts = st.one_of(
    st.sampled_from([
        SHORT + code(0), LINK + code(2), code(4), code(4).lower(), code(5)[:10] + " " + code(5)[10:],
        "https://yima.cn/q/" + code(6), "HTTPS://YIMA.CN/Q/%" + code(8), SHORT + code(900),
        "HTTPS://YIMA.CN/X/" + code(0),
        f"HTTPS://T.YIMA.CN/01/06901234567908/21/{code(2)}", code(1000, KEYS[1]), "", "ABC" + code(0), code(0) + "/",
    ]),
    st.text(st.characters(exclude_characters="\n\r,", exclude_categories=("Cs",)), max_size=60),
    st.builds(lambda i, c: code(0)[:i] + c + code(0)[i + 1 :], st.integers(0, 19), st.sampled_from("0AZU!i")),
)  # fmt: skip


@given(st.lists(texts, max_size=30))
@settings(max_examples=60)
def test_bulk_agrees_with_single_verifying_line_by_line(lines):
    bad = {line for line, reason, _ in tally("\n".join([*lines, ""]).encode())[1] if reason != DUPLICATE}
    expected = set()
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            found = RING.verify(scheme.parse(line))
        except MalformedCode:
            found = None
        batch = next((b for b in BATCHES if found and b.low <= found.position < b.high), None)
        if batch is None or (found is not None and found.url_gtin not in (None, batch.gtin)):
            expected.add(number)
    assert bad == expected
