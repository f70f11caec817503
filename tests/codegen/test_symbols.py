from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pyzbar import pyzbar
from qrcode import constants
from qrcode.main import QRCode
from qrcode.util import MODE_ALPHA_NUM, QRData

from codegen.symbols import ALPHANUMERIC, VERSION_MAX, SymbolFactory
from kernel.errors import InvalidInput

CAPACITY = Path(__file__).parents[2].parent / "shared" / "vectors" / "qr" / "capacity.json"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LEVELS = {
    "L": constants.ERROR_CORRECT_L,
    "M": constants.ERROR_CORRECT_M,
    "Q": constants.ERROR_CORRECT_Q,
    "H": constants.ERROR_CORRECT_H,
}
PREFIXES = [
    "HTTPS://YIMA.EXAMPLE/Q/",  # 23 characters: the last one shares its pair with the code
    "HTTP://127.0.0.1:8000/Q/",  # 24
    "HTTPS://A.CN/Q/",
    "HTTPS://ID.EXAMPLE/01/09506000134352/21/",
    "HTTPS://ID.SHOP.EXAMPLE/01/09506000134352/21/",
    "",
]
codes = st.text(CROCKFORD, min_size=20, max_size=20)


def as_array(*texts: str) -> np.ndarray:
    return np.array([np.frombuffer(text.encode(), np.uint8) for text in texts])


def from_library(text: str, level: str, mask: int | None) -> np.ndarray:
    symbol = QRCode(error_correction=LEVELS[level], mask_pattern=mask)
    symbol.add_data(QRData(text, mode=MODE_ALPHA_NUM))
    symbol.make(fit=True)
    return np.array(symbol.modules, dtype=np.uint8)


FACTORIES = {(prefix, mask): SymbolFactory(prefix, mask=mask) for prefix in PREFIXES for mask in (2, None)}


@pytest.mark.parametrize("prefix", PREFIXES)
@settings(max_examples=25, deadline=None)
@given(batch=st.lists(codes, min_size=1, max_size=4))
def test_symbols_of_one_mask_are_those_of_the_library(prefix, batch):
    rendered = FACTORIES[prefix, 2].render(as_array(*batch))
    for code, symbol in zip(batch, rendered, strict=True):
        np.testing.assert_array_equal(symbol, from_library(prefix + code, "M", 2))


@pytest.mark.parametrize("prefix", PREFIXES)
@settings(max_examples=12, deadline=None)
@given(code=codes)
def test_the_best_mask_is_the_one_the_library_chooses(prefix, code):
    symbol = FACTORIES[prefix, None].render(as_array(code))[0]
    np.testing.assert_array_equal(symbol, from_library(prefix + code, "M", None))


def test_every_mask_is_chosen_for_some_code_and_rightly():
    rng = np.random.default_rng(7)
    factory = FACTORIES["HTTPS://YIMA.EXAMPLE/Q/", None]
    batch = as_array(*("".join(rng.choice(list(CROCKFORD), 20)) for _ in range(150)))
    rendered = factory.render(batch)
    fixed = [SymbolFactory(factory.prefix, mask=mask).render(batch) for mask in range(8)]
    chosen = {mask for i, symbol in enumerate(rendered) for mask in range(8) if (fixed[mask][i] == symbol).all()}
    assert chosen == set(range(8))
    for code, symbol in zip(batch, rendered, strict=True):
        np.testing.assert_array_equal(symbol, from_library(factory.text(code), "M", None))


@settings(max_examples=40, deadline=None)
@given(
    prefix=st.text(ALPHANUMERIC, max_size=70),
    code=st.text(ALPHANUMERIC, min_size=1, max_size=9),
    level=st.sampled_from("LMQH"),
    mask=st.sampled_from([None, *range(8)]),
)
def test_any_prefix_length_level_and_mask_gives_the_librarys_symbol(prefix, code, level, mask):
    factory = SymbolFactory(prefix, len(code), level, mask)
    expected = from_library(prefix + code, level, mask)
    assert factory.size == len(expected)
    np.testing.assert_array_equal(factory.render(as_array(code))[0], expected)


@pytest.mark.parametrize("length", [200, 346])
@pytest.mark.parametrize("mask", [0, None])
def test_the_largest_versions_are_those_of_the_library_too(length, mask):
    factory = SymbolFactory("HTTPS://" + "A" * (length - 8), mask=mask)
    code = "0123456789ABCDEFGHJK"
    expected = from_library(factory.prefix + code, "M", mask)
    np.testing.assert_array_equal(factory.render(as_array(code))[0], expected)


