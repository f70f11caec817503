"""The code scheme: fixed by vectors, forged by nobody, read from whatever people type."""

import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import BadSignature

from codegen import base32, scheme
from codegen.scheme import (
    SERIALS_MAX,
    TEXT_CHARS_MAX,
    BlockCmac,
    CodeKey,
    MalformedCode,
    Ring,
    Sealer,
    VerifiedCode,
    derive_keys,
    parse,
    tag_signer,
)
from kernel.errors import InvalidInput

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
CODES = VECTORS["codes"]

KEY = CodeKey(7, bytes(range(32)))
SEALER = Sealer(KEY)
RING = Ring([KEY, CodeKey(1023, b"\xff" * 32)])
CODE = SEALER.seal(12_345)
GTIN = "09506000134352"

serials = st.integers(0, SERIALS_MAX - 1)
keys = st.builds(CodeKey, st.integers(0, 1023), st.binary(min_size=32, max_size=80))


def cmac(key, block):
    context = CMAC(algorithms.AES(key))
    context.update(block)
    return context.finalize()


def aes(key, block):
    context = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return context.update(block) + context.finalize()


def bits(data, count):
    return int.from_bytes(data) >> (8 * len(data) - count)


@pytest.mark.parametrize("row", CODES, ids=lambda row: f"{row['key_id']}-{row['serial']}")
def test_codes_are_those_of_the_committed_vectors(row):
    sealer = Sealer(CodeKey(row["key_id"], bytes.fromhex(row["secret_hex"])))
    assert sealer.seal(row["serial"]) == row["code"]
    assert sealer.open(row["code"]) == row["serial"]


@pytest.mark.parametrize("row", CODES, ids=lambda row: f"{row['key_id']}-{row['serial']}")
def test_vectors_follow_from_plain_hmac_cmac_and_aes(row):
    secret = bytes.fromhex(row["secret_hex"])
    tag_key = hmac.digest(secret, VECTORS["tag_salt"].encode(), "sha256")
    seal_key = hmac.digest(secret, VECTORS["seal_salt"].encode(), "sha256")
    head = b"\x01" + row["key_id"].to_bytes(2)
    tag_block = head + bytes(5) + row["serial"].to_bytes(8)
    tag = bits(cmac(tag_key, tag_block), 55)
    seal_block = head + bytes(6) + tag.to_bytes(7)
    mask = bits(aes(seal_key, seal_block), 35)
    number = int(f"{row['key_id']:010b}{row['serial'] ^ mask:035b}{tag:055b}", 2)
    assert [base32.ALPHABET.index(symbol) for symbol in row["code"]] == [
        number >> shift & 31 for shift in range(95, -5, -5)
    ]
    if "steps" in row:
        assert row["steps"] == {
            "tag_key": tag_key.hex(),
            "seal_key": seal_key.hex(),
            "tag_block": tag_block.hex(),
            "tag": f"{tag:014x}",
            "seal_block": seal_block.hex(),
            "mask": f"{mask:09x}",
        }
        assert derive_keys(CodeKey(row["key_id"], secret)) == (tag_key, seal_key)


def test_vectors_hold_the_edges():
    assert {(key_id, serial) for key_id in (0, 1023) for serial in (0, SERIALS_MAX - 1)} <= {
        (row["key_id"], row["serial"]) for row in CODES
    }
    assert sum("steps" in row for row in CODES) >= 5


@given(key=st.binary(min_size=32, max_size=32), block=st.binary(min_size=16, max_size=16))
def test_the_tag_is_the_first_55_bits_of_the_librarys_cmac(key, block):
    assert int.from_bytes(BlockCmac().get_signature(key, block)) == bits(cmac(key, block), 55)


def test_a_tag_is_made_of_exactly_one_block():
    for length in (0, 15, 17, 32):
        with pytest.raises(ValueError, match="16 bytes"):
            BlockCmac().get_signature(bytes(32), bytes(length))


