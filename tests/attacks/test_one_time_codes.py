"""One-time codes: guessed, used again, used elsewhere, asked for a thousand times."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from kernel.errors import TooMany
from members import signin
from scanapi.limits import RATES
from tests.attacks.conftest import Fort, page, problem

_addresses = (f"203.0.{n // 250}.{n % 250 + 1}" for n in itertools.count())


def from_elsewhere() -> dict[str, str]:
    """Another network each time (its /24 too): what the trusted proxy says of its client."""
    number = next(_addresses).split(".")
    return {"X-Forwarded-For": f"100.{number[2]}.{number[3]}.7", "Accept-Language": "en"}


async def ask(fort: Fort, phone: str, *, brand: str = "tea", headers: dict[str, str] | None = None) -> httpx.Response:
    return await fort.client.post(
        "/api/v1/sign-in/codes", json={"brand": brand, "phone": phone}, headers=headers or from_elsewhere()
    )


async def enter(
    fort: Fort, phone: str, code: str, *, brand: str = "tea", headers: dict[str, str] | None = None
) -> httpx.Response:
    body = {"brand": brand, "phone": phone, "code": code}
    return await fort.client.post("/api/v1/sign-in", json=body, headers=headers or from_elsewhere())


async def code_of(fort: Fort, phone: str) -> str:
    code = (await fort.texts())[phone]
    fort.keep_out(code)
    return code


async def age(fort: Fort, phone: str, by: timedelta) -> None:
    """Let time pass for the codes of a number."""
    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        await tx.execute(
            text("UPDATE sign_in_code SET created_at = created_at - CAST(:by AS interval) WHERE subject_index = :mark"),
            {"by": by, "mark": opened.index.of("phone", phone)},
        )


async def sent_to(fort: Fort, phone: str) -> int:
    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        count = text("SELECT count(*) FROM sign_in_code WHERE subject_index = :mark")
        return (await tx.execute(count, {"mark": opened.index.of("phone", phone)})).scalar_one()


async def test_a_thousand_requests_for_one_number_send_one_message(fort: Fort) -> None:
    phone = fort.phone()
    statuses: list[int] = []
    for _ in range(20):
        answers = await asyncio.gather(*(ask(fort, phone) for _ in range(50)))
        statuses += [answer.status_code for answer in answers]
        for answer in answers:
            if answer.status_code != 202:
                problem(answer, 429)
                assert 0 < int(answer.headers["retry-after"]) <= 60
    assert sorted(statuses) == [202] + [429] * 999
    assert await sent_to(fort, phone) == 1


async def test_a_number_gets_five_codes_an_hour_and_ten_a_day_whoever_asks(fort: Fort) -> None:
    phone = fort.phone()
    for n in range(1, signin.PER_DAY_MAX + 1):
        assert (await ask(fort, phone)).status_code == 202, n
        await age(fort, phone, timedelta(seconds=signin.PAUSE_S + 1))
        if n == signin.PER_HOUR_MAX:
            problem(await ask(fort, phone), 429, "hour")
            await age(fort, phone, timedelta(hours=1))
    await age(fort, phone, timedelta(hours=1))
    problem(await ask(fort, phone), 429, "tomorrow")
    await age(fort, phone, timedelta(days=1))
    assert (await ask(fort, phone)).status_code == 202


async def test_one_network_cannot_send_to_a_thousand_numbers_and_the_next_network_is_not_locked_out(fort: Fort) -> None:
    where, neighbour = from_elsewhere(), from_elsewhere()
    answers: list[httpx.Response] = []
    for _ in range(10):
        answers += await asyncio.gather(*(ask(fort, fort.phone(), headers=where) for _ in range(50)))
    sent = [answer for answer in answers if answer.status_code == 202]
    burst = RATES["message", "address"].burst
    assert burst <= len(sent) <= burst + 20, "the burst, and what its rate gave back meanwhile"
    refused = problem(next(answer for answer in answers if answer.status_code != 202), 429, "network")
    assert refused["code"] == "too_many_sign_ins"
    assert (await ask(fort, fort.phone(), headers=neighbour)).status_code == 202


async def test_what_was_not_sent_costs_the_network_nothing(fort: Fort) -> None:
    where = from_elsewhere()
    for _ in range(RATES["message", "address"].burst + 10):
        problem(await ask(fort, "123", headers=where), 400)
    problem(await ask(fort, fort.phone(), brand="nobody", headers=where), 404)
    assert (await ask(fort, fort.phone(), headers=where)).status_code == 202


async def test_the_answer_does_not_tell_whether_a_number_is_a_members(fort: Fort) -> None:
    known, unknown = "+8613800000011", fort.phone()
    first = [await ask(fort, known), await ask(fort, unknown)]
    again = [await ask(fort, known), await ask(fort, unknown)]
    wrong = [await enter(fort, known, "00000x"), await enter(fort, unknown, "00000x")]
    for one, other in (first, again, wrong):
        assert one.status_code == other.status_code
        assert one.json().get("detail") == other.json().get("detail")


async def test_a_brands_messages_of_a_day_are_bounded(fort: Fort) -> None:
    opened, brand = fort.world.opened, fort.other

    async def once(most: int) -> None:
        async with opened.db.transaction() as tx:
            await signin.request_code(
                tx, opened.vault, opened.index, brand_id=brand.id, phone=fort.phone(), language="zh",
                per_brand_a_day_max=most,
            )  # fmt: skip

    async with opened.db.transaction() as tx:
        before = (
            await tx.execute(text("SELECT count(*) FROM sign_in_code WHERE brand_id = :brand"), {"brand": brand.id})
        ).scalar_one()
    for _ in range(3):
        await once(before + 3)
    with pytest.raises(TooMany, match="No more codes"):
        await once(before + 3)
    async with fort.untouched():
        with pytest.raises(TooMany):
            await once(before + 3)
    await once(before + 4)
    assert (await ask(fort, fort.phone())).status_code == 202, "the other brand has its own"


async def test_guessing_ends_with_the_code_and_goes_on_with_none(fort: Fort) -> None:
    phone = fort.phone()
    await ask(fort, phone)
    code = await code_of(fort, phone)
    wrong = [f"{(int(code) + n) % 10**6:06d}" for n in range(1, 40)]
    answers = await asyncio.gather(*(enter(fort, phone, each) for each in wrong))
    told = [problem(answer, 401)["detail"] for answer in answers]
    assert sum("wrong" in each for each in told) == signin.TRIES_MAX
    problem(await enter(fort, phone, code), 401, "ask for a new one")


async def test_one_network_guesses_at_few_numbers_and_is_told_before_anything_is_judged(fort: Fort) -> None:
    where = from_elsewhere()
    phone = fort.phone()
    await ask(fort, phone)
    code = await code_of(fort, phone)
    burst = RATES["guess", "address"].burst
    told = [await enter(fort, fort.phone(), "000000", headers=where) for _ in range(burst + 5)]
    assert [answer.status_code for answer in told[:burst]] == [401] * burst
    assert 429 in {answer.status_code for answer in told[burst:]}
    for _ in range(3):  # what its rate gives back in the meantime
        refused = await enter(fort, phone, "000000" if code != "000000" else "000001", headers=where)
    assert refused.status_code in (401, 429)
    assert (await enter(fort, phone, code)).status_code == 200, "the number's owner signs in from elsewhere"


async def test_right_codes_cost_a_network_nothing(fort: Fort) -> None:
    where = from_elsewhere()
    for _ in range(3):
        phone = fort.phone()
        await ask(fort, phone)
        code = await code_of(fort, phone)
        assert (await enter(fort, phone, code, headers=where)).status_code == 200


async def test_a_code_is_good_once_for_one_number_at_one_brand(fort: Fort) -> None:
    phone, other = fort.phone(), fort.phone()
    await ask(fort, phone)
    code = await code_of(fort, phone)
    problem(await enter(fort, phone, code, brand="wine"), 401)
    problem(await enter(fort, other, code), 401)
    assert (await enter(fort, phone, code)).status_code == 200
    async with fort.untouched():
        problem(await enter(fort, phone, code), 401, "ask for a new one")
        answer = await fort.client.post(
            "/sign-in", data={"brand": "tea", "phone": phone, "one_time_code": code},
            headers={"Sec-Fetch-Site": "same-origin", **from_elsewhere()},
        )  # fmt: skip
        page(answer, 401)
        assert "yima_session" not in str(answer.headers)


async def test_a_new_code_ends_the_one_before(fort: Fort) -> None:
    phone = fort.phone()
    await ask(fort, phone)
    first = await code_of(fort, phone)
    await age(fort, phone, timedelta(seconds=signin.PAUSE_S + 1))
    await ask(fort, phone)
    second = await code_of(fort, phone)
    if first != second:
        problem(await enter(fort, phone, first), 401)
    assert (await enter(fort, phone, second)).status_code == 200
    problem(await enter(fort, phone, first), 401)


@pytest.mark.parametrize(
    "given",
    ["", "12345", "1234567", "１２３４５６", "12 34 56", "0x1234", "%00", "1" * 5_000, "'--", "\u202e123456", "-12345"],
)
async def test_what_is_no_code_is_a_wrong_one_and_counts_as_a_try(fort: Fort, given: str) -> None:
    phone = fort.phone()
    await ask(fort, phone)
    await code_of(fort, phone)
    for _ in range(signin.TRIES_MAX):
        problem(await enter(fort, phone, given), 401, "wrong")
    problem(await enter(fort, phone, given), 401, "ask for a new one")
