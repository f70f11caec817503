"""Sign-in by phone number and one-time code."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from kernel import outbox
from kernel.errors import InvalidInput, NotAuthenticated, TooMany
from members import people, signin
from members.tokens import Tokens
from tests.world import World

PHONE = "138 1234 5678"


async def _request(world: World, phone: str = PHONE, device: str = "") -> None:
    async with world.opened.db.transaction() as tx:
        await signin.request_code(
            tx, world.opened.vault, world.opened.index, brand_id=world.brand.id, phone=phone, language="zh",
            device=device,
        )  # fmt: skip


async def _verify(world: World, code: str, phone: str = PHONE, device: str = "") -> int | None:
    async with world.opened.db.transaction() as tx:
        return await signin.verify_code(
            tx, world.opened.vault, world.opened.index, brand_id=world.brand.id, phone=phone, code=code, device=device
        )


async def _sent(world: World) -> str:
    found: list[str] = []

    async def take(message: outbox.Message) -> None:
        found.append(json.loads(message.body)["code"])

    await outbox.relay(world.opened.db, world.opened.vault, {"sms.code": take})
    return found[-1]


async def _age_codes(world: World, **by: float) -> None:
    async with world.opened.db.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE sign_in_code SET created_at = created_at - CAST(:by AS interval), "
                "expires_at = expires_at - CAST(:by AS interval)"
            ),
            {"by": timedelta(**by)},
        )


async def test_a_code_that_a_device_asked_for_is_good_on_that_device_alone(world: World) -> None:
    await _request(world, device="phone-a")
    code = await _sent(world)
    for other in ("phone-b", ""):
        for _ in range(signin.TRIES_MAX + 1):  # and whoever tries elsewhere takes no try away from here
            with pytest.raises(NotAuthenticated, match="waiting for this number here"):
                await _verify(world, code, device=other)
    assert await _verify(world, code, device="phone-a") is not None
    with pytest.raises(NotAuthenticated):
        await _verify(world, code, device="phone-a")


async def test_a_code_that_another_device_asks_for_later_leaves_the_first_one_good(world: World) -> None:
    await _request(world, device="phone-a")
    code = await _sent(world)
    await _age_codes(world, seconds=61)
    await _request(world, device="phone-b")
    assert await _verify(world, code, device="phone-a") is not None
    with pytest.raises(NotAuthenticated):  # one sign-in ends all codes that wait for the number
        await _verify(world, await _sent(world), device="phone-b")


async def test_a_code_that_was_asked_for_without_a_device_is_good_on_any(world: World) -> None:
    await _request(world)
    assert await _verify(world, await _sent(world), device="phone-a") is not None


async def test_the_right_code_signs_in_and_the_second_time_finds_the_same_member(world: World) -> None:
    await _request(world)
    first = await _verify(world, await _sent(world))
    await _age_codes(world, seconds=61)
    await _request(world, "+86 13812345678")
    assert await _verify(world, await _sent(world)) == first
    assert first is not None


async def test_a_code_is_good_once(world: World) -> None:
    await _request(world)
    code = await _sent(world)
    assert await _verify(world, code) is not None
    with pytest.raises(NotAuthenticated, match="No code is waiting"):
        await _verify(world, code)


async def test_after_five_wrong_tries_the_right_code_is_dead(world: World) -> None:
    await _request(world)
    code = await _sent(world)
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(signin.TRIES_MAX):
        assert await _verify(world, wrong) is None
    with pytest.raises(NotAuthenticated):
        await _verify(world, code)


async def test_the_fifth_try_may_still_be_right(world: World) -> None:
    await _request(world)
    code = await _sent(world)
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(signin.TRIES_MAX - 1):
        await _verify(world, wrong)
    assert await _verify(world, code) is not None


async def test_a_code_dies_after_five_minutes(world: World) -> None:
    await _request(world)
    code = await _sent(world)
    await _age_codes(world, seconds=signin.LIFE_S + 1)
    with pytest.raises(NotAuthenticated):
        await _verify(world, code)


async def test_a_second_code_within_a_minute_and_a_sixth_within_an_hour_are_refused(world: World) -> None:
    await _request(world)
    with pytest.raises(TooMany, match="wait a minute"):
        await _request(world)
    for _ in range(signin.PER_HOUR_MAX - 1):
        await _age_codes(world, seconds=61)
        await _request(world)
    await _age_codes(world, seconds=61)
    with pytest.raises(TooMany, match="in an hour"):
        await _request(world)


async def test_requests_at_once_send_one_code(world: World) -> None:
    results = await asyncio.gather(*(_request(world) for _ in range(6)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert all(result is None or isinstance(result, TooMany) for result in results)


async def test_first_sign_ins_of_one_number_at_once_make_one_member(world: World) -> None:
    async def enter() -> int:
        async with world.opened.db.transaction() as tx:
            return await people.sign_in(
                tx, world.opened.vault, world.opened.index, brand_id=world.brand.id, phone="+8613912345678"
            )

    assert len(set(await asyncio.gather(*(enter() for _ in range(6))))) == 1


async def test_a_number_is_stored_sealed_and_a_code_hashed(world: World) -> None:
    await _request(world)
    code = await _sent(world)
    await _verify(world, code)
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("""
                SELECT encode(subject_sealed, 'escape') || encode(subject_index, 'escape') FROM identity
                UNION ALL SELECT encode(code_hash, 'escape') FROM sign_in_code
                UNION ALL SELECT encode(sealed, 'escape') FROM outbox_message""")
        )
        dump = "".join(rows.scalars())
    assert "13812345678" not in dump
    assert code not in dump


@pytest.mark.parametrize("phone", ["", "12", "abc", "138123456789012345678901234567890123", "+999 1234", "１３８"])
async def test_what_is_no_phone_number_is_refused(world: World, phone: str) -> None:
    with pytest.raises(InvalidInput, match="phone number"):
        await _request(world, phone)


async def test_a_token_tells_its_bearer_and_nothing_else_is_one(world: World) -> None:
    tokens = Tokens(world.opened.vault)
    token = tokens.issue(7, 3)
    assert (tokens.verify(token).member_id, tokens.verify(token).brand_id) == (7, 3)
    for bad in (token[:-1], token + "x", "", "a.b.c", "x" * 1000, world.opened.vault.serializer("page").dumps([7, 3])):
        with pytest.raises(NotAuthenticated):
            tokens.verify(str(bad))