def test_a_text_above_the_largest_version_is_refused():
    assert SymbolFactory("A" * 346).version == VERSION_MAX
    with pytest.raises(InvalidInput, match="367 characters need"):
        SymbolFactory("A" * 347)
    with pytest.raises(InvalidInput, match="characters need"):
        SymbolFactory("A" * 9000)


@pytest.mark.conformance
def test_the_version_is_the_smallest_of_the_standards_capacities():
    rows = json.loads(CAPACITY.read_text())["rows"]
    assert {row["version"] for row in rows} == set(range(1, VERSION_MAX))
    for row in rows:
        length = row["alphanumeric"]
        factory = SymbolFactory("A" * (length - 1), 1, row["level"], mask=0)
        assert (factory.version, factory.size) == (row["version"], row["modules"])
        assert SymbolFactory("A" * length, 1, row["level"], mask=0).version == row["version"] + 1


def test_more_codes_than_one_chunk_come_out_in_their_order():
    rng = np.random.default_rng(3)
    batch = rng.choice(np.frombuffer(CROCKFORD.encode(), np.uint8), (5000, 20))
    factory = FACTORIES["HTTPS://YIMA.EXAMPLE/Q/", 2]
    rendered = factory.render(batch)
    for i in (0, 2047, 2048, 4999):
        np.testing.assert_array_equal(rendered[i], factory.render(batch[i : i + 1])[0])
        np.testing.assert_array_equal(rendered[i], from_library(factory.text(batch[i]), "M", 2))


def test_both_decoders_read_every_symbol():
    rng = np.random.default_rng(5)
    for (prefix, mask), factory in FACTORIES.items():
        for code in ("".join(rng.choice(list(CROCKFORD), 20)) for _ in range(5)):
            modules = np.pad(factory.render(as_array(code))[0], 4)
            picture = np.where(modules, 0, 255).astype(np.uint8).repeat(5, axis=0).repeat(5, axis=1)
            assert [found.text for found in zxingcpp.read_barcodes(picture)] == [prefix + code], mask
            assert [found.data.decode() for found in pyzbar.decode(picture)] == [prefix + code], mask


def test_packed_rows_hold_the_same_modules_with_light_padding():
    factory = FACTORIES["HTTPS://ID.SHOP.EXAMPLE/01/09506000134352/21/", 2]
    batch = as_array("0123456789ABCDEFGHJK", "ZZZZZZZZZZZZZZZZZZZZ")
    packed = factory.render_packed(batch)
    assert packed.shape == (2, factory.size, (factory.size + 7) // 8)
    unpacked = np.unpackbits(packed, axis=2)
    np.testing.assert_array_equal(unpacked[:, :, : factory.size], factory.render(batch))
    assert not unpacked[:, :, factory.size :].any()


def test_no_code_gives_no_symbol():
    factory = FACTORIES["HTTPS://YIMA.EXAMPLE/Q/", None]
    assert factory.render(np.empty((0, 20), np.uint8)).shape == (0, 29, 29)


def test_characters_outside_alphanumeric_mode_are_refused_with_their_place():
    factory = FACTORIES["HTTPS://YIMA.EXAMPLE/Q/", 2]
    with pytest.raises(InvalidInput, match="Code 1 has 'a' at position 3"):
        factory.render(as_array("0123456789ABCDEFGHJK", "012a456789ABCDEFGHJK"))
    with pytest.raises(InvalidInput, match="prefix"):
        SymbolFactory("https://yima.example/q/")


@pytest.mark.parametrize("batch", [np.zeros((3, 19), np.uint8), np.zeros(20, np.uint8), np.zeros((1, 20), np.int64)])
def test_codes_of_another_shape_are_refused(batch):
    with pytest.raises(InvalidInput, match="shape"):
        FACTORIES["HTTPS://YIMA.EXAMPLE/Q/", 2].render(batch)


@pytest.mark.parametrize("arguments", [{"level": "X"}, {"mask": 8}, {"mask": -1}, {"code_length": 0}])
def test_impossible_settings_are_refused(arguments):
    with pytest.raises(InvalidInput):
        SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/", **arguments)
