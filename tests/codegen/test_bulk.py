"""The bulk path makes and opens the very codes of the single path."""

import hashlib
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.bulk import CHUNK_CODES, Openers, open_many, seal_range, write_urls
from codegen.scheme import SERIALS_MAX, CodeKey, Sealer

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())["codes"]
KEY = CodeKey(7, bytes(range(32)))
SEALER = Sealer(KEY)
PREFIX = b"HTTPS://YIMA.CN/Q/"

keys = st.builds(CodeKey, st.integers(0, 1023), st.binary(min_size=32, max_size=64))


def texts(codes):
    return [row.tobytes().decode() for row in codes]


def as_rows(codes):
    return np.array([list(code.encode()) for code in codes], np.uint8).reshape(-1, 20)


@given(key=keys, data=st.data())
@settings(max_examples=50)
def test_bulk_codes_equal_single_ones(key, data):
    count = data.draw(st.integers(0, 40))
    step = data.draw(st.sampled_from([1, 2, 3, 1000]))
    first = data.draw(st.integers(0, SERIALS_MAX - 1 - max(0, count - 1) * step))
    sealer = Sealer(key)
    serials = [first + i * step for i in range(count)]
    codes = seal_range(key, first, count, step)
    assert (codes.dtype, codes.shape) == (np.uint8, (count, 20))
    assert texts(codes) == [sealer.seal(serial) for serial in serials]
    opened, valid = open_many(key, codes)
    assert valid.all()
    assert opened.dtype == np.int64
    assert opened.tolist() == serials


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row['key_id']}-{row['serial']}")
def test_bulk_codes_are_those_of_the_committed_vectors(row):
    key = CodeKey(row["key_id"], bytes.fromhex(row["secret_hex"]))
    assert texts(seal_range(key, row["serial"], 1)) == [row["code"]]
    serials, valid = open_many(key, as_rows([row["code"]]))
    assert (serials.tolist(), valid.tolist()) == ([row["serial"]], [True])


def test_chunks_join_without_a_seam():
    count = 2 * CHUNK_CODES + 3
    codes = seal_range(KEY, 1, count, 2)
    for i in (0, CHUNK_CODES - 1, CHUNK_CODES, 2 * CHUNK_CODES - 1, 2 * CHUNK_CODES, count - 1):
        assert codes[i].tobytes().decode() == SEALER.seal(1 + 2 * i)
    serials, valid = open_many(KEY, codes)
    assert valid.all()
    assert np.array_equal(serials, 1 + 2 * np.arange(count))


@given(data=st.data())
@settings(max_examples=50)
def test_bulk_verifying_agrees_with_single_verifying_on_damaged_codes(data):
    codes = seal_range(KEY, data.draw(st.integers(0, 2**34)), 20)
    for _ in range(data.draw(st.integers(1, 20))):
        row, column = data.draw(st.integers(0, 19)), data.draw(st.integers(0, 19))
        codes[row, column] = data.draw(st.integers(0, 127))
    serials, valid = open_many(KEY, codes)
    expected = [SEALER.open(text) for text in texts(codes)]
    assert valid.tolist() == [serial is not None for serial in expected]
    assert serials.tolist() == [-1 if serial is None else serial for serial in expected]


def test_what_is_no_symbol_never_passes_for_all_ones():
    # Inside, a bad pair of symbols is 16 set bits: codes that end in as many must not pass with one.
    codes = seal_range(KEY, 0, 400_000)
    ends_in_ones = (codes[:, 17:] == ord("Z")).all(axis=1) & np.isin(codes[:, 16], list(b"13579BDFHKNQSVXZ"))
    damaged = codes[ends_in_ones]
    assert len(damaged) > 1
    assert open_many(KEY, damaged)[1].all()
    damaged[:, 18:] = ord("!")
    assert not open_many(KEY, damaged)[1].any()


def test_codes_of_another_key_do_not_open():
    for stranger in (CodeKey(8, KEY.secret), CodeKey(7, b"x" * 32)):
        serials, valid = open_many(KEY, seal_range(stranger, 0, 5))
        assert not valid.any()
        assert serials.tolist() == [-1] * 5


def test_codes_open_from_columns_of_a_wider_table():
    lines = np.tile(np.frombuffer(PREFIX + bytes(20) + b"\n", np.uint8), (5, 1))
    lines[:, len(PREFIX) : -1] = seal_range(KEY, 0, 5)
    serials, valid = open_many(KEY, lines[:, len(PREFIX) : -1])
    assert valid.all()
    assert serials.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("codes", [np.zeros((3, 19), np.uint8), np.zeros(20, np.uint8), np.zeros((3, 20), np.int64)])
def test_codes_of_another_shape_are_refused(codes):
    with pytest.raises(ValueError, match="uint8 of shape"):
        open_many(KEY, codes)


