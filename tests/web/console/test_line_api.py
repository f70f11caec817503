"""The line's HTTP API over a real server: a station captures, balances, switches, repairs, and nothing beyond."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from codegen import batches, gs1, rolls, stations
from tests.web.console.conftest import Console

BASE = "/api/v1/line"
_numbers = iter(range(1, 1_000))


async def station(console: Console, *, may_switch: bool = True, brand_id: int | None = None) -> httpx.AsyncClient:
    async with console.opened.db.transaction() as tx:
        _, token = await stations.make(
            tx, brand_id=brand_id or console.world.brand.id, name=f"Cam {next(_numbers)}", may_switch=may_switch,
            actor="test",
        )  # fmt: skip
    client = await console.visitor()
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def ask(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> Any:
    answer = await client.post(BASE + path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_camera_opens_a_session_captures_and_goes_on_after_a_restart(console: Console) -> None:
    client = await station(console, may_switch=False)
    batch, lines = await console.world.issue(20)
    name = (await ask(client, "/sessions", 201, batch=batch))["session"]
    assert (await ask(client, "/sessions", 201, batch=batch))["session"] == name, "asked twice, it is one"
    body = {"sequence": 1, "codes": [lines[0], lines[0], lines[3], "junk"]}
    first = await ask(client, f"/sessions/{name}/captures", **body)
    assert first["answers"] == [
        {"verdict": "good", "line": 1}, {"verdict": "repeat", "line": 1},
        {"verdict": "good", "line": 4, "remark": "gap", "gap": 2}, {"verdict": "malformed"},
    ]  # fmt: skip
    assert (await ask(client, "/sessions", 201, batch=batch))["session"] != name
    again = await station(console, may_switch=False)
    assert (await again.get(f"{BASE}/sessions/{name}")).json()["next_sequence"] == 2
    assert await ask(again, f"/sessions/{name}/captures", **body) == first
    assert (await ask(again, f"/sessions/{name}/captures", 409, sequence=7, codes=["x"]))["expected"] == 2
    for wrong in ({"sequence": 2}, {"sequence": 2, "codes": [], "pairs": []}, {"sequence": 2, "pairs": [["a", "b"]]}):
        await ask(again, f"/sessions/{name}/captures", 400, **wrong)
    assert (await ask(again, f"/sessions/{name}/close"))["state"] == "closed"


async def test_two_suppliers_codes_are_paired_by_a_station(console: Console) -> None:
    client = await station(console)
    outer, outers = await console.world.issue(3)
    inner, inners = await console.world.issue(3)
    name = (await ask(client, "/sessions", 201, batch=outer, inner_batch=inner))["session"]
    pairs = [list(pair) for pair in zip(outers, inners, strict=True)]
    done = await ask(client, f"/sessions/{name}/captures", sequence=1, pairs=pairs)
    assert done["totals"] == {"good": 3}
    await ask(client, "/states", state="activated", batch=outer)
    assert (await console.world.scan(inners[0])).outcome == "awarded"


async def test_a_run_is_balanced_and_closed_over_http(console: Console) -> None:
    client = await station(console)
    batch, lines = await console.world.issue(100)
    async with console.opened.db.transaction() as tx:
        cut = await rolls.cut(tx, await batches.get(tx, batch), size=50, actor="test")
    opened = await ask(client, "/runs", 201, batch=batch, printer="P1", rolls=[cut[0].name])
    run = opened["run"]
    assert (opened["issued"], opened["off"]) == (50, 50)
    await ask(client, "/runs", 409, batch=batch, printer="P2", rolls=["1"])
    entries = f"/runs/{run}/entries"
    await ask(client, entries, kind="good", between=[lines[0], lines[39]])
    await ask(client, entries, kind="waste", codes=[lines[40]])
    await ask(client, entries, 400, kind="missing", count=9)
    client.headers["Idempotency-Key"] = "k1"
    for _ in range(2):
        counted = await ask(client, entries, kind="missing", count=8)
        assert counted["missing"] == 8
    await ask(client, entries, 409, kind="missing", count=7)
    del client.headers["Idempotency-Key"]
    refused = await ask(client, f"/runs/{run}/close", 409)
    assert "roll 1: 1 not accounted for of 50" in refused["detail"]
    assert refused["off"] == 1
    await ask(client, entries, kind="returned", lines=[[50, 50]])
    closed = await ask(client, f"/runs/{run}/close", activate=True, void=True)
    assert (closed["activated"], closed["voided"], closed["state"]) == (40, 9, "closed")
    assert (await client.get(f"{BASE}/runs/{run}")).json()["off"] == 0
    await ask(client, entries, 400, kind="good", codes=[lines[0]], lines=[[1, 1]])


async def test_what_the_line_captured_is_entered_as_good(console: Console) -> None:
    client = await station(console)
    batch, lines = await console.world.issue(10)
    run = (await ask(client, "/runs", 201, batch=batch, printer="P1", lines=[[1, 10]]))["run"]
    name = (await ask(client, "/sessions", 201, batch=batch))["session"]
    await ask(client, f"/sessions/{name}/captures", sequence=1, codes=lines[:8])
    await ask(client, f"/runs/{run}/entries", kind="waste", codes=[lines[2]])
    entered = await ask(client, f"/runs/{run}/entries", kind="good", captured=True)
    assert (entered["good"], entered["waste"], entered["off"]) == (7, 1, 2)


async def test_numbers_and_lines_that_are_none_are_refused_with_a_sentence(console: Console) -> None:
    client = await station(console)
    batch, lines = await console.world.issue(10)
    for wrong in ([[5, 3]], [[1, 2], [5, 3]], [[0, 3]], [[9, 2**70]]):
        refused = await ask(client, "/runs", 400, batch=batch, printer="P1", lines=wrong)
        assert "Lines" in refused["detail"] or "lines" in refused["detail"]
    run = (await ask(client, "/runs", 201, batch=batch, printer="P1", lines=[[1, 10]]))["run"]
    refused = await ask(client, f"/runs/{run}/entries", 400, kind="good", lines=[[1, 2], [5, 3]])
    assert "Lines 5 to 3 end before they begin" in refused["detail"]
    name = (await ask(client, "/sessions", 201, batch=batch))["session"]
    for number in (0, -1, -(2**70)):
        refused = await ask(client, f"/sessions/{name}/captures", 400, sequence=number, codes=lines[:1])
        assert "numbered from 1" in refused["detail"]
    await ask(client, f"/sessions/{name}/captures", 409, sequence=2**70, codes=lines[:1])
    sscc = gs1.make_sscc(3, "6901234", 6)
    await ask(client, "/cartons", 201, sscc=sscc, codes=lines[:3])
    for reason in ("", " ", "x" * 201):
        await ask(client, f"/cartons/{sscc}/change", 400, out=lines[:1], reason=reason)
        await ask(client, f"/cartons/{sscc}/unpack", 400, reason=reason)


async def test_a_carton_is_packed_and_repaired_over_http(console: Console) -> None:
    client = await station(console)
    batch, lines = await console.world.issue(6)
    sscc = gs1.make_sscc(3, "6901234", 5)
    assert (await ask(client, "/cartons", 201, sscc=sscc, codes=lines[:3]))["units"] == 3
    await ask(client, "/cartons", 409, sscc=sscc, codes=lines[4:])
    changed = await ask(client, f"/cartons/{sscc}/change", out=lines[:1], put=lines[3:5], reason="wrong")
    assert changed["units"] == 4
    assert (await ask(client, "/states", state="frozen", case=sscc, reason_code="quality"))["units"] == 4
    assert [(await console.world.scan(code)).outcome for code in (lines[0], lines[4])] == ["inactive", "voided"]
    assert (await ask(client, "/states", state="thawed", batch=batch, codes=[lines[4]]))["units"] == 1
    assert (await ask(client, f"/cartons/{sscc}/unpack", reason="again"))["units"] == 4
    assert (await client.get(f"{BASE}/cartons/{sscc}")).status_code == 404


async def test_nobody_without_a_stations_token_gets_in_and_no_station_beyond_its_rights(console: Console) -> None:
    batch, lines = await console.world.issue(2)
    visitor = await console.visitor()
    weak = await station(console, may_switch=False)
    other = await station(console, brand_id=console.other.id)
    for client, status in ((visitor, 401), (weak, 403), (other, 404)):
        await ask(client, "/states", status, state="void", batch=batch, reason="x")
    visitor.headers["Authorization"] = "Bearer yst_wrong"
    await ask(visitor, "/sessions", 401, batch=batch)
    await ask(other, "/sessions", 404, batch=batch)
    await ask(other, "/states", 400, state="void", codes=[lines[0]], reason="x")
    run = (await ask(weak, "/runs", 201, batch=batch, printer="P1", lines=[[1, 2]]))["run"]
    assert (await other.get(f"{BASE}/runs/{run}")).status_code == 404
    await ask(weak, f"/runs/{run}/entries", kind="good", lines=[[1, 2]])
    await ask(weak, f"/runs/{run}/close", 403, activate=True)
    assert (await ask(weak, f"/runs/{run}/close"))["activated"] == 0


@pytest.mark.parametrize("body", [b"", b"[]", b'{"sequence": "1"}', b'{"sequence": 1, "codes": [1]}', b"\xff"])
async def test_a_body_that_is_no_capture_is_a_problem_and_no_defect(console: Console, body: bytes) -> None:
    client = await station(console)
    answer = await client.post(f"{BASE}/sessions/X/captures", content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