def test_the_tag_works_in_an_itsdangerous_signer():
    signer = tag_signer(KEY)
    signed = signer.sign(bytes(16))
    assert signer.unsign(signed) == bytes(16)
    with pytest.raises(BadSignature):
        signer.unsign(b"\x01" + signed[1:])


@given(key=keys, serial=serials)
def test_every_serial_comes_back_through_its_code(key, serial):
    sealer = Sealer(key)
    code = sealer.seal(serial)
    assert re.fullmatch(f"[{base32.ALPHABET}]{{20}}", code)
    assert base32.decode(code[:2]) == key.key_id
    assert sealer.open(code) == serial
    assert Ring([key]).verify(parse(code)) == VerifiedCode(code, key.key_id, serial)


@given(serial=serials, bit=st.integers(0, 99))
def test_a_code_with_one_bit_changed_is_forged(serial, bit):
    forged = base32.encode(base32.decode(SEALER.seal(serial)) ^ 1 << bit, 20)
    assert SEALER.open(forged) is None
    assert RING.verify(parse(forged)) is None


@given(serial=serials)
def test_a_code_of_another_secret_is_forged(serial):
    assert SEALER.open(Sealer(CodeKey(KEY.key_id, b"x" * 32)).seal(serial)) is None


def test_a_code_moved_to_another_key_id_with_the_same_secret_is_forged():
    twin = Sealer(CodeKey(8, KEY.secret))
    moved = base32.encode(8, 2) + CODE[2:]
    assert twin.open(moved) is None
    assert twin.open(CODE) is None


@pytest.mark.parametrize("text", ["", CODE[:19], CODE + "0", CODE.lower(), "U" * 20, "\uff10" * 20, " " * 20])
def test_a_sealer_opens_canonical_symbols_only(text):
    assert SEALER.open(text) is None


def test_adjacent_serials_do_not_look_adjacent():
    numbers = [base32.decode(SEALER.seal(serial)[2:9]) for serial in range(2_000)]
    changed = [(a ^ b).bit_count() for a, b in pairwise(numbers)]
    assert 17 < sum(changed) / len(changed) < 18  # half of 35 bits; the mean's deviation is 0.07
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("serial", [-1, SERIALS_MAX])
def test_a_serial_beyond_35_bits_is_refused(serial):
    with pytest.raises(ValueError, match="outside"):
        SEALER.seal(serial)


@pytest.mark.parametrize(("key_id", "length"), [(-1, 32), (1024, 32), (0, 31), (0, 0)])
def test_a_key_outside_its_limits_is_refused(key_id, length):
    with pytest.raises(ValueError, match="key"):
        CodeKey(key_id, b"k" * length)


def test_no_text_of_an_object_shows_a_secret():
    key = CodeKey(1, b"open sesame " * 3)
    tag_key, seal_key = derive_keys(key)
    for text in (repr(key), str(key), repr(Sealer(key)), repr(Ring([key]))):
        assert not [secret for secret in (key.secret, tag_key, seal_key) if repr(secret)[2:-1] in text]
        assert "sesame" not in text


def test_threads_share_a_sealer():
    expected = [SEALER.seal(serial) for serial in range(500)]

    def seal_and_open(_):
        codes = [SEALER.seal(serial) for serial in range(500)]
        return codes == expected and [SEALER.open(code) for code in codes] == list(range(500))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(seal_and_open, range(32)))


def test_position_unit_and_side_follow_from_key_and_serial():
    outer, inner = VerifiedCode(CODE, 3, 10), VerifiedCode(CODE, 3, 11)
    assert (outer.position, inner.position) == (3 << 35 | 10, 3 << 35 | 11)
    assert outer.unit_id == inner.unit_id == (3 << 34) + 5
    assert (outer.side, inner.side) == ("outer", "inner")


def test_a_ring_verifies_with_the_key_that_the_symbols_name():
    for key_id, sealer in RING.items():
        assert RING.verify(parse(sealer.seal(99))) == VerifiedCode(sealer.seal(99), key_id, 99)


