"""What is printed before a code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.links import gs1_prefix, link, short_prefix
from codegen.scheme import CodeKey, Sealer, parse
from kernel.errors import ConfigurationError, InvalidInput

SEALER = Sealer(CodeKey(7, bytes(range(32))))
QR_ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://yima.cn", "HTTPS://YIMA.CN"),
        ("https://yima.cn/", "HTTPS://YIMA.CN"),
        ("HTTPS://Q.Brand.Example:8443", "HTTPS://Q.BRAND.EXAMPLE:8443"),
        ("http://127.0.0.1:8000", "HTTP://127.0.0.1:8000"),
        ("http://localhost", "HTTP://LOCALHOST"),
        ("https://xn--4gq.cn", "HTTPS://XN--4GQ.CN"),
    ],
)
def test_prefixes_are_upper_case_and_end_where_the_code_begins(public_url, origin):
    assert short_prefix(public_url) == f"{origin}/Q/"
    assert gs1_prefix(public_url, "9506000134352") == f"{origin}/01/09506000134352/21/"


@given(serial=st.integers(0, 2**35 - 1), host=st.from_regex(r"[a-z0-9]{1,20}(\.[a-z]{2,5})?", fullmatch=True))
def test_what_is_printed_fits_alphanumeric_qr_mode_and_is_read_back(serial, host):
    code = SEALER.seal(serial)
    for prefix, gtin in (
        (short_prefix(f"https://{host}"), None),
        (gs1_prefix(f"https://{host}:81", "96385074"), "00000096385074"),
    ):
        url = link(prefix, code)
        assert set(url) <= QR_ALPHANUMERIC
        parsed = parse(url)
        assert (parsed.symbols, parsed.url_gtin, parsed.host) == (code, gtin, host)


@pytest.mark.parametrize(
    ("public_url", "why"),
    [
        ("", "does not begin with http"),
        ("yima.cn", "does not begin with http"),
        ("ftp://yima.cn", "does not begin with http"),
        ("https://", "no host"),
        ("https://:80", "no host"),
        ("https://yi_ma.cn", "no host of letters"),
        ("https://-yima.cn", "no host of letters"),
        ("https://yima..cn", "no host of letters"),
        ("https://yima.cn.", "no host of letters"),
        ("https://[::1]", "no host of letters"),
        ("https://[::1", "cannot be read"),
        (f"https://{'a' * 64}.cn", "no host of letters"),
        (f"https://{'a.' * 127}cn", "no host of letters"),
        ("https://yima.cn/shop", "has a path"),
        ("https://yima.cn//", "has a path"),
        ("https://yima.cn?", "a query or a fragment"),
        ("https://yima.cn/?a=1", "a query or a fragment"),
        ("https://yima.cn#", "a query or a fragment"),
        ("https://yima.cn:", "no port"),
        ("https://yima.cn:0", "no port"),
        ("https://yima.cn:65536", "cannot be read"),
        ("https://yima.cn:http", "cannot be read"),
        ("https://\u4e00\u7801.cn", "xn--"),
        ("https://yima.cn\n", "printable ASCII"),
        ("https://yi\tma.cn", "printable ASCII"),
    ],
)
def test_a_public_url_with_more_or_less_than_scheme_host_and_port_is_refused(public_url, why):
    for make in (short_prefix, lambda url: gs1_prefix(url, "96385074")):
        with pytest.raises(ConfigurationError, match=why) as caught:
            make(public_url)
        assert "YIMA_PUBLIC_URL" in caught.value.message
        assert repr(public_url) in caught.value.message


def test_a_password_in_the_public_url_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError, match="user name or password") as caught:
        short_prefix("https://me:hunter2@yima.cn")
    assert "hunter2" not in caught.value.message


def test_a_digital_link_needs_a_gtin():
    with pytest.raises(InvalidInput, match="check digit 3; it should be 2"):
        gs1_prefix("https://yima.cn", "9506000134353")
