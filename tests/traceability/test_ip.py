"""Addresses and provinces, from small databases of both kinds that are written here byte by byte."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

import pytest

from kernel.errors import ConfigurationError
from traceability.ip import IpLocator, IpRegion
from traceability.regions import Regions

REGIONS = Regions.load()
BUILT_AT = 1_767_225_600  # 2026-01-01
UINT16, UINT32, UINT64 = 5, 6, 9

Ranges = list[tuple[str, str, str]]


def write_xdb(path: Path, ranges: Ranges, *, structure: int = 3) -> Path:
    """An ip2region xdb: header, 256 × 256 vector of index ranges, texts, index of segments.

    Segments may not cross a /16, as the format demands.
    """
    six = ":" in ranges[0][0]
    header_and_vector = 256 + 256 * 256 * 8
    texts, index = bytearray(), []
    for first, last, text in ranges:
        raw = text.encode()
        index.append((first, last, len(raw), header_and_vector + len(texts)))
        texts += raw
    start = header_and_vector + len(texts)
    size = 38 if six else 14
    vector = bytearray(256 * 256 * 8)
    blocks = bytearray()
    for number, (first, last, length, pointer) in enumerate(index):
        a, b = ipaddress.ip_address(first).packed, ipaddress.ip_address(last).packed
        assert a[:2] == b[:2]
        blocks += (a + b) if six else (a[::-1] + b[::-1])
        blocks += struct.pack("<HI", length, pointer)
        cell = (a[0] * 256 + a[1]) * 8
        here = start + number * size
        known = struct.unpack_from("<I", vector, cell)[0]
        struct.pack_into("<II", vector, cell, known or here, here + size)
    header = struct.pack("<HHIII", structure, 1, BUILT_AT, start, start + (len(index) - 1) * size)
    header += struct.pack("<HH", 6 if six else 4, 4)
    path.write_bytes(header.ljust(256, b"\0") + bytes(vector) + bytes(texts) + bytes(blocks))
    return path


def encode(value: object) -> bytes:
    """One value of the MaxMind DB data section: map 7, text 2, list 11, and numbers as (kind, value)."""
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encode, value))
    if isinstance(value, tuple):
        kind, number = value
        raw = number.to_bytes((number.bit_length() + 7) // 8)
        return control(kind, len(raw)) + raw
    raw = str(value).encode()
    return control(2, len(raw)) + raw


def control(kind: int, size: int) -> bytes:
    if kind > 7:
        return bytes([size, kind - 7])
    return bytes([kind << 5 | size]) if size < 29 else bytes([kind << 5 | 29, size - 29])


def write_mmdb(path: Path, networks: dict[str, object]) -> Path:
    """A MaxMind DB for IPv4: binary tree of 32-bit records, data section, metadata."""
    nodes: list[list[int | None]] = [[None, None]]
    data, offsets = bytearray(), {}
    for network, record in networks.items():
        offsets[network] = len(data)
        data += encode(record)
    for network in networks:
        parsed = ipaddress.ip_network(network)
        bits = f"{int(parsed.network_address):032b}"[: parsed.prefixlen]
        node = 0
        for bit in bits[:-1]:
            if nodes[node][int(bit)] is None:
                nodes.append([None, None])
                nodes[node][int(bit)] = len(nodes) - 1
            node = nodes[node][int(bit)]
        nodes[node][int(bits[-1])] = -1 - offsets[network]
    tree = bytearray()
    for pair in nodes:
        for record in pair:
            # Beyond the nodes lie "nothing here" and, 16 zero bytes on, the data.
            value = len(nodes) if record is None else record
            tree += struct.pack(">I", len(nodes) + 16 - 1 - value if value < 0 else value)
    metadata = {
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, BUILT_AT),
        "database_type": "Small-City",
        "ip_version": (UINT16, 4),
        "node_count": (UINT32, len(nodes)),
        "record_size": (UINT16, 32),
        "languages": [],
        "description": {},
    }
    path.write_bytes(bytes(tree) + bytes(16) + bytes(data) + b"\xab\xcd\xefMaxMind.com" + encode(metadata))
    return path


XDB_RANGES: Ranges = [
    ("1.2.0.0", "1.2.127.255", "中国|广东省|深圳市|电信"),
    ("1.2.128.0", "1.2.255.255", "中国|内蒙古|呼和浩特市|联通"),
    ("1.3.0.0", "1.3.255.255", "中国|0|青海省|海南藏族自治州|移动"),
    ("1.4.0.0", "1.4.255.255", "日本|东京都|东京|0"),
    ("1.5.0.0", "1.5.255.255", "中国|0|0|0"),
    ("1.6.0.0", "1.6.255.255", "中国|香港特别行政区|0|0"),
    ("1.7.0.0", "1.7.255.255", "香港|0|0|0"),
    ("10.0.0.0", "10.0.255.255", "中国|广东省|深圳市|电信"),
]

XDB_ANSWERS = [
    ("1.2.0.0", 440000),
    ("1.2.127.255", 440000),
    ("1.2.128.0", 150000),
    ("1.3.9.9", 630000),
    ("1.4.1.1", None),
    ("1.5.1.1", None),
    ("1.6.1.1", 810000),
    ("1.7.1.1", 810000),
    ("8.8.8.8", None),
    ("::ffff:1.2.3.4", 440000),
    ("2400::1", None),
]


@pytest.mark.parametrize("structure", [2, 3])
@pytest.mark.parametrize(("address", "province"), XDB_ANSWERS)
def test_an_xdb_file_gives_provinces(tmp_path, structure, address, province):
    locator = IpLocator(write_xdb(tmp_path / "ip.xdb", XDB_RANGES, structure=structure), REGIONS)
    assert locator.locate(address) == IpRegion(province, "ip2region 2026-01-01")


def test_an_xdb_file_for_ipv6_gives_provinces_for_ipv6_only(tmp_path):
    ranges = [("2408:8000::", "2408:8000:ffff::", "中国|山东省|青岛市|联通|CN")]
    locator = IpLocator(write_xdb(tmp_path / "ip6.xdb", ranges), REGIONS)
    assert locator.locate("2408:8000::1").province == 370000
    assert locator.locate("1.2.3.4").province is None


def city(names: dict[str, str], country: str = "CN") -> dict[str, object]:
    return {"country": {"iso_code": country}, "subdivisions": [{"iso_code": "XX", "names": names}]}


MMDB_NETWORKS = {
    "1.2.0.0/16": city({"zh-CN": "广东", "en": "Guangdong"}),
    "1.3.0.0/16": city({"en": "Inner Mongolia Autonomous Region"}),
    "1.4.0.0/16": city({"en": "Nei Mongol"}),
    "1.5.0.0/16": city({"en": "California"}, "US"),
    "1.6.0.0/16": {"country": {"iso_code": "HK"}},
    "1.7.0.0/16": {"country": "CN", "region": "Shaanxi"},
    "1.8.0.0/16": {"country": {"iso_code": "CN"}},
    "1.9.0.0/16": {"country": {"iso_code": "TW"}, "subdivisions": []},
    "1.10.0.0/16": city({"en": "Guangdong"}, "US"),
    "1.11.0.0/16": "text instead of a map",
    "192.168.0.0/16": city({"en": "Guangdong"}),
}


@pytest.mark.parametrize(
    ("address", "province"),
    [
        ("1.2.3.4", 440000),
        ("1.3.0.1", 150000),
        ("1.4.0.1", 150000),
        ("1.5.0.1", None),
        ("1.6.0.1", 810000),
        ("1.7.0.1", 610000),
        ("1.8.0.1", None),
        ("1.9.0.1", 710000),
        ("1.10.0.1", None),
        ("1.11.0.1", None),
        ("99.9.9.9", None),
        ("2400::1", None),
    ],
)
def test_an_mmdb_file_gives_provinces(tmp_path, address, province):
    locator = IpLocator(write_mmdb(tmp_path / "city.mmdb", MMDB_NETWORKS), REGIONS)
    assert locator.locate(address) == IpRegion(province, "Small-City 2026-01-01")


def test_the_kind_is_told_by_content_and_not_by_name(tmp_path):
    locator = IpLocator(write_mmdb(tmp_path / "misnamed.xdb", MMDB_NETWORKS), REGIONS)
    assert locator.locate("1.2.3.4").province == 440000


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "127.0.0.1", "::1", "fe80::1", "100.64.0.1", "", "unix:", "1.2.3"]
)
def test_private_addresses_and_other_text_are_unknown(tmp_path, address):
    for file in (
        write_xdb(tmp_path / "ip.xdb", XDB_RANGES),
        write_mmdb(tmp_path / "city.mmdb", MMDB_NETWORKS),
    ):
        assert IpLocator(file, REGIONS).locate(address).province is None


def test_without_a_file_every_answer_is_an_honest_unknown():
    assert IpLocator(None, REGIONS).locate("1.2.3.4") == IpRegion(province=None, source_version=None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.xdb cannot be read"):
        IpLocator(tmp_path / "nowhere.xdb", REGIONS)


@pytest.mark.parametrize("content", [b"", b"\x03\x00", b"hello" * 200_000, b"\0" * 600_000])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    file = tmp_path / "other.xdb"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"other\.xdb cannot be read: it is neither"):
        IpLocator(file, REGIONS)


def test_a_cut_off_xdb_is_refused(tmp_path):
    file = write_xdb(tmp_path / "ip.xdb", XDB_RANGES)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match="its index lies outside the file"):
        IpLocator(file, REGIONS)


def test_a_damaged_mmdb_is_refused(tmp_path):
    file = tmp_path / "city.mmdb"
    file.write_bytes(b"\xab\xcd\xefMaxMind.com" + b"\xff" * 10)
    with pytest.raises(ConfigurationError, match=r"city\.mmdb cannot be read"):
        IpLocator(file, REGIONS)


def test_damage_found_at_a_look_up_is_named(tmp_path):
    file = write_xdb(tmp_path / "ip.xdb", XDB_RANGES)
    content = bytearray(file.read_bytes())
    cell = 256 + (1 * 256 + 2) * 8
    struct.pack_into("<II", content, cell, len(content) + 100, len(content) + 200)
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ip\.xdb is damaged"):
        IpLocator(file, REGIONS).locate("1.2.3.4")
