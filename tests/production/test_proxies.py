"""Forwarded headers: believed from trusted networks only, and only as far as they can be believed."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import requests
from tests.production.conftest import client, started
from yima.edge import Edge
from yima.metrics import Figures
from yima.proxies import HOPS_MAX, HOST_CHARS_MAX, Origin, find_origin, strip
from yima.settings import Settings

TRUSTED = tuple(ipaddress.ip_network(each) for each in ("10.0.0.0/8", "fd00::/8", "127.0.0.1"))


def headers(**values: str) -> list[tuple[bytes, bytes]]:
    return [(f"x-forwarded-{name}".encode(), value.encode("latin-1")) for name, value in values.items()]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),  # the left part is what the client wrote itself
        ("1.2.3.4, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("203.0.113.9, 10.1.1.1, 10.2.2.2", "203.0.113.9"),
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),  # all our own: the farthest
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443, fd00::7", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.1.1.1", "203.0.113.9"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.9, unknown", "10.0.0.1"),  # nothing left of garbage is believed
        ("203.0.113.9, 10.1.1.1, <script>", "10.0.0.1"),
        ("203.0.113.9, garbage, 10.1.1.1", "10.1.1.1"),
        ("fe80::1%eth0", "10.0.0.1"),
        ("203.0.113.256", "10.0.0.1"),
        ("[2001:db8::1", "10.0.0.1"),
        ("[2001:db8::1]443", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",,,", "10.0.0.1"),
    ],
)
def test_the_right_most_address_that_is_not_ours_is_the_client(said: str, found: str) -> None:
    assert find_origin("10.0.0.1", headers(**{"for": said}), TRUSTED).address == found


def test_an_ipv6_proxy_is_believed_and_one_mapped_from_ipv4_too() -> None:
    for peer in ("fd00::1", "::ffff:10.0.0.1", "127.0.0.1"):
        assert find_origin(peer, headers(**{"for": "203.0.113.9"}), TRUSTED).address == "203.0.113.9"


@pytest.mark.parametrize("peer", ["203.0.113.1", "127.0.0.2", "fe80::1", "2001:db8::1", "not an address", None])
def test_nobody_else_is_believed(peer: str | None) -> None:
    said = headers(**{"for": "203.0.113.9", "proto": "https", "host": "evil.example"})
    assert find_origin(peer, said, TRUSTED) == Origin(peer)


def test_a_header_on_several_lines_is_one_list() -> None:
    lines = [*headers(**{"for": "1.1.1.1, 203.0.113.9"}), *headers(**{"for": "10.1.1.1"})]
    assert find_origin("10.0.0.1", lines, TRUSTED).address == "203.0.113.9"


def test_no_more_hops_than_the_limit_are_walked() -> None:
    within = ["203.0.113.9", *["10.1.1.1"] * (HOPS_MAX - 1)]
    beyond = ["203.0.113.9", *["10.1.1.1"] * HOPS_MAX]
    assert find_origin("10.0.0.1", headers(**{"for": ",".join(within)}), TRUSTED).address == "203.0.113.9"
    assert find_origin("10.0.0.1", headers(**{"for": ",".join(beyond)}), TRUSTED).address == "10.1.1.1"


@pytest.mark.parametrize(
    ("proto", "found"),
    [("https", "https"), ("HTTP", "http"), ("http, https", "https"), ("wss", None), ("javascript", None), ("", None)],
)
def test_the_scheme_is_http_or_https(proto: str, found: str | None) -> None:
    assert find_origin("10.0.0.1", headers(proto=proto), TRUSTED).scheme == found


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("t.yima.cn", "t.yima.cn"),
        ("t.yima.cn:8443", "t.yima.cn:8443"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("evil.example, t.yima.cn", "t.yima.cn"),
        ("t.yima.cn/path", None),
        ('t.yima.cn"><script>', None),
        ("user@t.yima.cn", None),
        ("-t.yima.cn", None),
        ("a" * HOST_CHARS_MAX, "a" * HOST_CHARS_MAX),
        ("a" * (HOST_CHARS_MAX + 1), None),
        ("", None),
    ],
)
def test_the_host_is_a_host(host: str, found: str | None) -> None:
    assert find_origin("10.0.0.1", headers(host=host), TRUSTED).host == found


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=5))
def test_whatever_is_said_the_client_is_an_address(said: list[str]) -> None:
    found = find_origin("10.0.0.1", headers(**{"for": ",".join(said)}), TRUSTED).address
    assert found is not None
    ipaddress.ip_address(found)


def test_what_proxies_add_goes_no_further() -> None:
    kept = [(b"host", b"t.yima.cn"), (b"accept", b"*/*")]
    names = [b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"x-request-id", b"forwarded"]
    assert strip([*kept, *((name, b"1") for name in names)]) == kept
    assert strip(kept) is kept


async def seen_by_the_application(settings: Settings, peer: str, **said: str) -> dict[str, object]:
    """What reaches the application of a request by this peer."""

    async def application(scope: dict[str, object], _: object, send: object) -> None:
        found = {
            "client": scope["client"], "scheme": scope["scheme"],
            "headers": [[n.decode(), v.decode("latin-1")] for n, v in scope["headers"]],  # type: ignore[attr-defined]
            "id": requests.request_id.get(),
        }  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": json.dumps(found).encode()})  # type: ignore[operator]

    edge = Edge(application, settings, Figures())  # type: ignore[arg-type]
    async with client(edge, peer) as asking:
        response = await asking.get("/", headers=said)
    found: dict[str, object] = response.json()
    assert response.headers["x-request-id"] == found["id"]
    return found


@pytest.fixture
def behind_a_proxy(settings: Settings) -> Settings:
    return dataclasses.replace(settings, trusted_proxies=TRUSTED)


async def test_behind_a_trusted_proxy_the_request_is_the_clients_own(behind_a_proxy: Settings) -> None:
    said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "t.yima.cn",
            "X-Request-ID": "0123456789abcdef"}  # fmt: skip
    found = await seen_by_the_application(behind_a_proxy, "10.0.0.1", **said)
    assert found["client"] == ["203.0.113.9", 0]
    assert found["scheme"] == "https"
    assert found["id"] == "0123456789abcdef"
    names = [name for name, _ in found["headers"]]  # type: ignore[attr-defined]
    assert not [name for name in names if name.startswith("x-forwarded") or name == "x-request-id"]
    assert [value for name, value in found["headers"] if name == "host"] == ["t.yima.cn"]  # type: ignore[attr-defined]


async def test_a_stranger_that_forges_them_gains_nothing(behind_a_proxy: Settings) -> None:
    said = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
            "X-Request-ID": "0123456789abcdef", "Forwarded": "for=127.0.0.1"}  # fmt: skip
    found = await seen_by_the_application(behind_a_proxy, "203.0.113.1", **said)
    assert found["client"] == ["203.0.113.1", 50_000]
    assert found["scheme"] == "http"
    assert found["id"] != "0123456789abcdef"
    assert "evil" not in str(found)
    assert "127.0.0.1" not in str(found)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "short",
        "13800000000",
        "A" * 20,
        "x" * 16,
        "0123456789ABCDEF",
        "0" * 17,
        "0" * 33,
        "0123456789abcdef\n",
        "码",
    ],
)
async def test_a_request_id_that_is_not_well_formed_is_made_anew(said: str) -> None:
    assert requests.accept(said) is None


@pytest.mark.parametrize(
    "said",
    ["0" * 16, "f" * 32, "123e4567-e89b-12d3-a456-426614174000", pytest.param(requests.make(), id="of our making")],
)
def test_a_request_id_that_is_well_formed_is_taken(said: str) -> None:
    assert requests.accept(said) == said


def _said(answer: Any) -> tuple[str, str]:
    allowed = ",".join(sorted(answer.headers.get("allow", "").split(", ")))
    return allowed, re.sub("[0-9a-f]{32}", "", answer.text.replace("/metrics", "/nothing"))


async def test_figures_are_not_shown_through_a_proxy_or_to_strangers(settings: Settings, database_url: str) -> None:
    from yima import asgi

    watched = dataclasses.replace(
        settings, trusted_proxies=TRUSTED, metrics_networks=(ipaddress.ip_network("10.0.0.0/8"),)
    )
    async with started(asgi.make_app(watched, database_url)) as app:
        async with client(app, "10.0.0.1") as asking:
            assert (await asking.get("/metrics")).status_code == 200
            for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"):
                assert (await asking.get("/metrics", headers={name: "for=10.0.0.2"})).status_code == 404
            # it is told from no page that there is not, however it is asked
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                hidden, nothing = [await asking.request(method, path) for path in ("/metrics", "/nothing")]
                assert (hidden.status_code, _said(hidden)) == (nothing.status_code, _said(nothing)), method
        for peer in ("203.0.113.1", "127.0.0.1", "::1"):
            async with client(app, peer) as asking:
                refused = await asking.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"})
                assert refused.status_code == 404
                assert (await asking.get("/metrics")).status_code == 404
                assert b"yima_" not in refused.content


async def test_limits_of_guessing_hold_for_the_client_behind_a_chain_of_proxies(
    settings: Settings, database_url: str
) -> None:
    from yima import asgi

    forged = "0123456789ABCDEFGHJK"
    watched = dataclasses.replace(settings, trusted_proxies=TRUSTED)
    async with started(asgi.make_app(watched, database_url)) as app, client(app, "10.0.0.1") as asking:

        async def scan(forwarded: str) -> int:
            body = {"scan_id": str(uuid4()), "code": forged, "device_id": None}
            answer = await asking.post("/api/v1/scans", json=body, headers={"X-Forwarded-For": forwarded})
            return int(answer.status_code)

        told = [await scan(f"192.0.2.{n % 250}, 198.51.100.{n % 250}, 10.0.0.2") for n in range(200)]
        spent = told.index(429)
        assert set(told[:spent]) == {200}
        # whatever the client writes in front, and from whichever of its network's addresses
        assert 429 in [await scan(f"203.0.113.{n}, 198.51.100.9") for n in range(5)]
        # everybody else behind the same proxies is served
        assert [await scan("198.51.100.9, 203.0.113.5, 10.0.0.2") for _ in range(5)] == [200] * 5