def test_a_code_of_an_unknown_key_is_forged():
    stranger = Sealer(CodeKey(500, b"s" * 32))
    assert RING.verify(parse(stranger.seal(1))) is None
    assert Ring().verify(parse(CODE)) is None


def test_an_unknown_key_stays_forged_even_if_the_decoy_could_open_the_code(monkeypatch):
    stranger = Sealer(CodeKey(500, b"s" * 32))
    monkeypatch.setattr(scheme, "_DECOY", stranger)
    assert RING.verify(parse(stranger.seal(1))) is None


def test_a_ring_with_one_more_key_leaves_the_first_ring_as_it_was():
    key = CodeKey(8, b"k" * 32)
    grown = RING.with_key(key)
    assert (sorted(RING), sorted(grown)) == ([7, 1023], [7, 8, 1023])
    assert grown.verify(parse(Sealer(key).seal(5))) == VerifiedCode(Sealer(key).seal(5), 8, 5)
    assert grown.with_key(key) == grown
    with pytest.raises(TypeError):
        RING[8] = Sealer(key)


def test_two_keys_of_one_id_are_refused():
    with pytest.raises(ValueError, match="two keys have the id 7"):
        Ring([KEY, CodeKey(7, b"k" * 32)])
    with pytest.raises(ValueError, match="two keys have the id 7"):
        RING.with_key(CodeKey(7, b"k" * 32))


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        CODE.lower(),
        f"  {CODE}\n",
        "-".join(CODE[i : i + 4] for i in range(0, 20, 4)),
        " ".join(CODE),
        CODE.replace("0", "O").replace("1", "l"),
        "".join(chr(ord(symbol) + 0xFEE0) for symbol in CODE),
        "\u202e" + CODE + "\u202c",
    ],
)
def test_a_typed_code_is_understood_in_every_usual_form(text):
    parsed = parse(text)
    assert (parsed.symbols, parsed.key_id, parsed.url_gtin, parsed.host) == (CODE, 7, None, None)


@pytest.mark.parametrize(
    "url",
    [
        f"HTTPS://YIMA.CN/Q/{CODE}",
        f"https://yima.cn/q/{CODE.lower()}",
        f"http://Yima.cn:8000/Q/{CODE}/",
        f"https://yima.cn/Q/{CODE}?utm=1&x=/q/",
        f"https://yima.cn/Q/{CODE}/#top",
        f"https://yima.cn/%51/{quote(CODE[:4], safe='')}%{ord(CODE[4]):02X}{CODE[5:]}",
        f"https://yima.cn/Q/{CODE[:10]}-{CODE[10:]}",
        f"https://yima.cn/Q/{quote(chr(ord(CODE[0]) + 0xFEE0))}{CODE[1:]}",
        f"\thttps://yima.cn/Q/{CODE}\r\n",
    ],
)
def test_a_short_url_is_understood_in_every_usual_form(url):
    parsed = parse(url)
    assert (parsed.symbols, parsed.key_id, parsed.url_gtin, parsed.host) == (CODE, 7, None, "yima.cn")


@pytest.mark.parametrize("tail", ["", "/", "?linkType=gs1:pip", "#x", "/?a#b"])
def test_a_digital_link_tells_its_gtin(tail):
    parsed = parse(f"HTTPS://ID.YIMA.CN/01/{GTIN}/21/{CODE}{tail}")
    assert (parsed.symbols, parsed.url_gtin, parsed.host) == (CODE, GTIN, "id.yima.cn")
    verified = RING.verify(parsed)
    assert verified is not None
    assert (verified.serial, verified.url_gtin) == (12_345, GTIN)


