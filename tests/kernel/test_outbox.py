"""The outbox: what is put with a fact leaves after it, at least once, and never with its body readable."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kernel import outbox
from kernel.clock import now
from kernel.crypto import Vault
from kernel.outbox import Message
from yima.runtime import Runtime


class Receiver:
    """A receiver that notes what it was told, and refuses while `broken`."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.told: list[Message] = []

    async def __call__(self, message: Message) -> None:
        if self.broken:
            raise ConnectionError(f"cannot deliver {message.body!r}")
        self.told.append(message)

    @property
    def keys(self) -> Counter[str]:
        return Counter(message.key for message in self.told)


async def put(opened: Runtime, *keys: str, kind: str = "sms.code", body: bytes = b"body") -> None:
    async with opened.db.transaction() as tx:
        await outbox.put(tx, opened.vault, [Message(kind=kind, key=key, body=body) for key in keys])


async def relay(opened: Runtime, receiver: Any) -> dict[str, int]:
    return await outbox.relay(opened.db, opened.vault, {"sms.code": receiver})


async def rows(opened: Runtime, query: str) -> list[tuple[Any, ...]]:
    async with opened.db.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def make_due(opened: Runtime) -> None:
    """Let the time of every lease and every back-off be over."""
    async with opened.db.transaction() as tx:
        await tx.execute(text("UPDATE outbox_message SET due_at = now() WHERE state = 'due'"))


async def test_a_message_is_delivered_as_it_was_put_and_only_once(opened: Runtime) -> None:
    receiver = Receiver()
    message = Message(kind="sms.code", key="sms.code/1", body="验证码 123456".encode(), brand_id=None)
    async with opened.db.transaction() as tx:
        await outbox.put(tx, opened.vault, [message])
    assert await relay(opened, receiver) == {"sent": 1, "failed": 0, "dead": 0}
    assert receiver.told == [message]
    assert await relay(opened, receiver) == {"sent": 0, "failed": 0, "dead": 0}
    [(state, delivered_at)] = await rows(opened, "SELECT state, delivered_at FROM outbox_message")
    assert state == "sent"
    assert delivered_at is not None


async def test_a_message_of_a_rolled_back_use_case_never_leaves(opened: Runtime) -> None:
    receiver = Receiver()
    with pytest.raises(RuntimeError):
        async with opened.db.transaction() as tx:
            await outbox.put(tx, opened.vault, [Message(kind="sms.code", key="gone", body=b"")])
            raise RuntimeError
    await relay(opened, receiver)
    assert receiver.told == []


async def test_a_key_is_delivered_once_however_often_it_is_put(opened: Runtime) -> None:
    receiver = Receiver()
    await put(opened, "a", "a", body=b"first")
    await put(opened, "a", "b", body=b"second")
    await relay(opened, receiver)
    await put(opened, "a", body=b"third")
    await relay(opened, receiver)
    assert {message.key: message.body for message in receiver.told} == {"a": b"first", "b": b"second"}
    assert receiver.keys == {"a": 1, "b": 1}


async def test_more_messages_than_one_batch_all_leave_in_one_relay(opened: Runtime) -> None:
    receiver = Receiver()
    await put(opened, *(f"m{n}" for n in range(2 * outbox.BATCH_MAX + 1)))
    assert (await relay(opened, receiver))["sent"] == 2 * outbox.BATCH_MAX + 1
    assert set(receiver.keys.values()) == {1}


async def test_a_body_is_not_readable_in_the_table(opened: Runtime) -> None:
    await put(opened, "a", body=b"+8613800000000 code 482913")
    [(whole,)] = await rows(opened, "SELECT encode(sealed, 'escape') || outbox_message::text FROM outbox_message")
    assert "13800000000" not in whole
    assert "482913" not in whole


async def test_a_body_moved_to_another_message_is_not_delivered(opened: Runtime) -> None:
    await put(opened, "a", body=b"for a")
    await put(opened, "b", body=b"for b")
    async with opened.db.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE outbox_message SET sealed = (SELECT sealed FROM outbox_message WHERE key = 'a') WHERE key = 'b'"
            )
        )
    receiver = Receiver()
    assert await relay(opened, receiver) == {"sent": 1, "failed": 1, "dead": 0}
    assert [message.body for message in receiver.told] == [b"for a"]


async def test_a_failed_delivery_is_tried_again_later_and_ever_later(opened: Runtime) -> None:
    receiver = Receiver(broken=True)
    await put(opened, "a")
    waits = []
    for _ in range(4):
        assert await relay(opened, receiver) == {"sent": 0, "failed": 1, "dead": 0}
        assert await relay(opened, receiver) == {"sent": 0, "failed": 0, "dead": 0}, "not before its time"
        [(due_at,)] = await rows(opened, "SELECT due_at FROM outbox_message")
        waits.append(due_at - now())
        await make_due(opened)
    assert waits == sorted(waits)
    assert waits[0] > timedelta(0)
    assert waits[-1] > 4 * waits[0]
    receiver.broken = False
    assert await relay(opened, receiver) == {"sent": 1, "failed": 0, "dead": 0}
    assert receiver.keys == {"a": 1}


