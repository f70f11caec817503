"""Writes sent again under one Idempotency-Key: at once, later, changed, by somebody else, after a failure."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from codegen import gs1, stations
from kernel import idempotency
from kernel.db import Database
from kernel.errors import YimaError
from kernel.idempotency import Asked
from tests.attacks.conftest import Fort, problem

LINE = "/api/v1/line"
_numbers = iter(range(100, 100_000))


async def station(fort: Fort, *, brand_id: int | None = None) -> dict[str, str]:
    async with fort.world.opened.db.transaction() as tx:
        _, token = await stations.make(
            tx, brand_id=brand_id or fort.world.brand.id, name=uuid4().hex[:12], may_switch=True, actor="test"
        )
    fort.keep_out(token)
    return {"Authorization": f"Bearer {token}"}


def sscc() -> str:
    return gs1.make_sscc(3, "6901234", next(_numbers))


async def pack(fort: Fort, headers: dict[str, str], key: str | None, **body: Any) -> httpx.Response:
    more = {} if key is None else {"Idempotency-Key": key}
    return await fort.client.post(f"{LINE}/cartons", json=body, headers={**headers, **more})


async def test_a_carton_packed_again_under_its_key_gets_the_first_answer_and_without_one_a_conflict(fort: Fort) -> None:
    headers, key = await station(fort), uuid4().hex
    body = {"sscc": sscc(), "codes": [fort.line(), fort.line()]}
    first = await pack(fort, headers, key, **body)
    assert (first.status_code, first.json()["units"]) == (201, 2)
    async with fort.untouched():
        again = await pack(fort, headers, key, **body)
        assert (again.status_code, again.content) == (201, first.content)
        problem(await pack(fort, headers, None, **body), 409)


async def test_a_key_used_for_another_body_is_refused_and_nothing_is_done(fort: Fort) -> None:
    headers, key = await station(fort), uuid4().hex
    assert (await pack(fort, headers, key, sscc=sscc(), codes=[fort.line()])).status_code == 201
    async with fort.untouched():
        refused = problem(await pack(fort, headers, key, sscc=sscc(), codes=[fort.line()]), 409, "Idempotency-Key")
    assert refused["code"] == "idempotency_key_reused"


async def test_another_station_another_path_and_another_brand_have_keys_of_their_own(fort: Fort) -> None:
    key, first, second = uuid4().hex, await station(fort), await station(fort)
    one, other = sscc(), sscc()
    assert (await pack(fort, first, key, sscc=one, codes=[fort.line()])).status_code == 201
    assert (await pack(fort, second, key, sscc=other, codes=[fort.line()])).status_code == 201
    path = f"{LINE}/cartons/{one}/unpack"
    unpacked = await fort.client.post(path, json={"reason": "x"}, headers={**first, "Idempotency-Key": key})
    assert unpacked.status_code == 200
    again = await fort.client.post(path, json={"reason": "x"}, headers={**first, "Idempotency-Key": key})
    assert again.content == unpacked.content
    strangers = await station(fort, brand_id=fort.other.id)
    problem(await fort.client.post(path, json={"reason": "x"}, headers={**strangers, "Idempotency-Key": key}), 404)


async def test_what_failed_may_be_tried_again_under_its_key(fort: Fort) -> None:
    headers, key = await station(fort), uuid4().hex
    problem(await pack(fort, headers, key, sscc="123", codes=[fort.line()]), 400)
    assert (await pack(fort, headers, key, sscc=sscc(), codes=[fort.line()])).status_code == 201


async def test_of_many_at_once_under_one_key_one_is_done_and_all_get_its_answer(fort: Fort) -> None:
    headers, key = await station(fort), uuid4().hex
    batch, _ = await fort.world.issue(40)
    body = {"batch": batch, "printer": "P", "lines": [[1, 40]]}
    answers = await asyncio.gather(
        *(fort.client.post(f"{LINE}/runs", json=body, headers={**headers, "Idempotency-Key": key}) for _ in range(12))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer, 409)["code"] == "idempotency_key_in_use"
    async with fort.world.opened.db.transaction() as tx:
        runs = text("SELECT count(*) FROM print_run r JOIN batch b ON b.id = r.batch_id WHERE b.name = :batch")
        assert (await tx.execute(runs, {"batch": batch})).scalar_one() == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "é", "a\tb", "\x7f"])
async def test_what_is_no_key_is_refused(fort: Fort, key: str) -> None:
    headers = await station(fort)
    raw = [(b"authorization", headers["Authorization"].encode()), (b"idempotency-key", key.encode("latin-1"))]
    body = {"sscc": sscc(), "codes": [fort.line()]}
    async with fort.untouched():
        answer = await fort.client.post(f"{LINE}/cartons", json=body, headers=raw)  # type: ignore[arg-type]
        assert answer.status_code == 400, answer.text
        problem(answer, 400)


async def test_the_longest_key_and_one_as_the_draft_standard_writes_it_are_keys(fort: Fort) -> None:
    headers = await station(fort)
    for key in ("x" * idempotency.KEY_CHARS_MAX, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'):
        body = {"sscc": sscc(), "codes": [fort.line()]}
        first = await pack(fort, headers, key, **body)
        assert (await pack(fort, headers, key, **body)).content == first.content


async def test_a_one_time_code_asked_for_again_under_its_key_is_sent_once(fort: Fort) -> None:
    phone, key = fort.phone(), uuid4().hex
    fort.keep_out(phone)

    async def ask(to: str) -> httpx.Response:
        body = {"brand": "tea", "phone": to}
        return await fort.client.post("/api/v1/sign-in/codes", json=body, headers={"Idempotency-Key": key})

    first = await ask(phone)
    assert first.status_code == 202
    async with fort.untouched():
        again = await ask(phone)
        assert (again.status_code, again.content) == (202, first.content), "no 429: it was sent already"
        problem(await ask(fort.phone()), 409)


async def test_a_key_is_free_again_after_a_day_and_its_row_is_pruned(fort: Fort) -> None:
    db = fort.world.opened.db
    asked = Asked(fort.world.brand.id, "test", "POST /x", uuid4().hex, b"one")

    async def go(body: bytes) -> bytes | None:
        mine = Asked(asked.brand_id, asked.holder, asked.route, asked.key, body)
        async with db.transaction() as tx:
            first = await idempotency.take(tx, mine)
            if first is None:
                await idempotency.keep(tx, mine, b"answer " + body)
            return first

    async def age(by: timedelta) -> None:
        async with db.transaction() as tx:
            await tx.execute(
                text("UPDATE answered_request SET at = at - CAST(:by AS interval) WHERE holder = 'test'"), {"by": by}
            )

    assert await go(b"one") is None
    assert await go(b"one") == b"answer one"
    await age(timedelta(hours=idempotency.KEPT_HOURS, seconds=-60))
    assert await go(b"one") == b"answer one"
    await age(timedelta(seconds=61))
    assert await go(b"two") is None, "free again, though nobody has pruned it yet"
    assert await go(b"two") == b"answer two"
    await age(timedelta(hours=idempotency.KEPT_HOURS, seconds=1))
    async with db.transaction() as tx:
        assert await idempotency.prune(tx) >= 1
        left = await tx.execute(text("SELECT count(*) FROM answered_request WHERE holder = 'test'"))
        assert left.scalar_one() == 0


async def test_who_waits_for_a_key_too_long_is_told_to_come_back_and_whose_first_failed_goes_on(
    fort: Fort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_S_MAX", 1)
    asked = Asked(fort.world.brand.id, "test", "POST /y", uuid4().hex, b"one")
    db = Database(fort.world.opened.db.url, pool_size=2)
    try:
        async with db.transaction() as first:
            assert await idempotency.take(first, asked) is None
            with pytest.raises(YimaError, match="still being done") as told:
                async with db.transaction() as second:
                    await idempotency.take(second, asked)
            assert told.value.details["retry_after_s"] == 1
            waiting = asyncio.create_task(_take_in_its_own(db, asked))
            await asyncio.sleep(0.2)
            await first.rollback()
        assert await waiting is None, "the first did nothing: the second may"
    finally:
        await db.close()


async def _take_in_its_own(db: Database, asked: Asked) -> bytes | None:
    async with db.transaction() as tx:
        return await idempotency.take(tx, asked)


async def test_every_write_that_is_described_takes_a_key_or_says_why_not(fort: Fort) -> None:
    described = (await fort.client.get("/schema/openapi.json")).json()["paths"]
    without = {
        path
        for path, item in described.items()
        if "post" in item and "Idempotency-Key" not in {each["name"] for each in item["post"].get("parameters", [])}
    }
    naturally = {
        "/api/v1/scans",  # its scan_id
        "/api/v1/sign-in",  # its code is good once, and an answer kept would make it good twice
        "/api/v1/sign-in/wechat",  # as above
        "/api/v1/me/adult",  # said again, nothing changes
        "/api/v1/appeals",  # one for a member and a unit
    }
    assert without == naturally