@pytest.mark.parametrize(
    "qualifiers", ["/10/LOT-7", "/22/2A", "/22/2A/10/LOT%2F7", "/10/LOT-7/21/x?17=261231&linkType=gs1:pip"]
)
def test_a_digital_link_may_also_name_variant_and_lot(qualifiers):
    path, question, query = qualifiers.partition("/21/x")
    parsed = parse(f"https://yima.cn/01/{GTIN}{path}/21/{CODE}{query}")
    assert (parsed.symbols, parsed.url_gtin) == (CODE, GTIN)
    assert bool(question) == bool(query)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"https://yima.cn/01/{GTIN}/21/{CODE}/21/{CODE}", "repeated_ai"),
        (f"https://yima.cn/01/{GTIN}/10/A/10/B/21/{CODE}", "repeated_ai"),
        (f"https://yima.cn/01/{GTIN}/01/{GTIN}/21/{CODE}", "repeated_ai"),
        (f"https://yima.cn/01/{GTIN}/21/{CODE}?21={CODE}", "repeated_ai"),
        (f"https://yima.cn/01/{GTIN}/21/{CODE}?01={GTIN}", "repeated_ai"),
        (f"https://yima.cn/01/{GTIN}/21/{CODE}?17=261231&17=261230", "repeated_ai"),
        (f"https://yima.cn/01/{GTIN}/21/{CODE}/10/A", "unknown_url"),
        (f"https://yima.cn/01/{GTIN}/10/A/22/B/21/{CODE}", "unknown_url"),
        (f"https://yima.cn/01/{GTIN}/10/{CODE}", "unknown_url"),
        (f"https://yima.cn/01/{GTIN}/235/{CODE}", "unknown_url"),
        (f"https://yima.cn/01/{GTIN}/{CODE}", "unknown_url"),
    ],
)
def test_a_digital_link_out_of_order_or_with_an_ai_twice_is_refused(text, reason):
    with pytest.raises(MalformedCode) as caught:
        parse(text)
    assert caught.value.reason == reason


def test_an_ai_twice_is_refused_in_a_link_of_ours_only():
    assert parse(f"https://yima.cn/Q/{CODE}?17=1&17=2").symbols == CODE


def test_a_changed_gtin_is_left_for_the_batch_to_contradict():
    assert parse(f"https://yima.cn/01/09506000134359/21/{CODE}").url_gtin == "09506000134359"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "\u4e00\u7801.cn", "a-b.example"])
def test_any_plain_host_is_accepted(host):
    assert parse(f"http://{host}:8000/Q/{CODE}").host == host


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" - \u200b ", "empty"),
        ("https://yima.cn/Q/-", "empty"),
        ("0" * (TEXT_CHARS_MAX + 1), "too_long"),
        (CODE[:19], "wrong_length"),
        (CODE + "0", "wrong_length"),
        ("0" * TEXT_CHARS_MAX, "wrong_length"),
        (f"https://yima.cn/Q/{CODE}0", "wrong_length"),
        ("U" + CODE[1:], "bad_symbol"),
        (CODE[:19] + "\0", "bad_symbol"),
        ("\u00df" + CODE[2:] + "0", "bad_symbol"),
        ("\u4e00" * 20, "bad_symbol"),
        (f"https://yima.cn/Q/%25{ord(CODE[0]):02X}{CODE[1:18]}", "bad_symbol"),  # encoded twice
        (f"ftp://yima.cn/Q/{CODE}", "unknown_url"),
        (f"https:///Q/{CODE}", "unknown_url"),
        (f"https://user@yima.cn/Q/{CODE}", "unknown_url"),
        (f"https://yi\0ma.cn/Q/{CODE}", "unknown_url"),
        (f"https://{'a' * 254}/Q/{CODE}", "unknown_url"),
        (f"https://yima.cn:80a/Q/{CODE}", "unknown_url"),
        ("https://yima.cn", "unknown_url"),
        ("https://yima.cn/", "unknown_url"),
        (f"https://yima.cn/{CODE}", "unknown_url"),
        (f"https://yima.cn//Q/{CODE}", "unknown_url"),
        (f"https://yima.cn/Q/{CODE}//", "unknown_url"),
        (f"https://yima.cn/x/Q/{CODE}", "unknown_url"),
        (f"https://yima.cn/Q%2F{CODE}", "unknown_url"),
        (f"https://yima.cn/?c=/Q/{CODE}", "unknown_url"),
        (f"https://yima.cn/01/{GTIN[1:]}/21/{CODE}", "unknown_url"),
        (f"https://yima.cn/01/{GTIN}/10/{CODE}", "unknown_url"),
        (f"https://yima.cn/01/{GTIN}\n/21/{CODE}", "unknown_url"),
        ("://", "unknown_url"),
    ],
)
def test_what_is_no_code_is_refused_with_its_reason(text, reason):
    with pytest.raises(MalformedCode) as caught:
        parse(text)
    error = caught.value
    assert (error.reason, error.details, error.code, error.status) == (
        reason,
        {"reason": reason},
        "malformed_code",
        400,
    )
    assert isinstance(error, InvalidInput)
    assert error.message.endswith(".")


