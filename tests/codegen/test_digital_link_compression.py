"""Compressed Digital Links: read back, and refused where they are broken."""

import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.digital_link import URI_CHARS_MAX, InvalidLink, parse, write
from codegen.digital_link_compression import CHARS_MAX, decompress
from codegen.gs1 import check_digit

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
ROOT = "https://id.gs1.org"


@pytest.mark.parametrize(
    ("compressed", "plain"),
    [
        ("AQnYUc1gmg", "01/05412345000013"),
        ("AQnYUc1gmiCNV4JG", "01/05412345000013/10/ABC123"),
        ("AQnYUc1gmiCNV4JGQhcNT6K6cibQCWN9Pee9tT-PQ", "01/05412345000013/22/AJY3095721P49/10/ABC123/21/72292641703"),
        ("AQnYUc1gmkax7ipGrOHDPC5YNI8hMz", "01/05412345000013/235/8TFV883a904GH%263"),
        ("AQnYUc1gmiERBhQ0ytiyZuAGOLc1TXgpNWCv1", "01/05412345000013/10/ABC%26%2B123?7003=1903061658&k1=v1"),
        ("JUa0T-eifdtOO9UFEmlYwv3Q", "414/5060917510004/254/RP56J920471"),
        ("JVUqG5hJ5wA", "255/5678409730535"),
        ("ABeRcNWtKMPA", "00/106141412345678908"),
        ("QXSaVjC_dHBAVlCrg", "417/5060917510004/7040/5KFX"),
        ("gBCVYNWjFkzaNWbdk5YQWjFHHkM2cAI0xdvpGo", "8010/0541234537290A41%23GH33/8011/6639047221"),
        ("JAaasHt_dNNt4ADESMALumsUfMAm34", "8003/09421012301014f9804dbf?240=qwe390023"),
        ("01/05412345000013/EEarwSM", "01/05412345000013/10/ABC123"),
        ("414/5060917510004/cEBWUKu", "414/5060917510004/7040/5KFX"),
        ("8010/0541234537290A41%23GH33/gBGmLt9I1", "8010/0541234537290A41%23GH33/8011/6639047221"),
    ],
)
def test_a_compressed_link_is_read_back(compressed, plain):
    assert decompress(f"{ROOT}/{compressed}") == f"{ROOT}/{plain}"
    assert decompress(f"{ROOT}/stem/{compressed}/") == f"{ROOT}/stem/{plain}"
    joint = "&" if "?" in plain else "?"
    assert decompress(f"{ROOT}/{compressed}?linkType=all#x") == f"{ROOT}/{plain}{joint}linkType=all#x"


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "https://a", "https://a/", "https://a/administrator", "https://a/wp-login_php", "https://a/AQnYUc1",
        "https://a/AQnYUc1gm_", "https://a/AQnYUc1gmgA%41", "https://a/AQnYUc1gmgAQnYUc1gmg", "https://a/8AAAAAAAAAA",
        "https://a/01/05412345000013/AQnYUc1gmg", "https://a/01/05412345000013/EEarwSM/x",
        "https://a/" + "A" * URI_CHARS_MAX,
    ],
)  # fmt: skip
def test_what_is_no_compressed_link_is_refused(text):
    with pytest.raises(InvalidLink):
        decompress(text)


def test_a_compressed_segment_has_a_limit():
    def parameter(text):
        return "1111" + "0000001" + "000000" + "100" + f"{len(text):07b}" + "".join(f"{ord(char):07b}" for char in text)

    bits = name_bits("01") + number_bits("05412345000013") + parameter("x" * 100) * 7
    longest = squeezed(bits + parameter("x" * ((6 * CHARS_MAX - len(bits) - 27) // 7)))
    assert len(longest) == CHARS_MAX
    assert decompress(f"https://a/{longest}").startswith("https://a/01/05412345000013?A=xx")
    with pytest.raises(InvalidLink, match="more than 1,000 characters"):
        decompress(f"https://a/{longest}A")


def squeezed(bits):
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def name_bits(ai):
    return "".join(f"{int(digit):04b}" for digit in ai)


def number_bits(digits):
    return f"{int(digits):0{math.ceil(len(digits) * math.log2(10) + 0.01)}b}"


def text_bits(text, most):
    length = f"{len(text):0{math.ceil(math.log2(most) + 0.01)}b}"
    if text.isdigit():
        return "000" + length + number_bits(text)
    if all(char in "0123456789abcdef" for char in text):
        return "001" + length + "".join(f"{int(char, 16):04b}" for char in text)
    if all(char in ALPHABET for char in text):
        return "011" + length + "".join(f"{ALPHABET.index(char):06b}" for char in text)
    return "100" + length + "".join(f"{ord(char):07b}" for char in text)


VALUES = st.text("!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz", min_size=1, max_size=20) | st.from_regex(
    "[0-9]{1,20}|[0-9a-f]{1,20}|[0-9A-Za-z_-]{1,20}", fullmatch=True
).filter(str.isascii)


@given(
    gtin=st.text("0123456789", min_size=13, max_size=13).map(lambda body: body + check_digit(body)),
    lot=VALUES,
    serial=VALUES,
    count=st.text("0123456789", min_size=1, max_size=8),
    usual=st.booleans(),
)
def test_what_is_compressed_is_read_back(gtin, lot, serial, count, usual):
    of_gtin, of_lot, of_serial = number_bits(gtin), text_bits(lot, 20), text_bits(serial, 20)
    of_count = f"{len(count):04b}{number_bits(count)}"
    if usual:
        bits = "00001011" + of_gtin + of_lot + name_bits("21") + of_serial + name_bits("30") + of_count
    else:
        parts = (("30", of_count), ("21", of_serial), ("01", of_gtin), ("10", of_lot))
        bits = "".join(name_bits(ai) + value for ai, value in parts)
    plain = decompress(f"https://a/{squeezed(bits)}")
    assert plain == write([("01", gtin), ("10", lot), ("21", serial), ("30", count)], "https://a")
    assert parse(plain).key.value == gtin


@given(st.text(ALPHABET, max_size=60) | st.text(max_size=60), st.sampled_from(["", "01/05412345000013/", "00/x/"]))
def test_no_text_makes_decompression_fail_otherwise(text, before):
    try:
        plain = decompress(f"https://a/{before}{text}")
        parse(plain)
    except InvalidLink:
        return
