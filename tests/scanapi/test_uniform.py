"""What is told of a code that was never issued: the same, byte by byte, whichever way it is none."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections import Counter
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from codegen import base32
from codegen.scheme import SYMBOLS, CodeKey, Sealer
from tests.scanapi.test_api import serving
from tests.world import GTIN, OTHER_GTIN, World
from web import visits

EACH = 12


def made_up(world: World) -> dict[str, list[str]]:
    """Codes that were never issued, of every kind that there is."""
    key_id = next(iter(world.service.keys.states))
    real = [line.rsplit("/", 1)[1] for line in world.lines[:EACH]]
    forger, absent = Sealer(CodeKey(key_id, b"x" * 32)), Sealer(CodeKey(1_023, b"x" * 32))
    swapped = [code[:9] + ("0" if code[9] != "0" else "1") + code[10:] for code in real]
    return {
        "a key of ours, forged": [forger.seal(n) for n in range(EACH)],
        "no key of ours": [absent.seal(n) for n in range(EACH)],
        "mistyped": swapped,
        "random": [base32.encode(secrets.randbits(100), SYMBOLS) for _ in range(EACH)],
        "signed, never issued": [world.service.keys.ring[key_id].seal((1 << 34) + 2 * n) for n in range(EACH)],
        "under another product": [f"https://t.yima.cn/01/{OTHER_GTIN}/21/{code}" for code in real],
    }


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_every_kind_gets_the_same_bytes_from_the_api_and_from_the_page(world: World, language: str) -> None:
    kinds = made_up(world)
    settings = dataclasses.replace(world.opened.settings)  # loopback is exempt: no limit tells them apart here
    bodies: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    pages: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    headers = {"Accept-Language": language, "Cookie": f"{visits.DEVICE}={'0' * 32}"}
    async with (
        serving(settings, world.opened.url) as address,
        httpx.AsyncClient(base_url=address, timeout=30, trust_env=False, headers=headers) as http,
    ):
        for kind, codes in kinds.items():
            for code in codes:
                scan_id = str(uuid4())
                answer = await http.post("/api/v1/scans", json={"scan_id": scan_id, "code": code, "device_id": "d"})
                names = sorted(name for name in answer.headers if name not in ("date", "x-request-id"))
                told = answer.text.replace(scan_id, "ID")
                bodies[kind][f"{answer.status_code} {names} {told}"] += 1
                symbols = code.rsplit("/", 1)[-1]
                page = await http.get(f"/Q/{symbols}" if "/" not in code else code.partition("t.yima.cn")[2])
                grouped = " ".join(symbols[at : at + 4] for at in range(0, 20, 4))
                shown = page.text.replace(grouped, "CODE").replace(symbols, "CODE")
                shown = re.sub(r"/01/\d{14}/21/CODE|/Q/CODE", "PATH", shown)
                pages[kind][f"{page.status_code if '/' not in code else 200} {shown}"] += 1
    for found in (bodies, pages):
        each = {kind: dict(counter) for kind, counter in found.items()}
        first = next(iter(each.values()))
        assert len(first) == 1
        assert list(first.values()) == [EACH]
        assert all(counter == first for counter in each.values()), {
            kind: len(counter) for kind, counter in each.items()
        }


async def test_the_journal_tells_apart_what_the_client_is_not_told(world: World) -> None:
    kinds = made_up(world)
    for code in (*kinds["signed, never issued"], *kinds["under another product"], *kinds["random"]):
        reply = await world.scan(code, member=None)
        assert (reply.outcome, reply.unit, reply.findings, reply.scan_count) == ("forged", None, [], 0)
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT reason, count(*) FROM scan GROUP BY reason ORDER BY reason"))
        assert [tuple(row) for row in rows] == [("gtin_mismatch", EACH), ("not_issued", EACH)]
    assert GTIN != OTHER_GTIN