def test_no_refusal_repeats_the_text():
    almost = CODE[:19]
    for text in (almost, f"https://yima.cn/q/{almost}", f"https://yima.cn/z/{CODE}", f"{almost}U"):
        with pytest.raises(MalformedCode) as caught:
            parse(text)
        assert almost not in f"{caught.value!r} {caught.value.details}"


url_texts = st.builds(
    "{}://{}/{}".format,
    st.sampled_from(["http", "HTTPS", "ftp", ""]),
    st.text(max_size=30),
    st.text(st.sampled_from("Qq/01%2aZ?#\0\ud800\u202e\ufdfa" + GTIN), max_size=60),
)


@given(st.text(st.characters(codec=None)) | url_texts)
@example("\0" * 20)
@example("\u202e" + "\u05d0" * 20)
@example("\ud800" * 20)
@example("\ufdfa" * 200)
@example("\u0301" * TEXT_CHARS_MAX)
@example("%" * TEXT_CHARS_MAX)
@example("x" * 1_000_000)
@example("https://" + "a" * 1_000_000)
@example("https://[/Q/" + "0" * 20)
def test_any_text_is_either_a_code_or_malformed(text):
    try:
        parsed = parse(text)
    except MalformedCode:
        return
    assert re.fullmatch(f"[{base32.ALPHABET}]{{20}}", parsed.symbols)
    assert "\0" not in (parsed.host or "")
    assert RING.verify(parsed) is None


@given(key=keys, given_serials=st.sets(serials, min_size=2, max_size=20))
def test_no_two_serials_give_the_same_code(key, given_serials):
    sealer = Sealer(key)
    assert len({sealer.seal(serial) for serial in given_serials}) == len(given_serials)


@given(key=keys, serial=serials, place=st.integers(0, 19), shift=st.integers(1, 31))
def test_a_code_with_any_symbol_changed_is_never_accepted(key, serial, place, shift):
    code = Sealer(key).seal(serial)
    other = base32.ALPHABET[(base32.ALPHABET.index(code[place]) + shift) % 32]
    changed = code[:place] + other + code[place + 1 :]
    assert Ring([key]).verify(parse(changed)) is None


@given(serial=serials, key=keys, stranger=keys)
def test_a_code_of_another_key_is_never_accepted(serial, key, stranger):
    if key != stranger:
        assert Ring([key]).verify(parse(Sealer(stranger).seal(serial))) is None


@given(
    st.one_of(
        st.from_regex(scheme._PRINTED, fullmatch=True),
        st.tuples(
            st.sampled_from(
                ["", "HTTPS://YIMA.CN/Q/", "HTTP://A:80/Q/", f"HTTPS://A.B/01/{GTIN}/21/", f"HTTPS://{'A' * 254}/Q/"]
            ),
            st.text(base32.ALPHABET, min_size=19, max_size=21),
            st.sampled_from(["", "/", "\n", " ", "?A=B"]),
        ).map("".join),
    )
)  # fmt: skip
def test_what_is_recognised_at_one_blow_is_what_the_forgiving_way_reads(text):
    def judged():
        try:
            return parse(text)
        except MalformedCode as error:
            return error.reason

    quick = judged()
    kept, scheme._PRINTED = scheme._PRINTED, re.compile("(?!)")
    try:
        assert judged() == quick
    finally:
        scheme._PRINTED = kept