@pytest.mark.parametrize(
    ("first", "count", "step"),
    [(-1, 1, 1), (0, -1, 1), (0, 1, 0), (SERIALS_MAX, 1, 1), (SERIALS_MAX - 2, 3, 1), (0, 2, SERIALS_MAX)],
)
def test_a_range_beyond_the_serials_is_refused(first, count, step):
    with pytest.raises(ValueError, match="serial"):
        seal_range(KEY, first, count, step)
    out = io.BytesIO()
    with pytest.raises(ValueError, match="serial"):
        write_urls(out, KEY, PREFIX, first, count, step)
    assert out.getvalue() == b""


def test_the_last_serials_can_be_made():
    assert texts(seal_range(KEY, SERIALS_MAX - 2, 2)) == [
        SEALER.seal(SERIALS_MAX - 2),
        SEALER.seal(SERIALS_MAX - 1),
    ]


@pytest.mark.parametrize("count", [0, 1, 5, CHUNK_CODES, CHUNK_CODES + 7])
def test_urls_are_written_one_a_line_with_their_sha256(count):
    out = io.BytesIO()
    digest = write_urls(out, KEY, PREFIX, 10, count, 2)
    assert digest == hashlib.sha256(out.getvalue()).hexdigest()
    lines = out.getvalue().decode().splitlines(keepends=True)
    assert len(lines) == count
    for i in {0, count // 2, count - 1} - {-1} if count else ():
        assert lines[i] == f"{PREFIX.decode()}{SEALER.seal(10 + 2 * i)}\n"
    assert out.getvalue().count(b"\n") == count


def test_a_pair_is_the_outer_and_the_inner_code_of_one_unit():
    out = io.BytesIO()
    digest = write_urls(out, KEY, PREFIX, 10, CHUNK_CODES + 2, 2, pair=True)
    assert digest == hashlib.sha256(out.getvalue()).hexdigest()
    lines = out.getvalue().decode().splitlines()
    assert len(lines) == CHUNK_CODES + 2
    for i in (0, 1, CHUNK_CODES, CHUNK_CODES + 1):
        outer, inner = lines[i].split(",")
        assert outer == PREFIX.decode() + SEALER.seal(10 + 2 * i)
        assert inner == PREFIX.decode() + SEALER.seal(11 + 2 * i)


@pytest.mark.parametrize(("first", "step"), [(1, 2), (0, 1), (0, 3)])
def test_pairs_start_at_an_outer_serial_and_keep_to_it(first, step):
    with pytest.raises(ValueError, match="even"):
        write_urls(io.BytesIO(), KEY, PREFIX, first, 2, step, pair=True)


def test_progress_counts_lines_to_the_end():
    seen = []
    write_urls(io.BytesIO(), KEY, PREFIX, 0, 2 * CHUNK_CODES + 1, 2, on_progress=seen.append)
    assert seen == [CHUNK_CODES, 2 * CHUNK_CODES, 2 * CHUNK_CODES + 1]


def test_a_file_is_written_in_two_parts_as_in_one(tmp_path):
    whole = io.BytesIO()
    write_urls(whole, KEY, PREFIX, 0, 1000, 2)
    path = tmp_path / "codes.txt"
    with path.open("wb") as out:
        write_urls(out, KEY, PREFIX, 0, 400, 2)
    with path.open("ab") as out:
        write_urls(out, KEY, PREFIX, 800, 600, 2)
    assert path.read_bytes() == whole.getvalue()


def test_an_unbuffered_stream_is_refused(tmp_path):
    with (
        (tmp_path / "codes.txt").open("wb", buffering=0) as out,
        pytest.raises(ValueError, match="unbuffered"),
    ):
        write_urls(out, KEY, PREFIX, 0, 1, 2)


def test_memory_does_not_grow_with_the_number_of_codes():
    def peak(count):
        tracemalloc.start()
        try:
            with Path("/dev/null").open("wb") as out:
                write_urls(out, KEY, PREFIX, 0, count, 2)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8 * CHUNK_CODES) < 1.2 * peak(2 * CHUNK_CODES)


@given(data=st.data(), given_keys=st.lists(keys, max_size=5, unique_by=lambda key: key.key_id))
@settings(max_examples=30)
def test_codes_of_many_keys_mixed_open_each_with_its_own(data, given_keys):
    made = [*given_keys, CodeKey(5, b"stranger" * 4)]
    picks = data.draw(st.lists(st.tuples(st.sampled_from(made), st.integers(0, SERIALS_MAX - 1)), max_size=30))
    rows = as_rows([Sealer(key).seal(serial) for key, serial in picks])
    positions, valid = Openers(given_keys).open(rows)
    known = [key in given_keys for key, _ in picks]
    assert valid.tolist() == known
    expected = [key.key_id << 35 | serial if ok else -1 for (key, serial), ok in zip(picks, known, strict=True)]
    assert positions.tolist() == expected