async def test_a_failing_message_does_not_hold_up_the_others(opened: Runtime) -> None:
    receiver = Receiver()

    async def picky(message: Message) -> None:
        if message.key == "bad":
            raise ValueError
        await receiver(message)

    await put(opened, "a", "bad", "b")
    assert await relay(opened, picky) == {"sent": 2, "failed": 1, "dead": 0}
    assert receiver.keys == {"a": 1, "b": 1}


async def test_a_message_is_given_up_after_twelve_failures(opened: Runtime) -> None:
    receiver = Receiver(broken=True)
    await put(opened, "a")
    found = []
    for _ in range(outbox.ATTEMPTS_MAX):
        found.append(await relay(opened, receiver))
        await make_due(opened)
    assert [counts["dead"] for counts in found] == [0] * (outbox.ATTEMPTS_MAX - 1) + [1]
    receiver.broken = False
    assert await relay(opened, receiver) == {"sent": 0, "failed": 0, "dead": 0}
    assert await rows(opened, "SELECT state, attempts FROM outbox_message") == [("dead", outbox.ATTEMPTS_MAX)]


async def test_what_a_receiver_says_is_not_kept_since_it_may_quote_the_body(
    opened: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(opened, "a", body=b"+8613800000000")
    await relay(opened, Receiver(broken=True))
    assert await rows(opened, "SELECT last_error FROM outbox_message") == [("ConnectionError",)]
    said = capsys.readouterr()
    assert "13800000000" not in said.out + said.err


async def test_a_message_of_a_kind_that_nobody_delivers_is_kept(opened: Runtime) -> None:
    await put(opened, "a", kind="carrier.pigeon")
    assert await relay(opened, Receiver()) == {"sent": 0, "failed": 1, "dead": 0}
    assert await rows(opened, "SELECT state FROM outbox_message") == [("due",)]


async def test_a_message_whose_relay_died_is_delivered_by_the_next_one_after_its_lease(opened: Runtime) -> None:
    async def dies(_: Message) -> None:
        raise asyncio.CancelledError

    await put(opened, "a")
    with pytest.raises(asyncio.CancelledError):
        await relay(opened, dies)
    receiver = Receiver()
    assert (await relay(opened, receiver))["sent"] == 0, "the lease still holds"
    await make_due(opened)
    assert (await relay(opened, receiver))["sent"] == 1


async def test_two_relays_at_once_share_the_messages_and_deliver_each_once(opened: Runtime) -> None:
    receiver = Receiver()
    keys = [f"m{n}" for n in range(3 * outbox.BATCH_MAX)]
    await put(opened, *keys)

    async def slowly(message: Message) -> None:
        await asyncio.sleep(0)
        await receiver(message)

    counts = await asyncio.gather(relay(opened, slowly), relay(opened, slowly))
    assert receiver.keys == dict.fromkeys(keys, 1)
    assert sum(each["sent"] for each in counts) == len(keys)


async def test_a_relay_that_is_slower_than_its_lease_delivers_nothing_that_another_took_over(opened: Runtime) -> None:
    """A batch of a hundred messages to a slow receiver takes longer than a minute, and the relay is healthy."""
    receiver = Receiver()
    first = True

    async def slow(message: Message) -> None:
        nonlocal first
        await receiver(message)
        if first:
            first = False
            await make_due(opened)  # the lease of the whole batch runs out during the first delivery
            await relay(opened, receiver)

    keys = [f"m{n}" for n in range(5)]
    await put(opened, *keys)
    await relay(opened, slow)
    assert set(receiver.keys) == set(keys)
    again = {key: times for key, times in receiver.keys.items() if times > 1}
    assert len(again) <= 1, f"only the one under way may be delivered twice, not {again}"


async def test_a_failure_that_comes_late_does_not_undo_a_delivery(opened: Runtime) -> None:
    receiver = Receiver()

    async def late(_: Message) -> None:
        await make_due(opened)
        await relay(opened, receiver)
        raise TimeoutError

    await put(opened, "a")
    await relay(opened, late)
    await make_due(opened)
    await relay(opened, receiver)
    assert receiver.keys == {"a": 1}
    assert await rows(opened, "SELECT state FROM outbox_message") == [("sent",)]


async def test_messages_sealed_under_a_lost_key_wait_for_it(opened: Runtime) -> None:
    await put(opened, "a")
    other = Vault(["another-secret-of-this-house"])
    receiver = Receiver()
    assert await outbox.relay(opened.db, other, {"sms.code": receiver}) == {"sent": 0, "failed": 1, "dead": 0}
    await make_due(opened)
    assert (await relay(opened, receiver))["sent"] == 1


async def test_only_messages_delivered_over_a_week_ago_are_pruned(opened: Runtime) -> None:
    await put(opened, "old", "new")
    await relay(opened, Receiver())
    await put(opened, "due")
    async with opened.db.transaction() as tx:
        await tx.execute(
            text("UPDATE outbox_message SET delivered_at = now() - interval '8 days' WHERE key IN ('old', 'due')")
        )
        assert await outbox.prune(tx) == 1
    assert await rows(opened, "SELECT key FROM outbox_message ORDER BY key") == [("due",), ("new",)]
