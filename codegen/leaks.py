"""What to do when a key leaks: it is revoked, its unscanned units are stopped, and their goods are ordered again.

Whoever has a leaked secret can make every code of the key, but not undo a scan: what was scanned before the leak keeps
its standing, and a unit first scanned afterwards may be a copy. Nothing is written unit by unit: a batch bears the
moment of the leak, and the scan compares (0039). Each step may be said again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import text

from codegen import batches, keys
from codegen.batches import Batch
from codegen.keys import KeyInfo
from kernel import audit
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

Answer = Literal["hold", "void"]
ANSWERS: Final[tuple[Answer, ...]] = ("hold", "void")
REISSUES_MAX: Final = 99
_REISSUED: Final = re.compile(r"(.*)-R([1-9][0-9]?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LeakedBatch:
    """A batch of a leaked key.

    Attributes:
        leaked_at: None where the leak is not acted on yet.
        answer: what a unit first scanned since gets: `hold` (a person decides) or `void`.
        reissued_as: name of the batch ordered in its place, or None.
    """

    batch: Batch
    leaked_at: datetime | None
    answer: Answer | None
    reissued_as: str | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """What stopping a key came to: `changed` batches of `batches` had not been stopped, or not from so early on."""

    key: KeyInfo
    batches: int
    changed: int


async def batches_of(tx: Tx, key: KeyInfo) -> list[LeakedBatch]:
    """The batches of a key, the oldest first, each with what was said of it."""
    rows = await tx.execute(
        text("""
            SELECT b.name, b.leaked_at, b.leak_answer, r.name AS reissued_as
            FROM batch b LEFT JOIN batch r ON r.reissue_of = b.id
            WHERE b.key_id = :key AND b.brand_id = :brand AND b.origin = 'own' ORDER BY b.id"""),
        {"key": key.id, "brand": key.brand_id},
    )
    said = {row.name: row for row in rows}
    found = [each for each in await batches.list_of(tx, brand_id=key.brand_id) if each.name in said]
    found.reverse()
    return [
        LeakedBatch(each, said[each.name].leaked_at, said[each.name].leak_answer, said[each.name].reissued_as)
        for each in found
    ]


async def stop(
    tx: Tx,
    *,
    key_id: int,
    reason: str,
    actor: str,
    since: datetime | None = None,
    answer: str = "hold",
    brand_id: int | None = None,
) -> Stopped:
    """Revoke a key, and stop what was not scanned before it leaked; one statement for all its batches.

    Said again it changes nothing, unless it leaked earlier than was thought.

    Args:
        tx: the transaction.
        key_id: which key.
        reason: what happened.
        actor: for the audit trail.
        since: from when on the secret may have been in wrong hands; None for now.
        answer: what batches that were not stopped before give: `hold` or `void`.
        brand_id: whose key it must be; None for any.

    Raises:
        InvalidInput: no reason, an unknown answer, or a moment that is still to come.
        NotFound: there is no such key, or it is another brand's.
    """
    keys.judge_reason(reason)
    judge_answer(answer)
    if since is not None and (since.tzinfo is None or since > now()):
        raise InvalidInput("A key leaked at a moment with a time zone, and not in the future.", field="since")
    await keys.lock_all(tx)
    key = await keys.get(tx, key_id, brand_id=brand_id)
    moment = min(filter(None, (key.leaked_at, since))) if key.leaked_at or since else now()
    if key.state != "revoked":
        await keys.revoke(tx, key_id=key_id, reason=reason, actor=actor)
    if key.leaked_at != moment:
        await tx.execute(
            text("UPDATE code_key SET leaked_at = :at, reason = :reason, version = version + 1 WHERE id = :id"),
            {"at": moment, "reason": reason.strip(), "id": key_id},
        )
    stopped = await tx.execute(
        text("""
            UPDATE batch SET leaked_at = :at, leak_answer = coalesce(leak_answer, :answer)
            WHERE key_id = :key AND brand_id = :brand AND origin = 'own' AND (leaked_at IS NULL OR leaked_at > :at)"""),
        {"at": moment, "answer": answer, "key": key_id, "brand": key.brand_id},
    )
    changed = stopped.rowcount
    if changed or key.leaked_at != moment:
        await audit.record(
            tx,
            brand_id=key.brand_id,
            actor=actor,
            action="code_key.leak",
            subject=f"key {key_id}",
            before=None if key.leaked_at is None else {"leaked_at": key.leaked_at.isoformat()},
            after={"leaked_at": moment.isoformat(), "batches": changed, "answer": answer, "reason": reason.strip()},
        )
    count = await tx.execute(text("SELECT count(*) FROM batch WHERE key_id = :key"), {"key": key_id})
    return Stopped(await keys.get(tx, key_id), count.scalar_one(), changed)


async def set_answer(tx: Tx, key: KeyInfo, names: Sequence[str], *, answer: str, actor: str) -> int:
    """Decide what unscanned units of stopped batches get from now on; returns how many batches changed.

    Args:
        tx: the transaction.
        key: the leaked key.
        names: which of its batches; none for all of them.
        answer: `hold` for a person's decision, `void` for none.
        actor: for the audit trail.

    Raises:
        InvalidInput: an unknown answer.
        NotFound: the key has no such batch.
        Conflict: the key is not known to have leaked.
    """
    judge_answer(answer)
    await keys.lock_all(tx)
    chosen = await choose(tx, key, names)
    rows = await tx.execute(
        text("""
            UPDATE batch SET leak_answer = :answer
            WHERE id = ANY(CAST(:ids AS bigint[])) AND leaked_at IS NOT NULL AND leak_answer <> :answer
            RETURNING name"""),
        {"answer": answer, "ids": [each.batch.id for each in chosen]},
    )
    changed = list(rows.scalars())
    for name in changed:
        await audit.record(
            tx,
            brand_id=key.brand_id,
            actor=actor,
            action="batch.leak_answer",
            subject=f"batch {name}",
            after={"answer": answer},
        )
    return len(changed)


async def choose(tx: Tx, key: KeyInfo, names: Sequence[str]) -> list[LeakedBatch]:
    """Batches of a leaked key by their names; all of them where none is named.

    Raises:
        NotFound: the key has no such batch.
        Conflict: the key is not known to have leaked.
    """
    if key.leaked_at is None:
        raise Conflict(f"Key {key.id} is not known to have leaked; `yima keys leak --key {key.id}` says so.")
    found = await batches_of(tx, key)
    wanted = {name.strip().upper() for name in names}
    unknown = wanted - {each.batch.name for each in found}
    if unknown:
        raise NotFound(f"Key {key.id} has no batch {', '.join(sorted(unknown))}.")
    return [each for each in found if not wanted or each.batch.name in wanted]


async def reissue(tx: Tx, vault: Vault, batch: Batch, *, actor: str) -> Batch:
    """Order the contents of a stopped batch again, under the brand's new key; said again it is the same order.

    Its number is the old one with `-R1` (`-R2` where that was ordered again, and so on); host, form, spare, layout and
    recipient are the old one's.

    Raises:
        Conflict: the batch's key is not revoked.
        NotFound, Unavailable: as ordering says.
    """
    await keys.lock_all(tx)
    key = await keys.get(tx, batch.key_id)
    if key.state != "revoked":
        raise Conflict(f"Batch {batch.name} is of key {key.id}, which is {key.state}: there is nothing to replace.")
    row = await tx.execute(text("SELECT name FROM batch WHERE reissue_of = :id"), {"id": batch.id})
    known = row.scalar_one_or_none()
    if known is not None:
        return await batches.get(tx, known, brand_id=batch.brand_id)
    made = await batches.order(
        tx,
        vault,
        brand_id=batch.brand_id,
        gtin=batch.gtin,
        count=batch.ordered,
        form=batch.form,
        public_url="/".join(batch.prefix.split("/", 3)[:3]),
        paired=batch.paired,
        order_number=await _free_number(tx, batch),
        actor=actor,
        spare_bp=batch.spare_bp,
        recipient_id=batch.recipient_id,
        layout=batch.layout,
    )
    await tx.execute(text("UPDATE batch SET reissue_of = :old WHERE id = :id"), {"old": batch.id, "id": made.id})
    await audit.record(
        tx,
        brand_id=batch.brand_id,
        actor=actor,
        action="batch.reissue",
        subject=f"batch {batch.name}",
        after={"batch": made.name, "order": made.order_number, "key_id": made.key_id},
    )
    return made


async def _free_number(tx: Tx, batch: Batch) -> str:
    """The old order number with the next suffix that no order has."""
    for candidate in candidates(batch):
        row = await tx.execute(
            text("SELECT 1 FROM batch WHERE brand_id = :brand AND order_number = :number"),
            {"brand": batch.brand_id, "number": candidate},
        )
        if row.scalar_one_or_none() is None:
            return candidate
    raise Conflict(f"Order {batch.order_number!r} was ordered again {REISSUES_MAX} times already.")


def candidates(batch: Batch) -> list[str]:
    """Order numbers for what replaces a batch, in order; one that would be too long gives way to its name. Pure."""
    known = _REISSUED.fullmatch(batch.order_number)
    again = known is not None and int(known[2]) < REISSUES_MAX
    stem, first = (known[1], int(known[2]) + 1) if known and again else (batch.order_number, 1)
    if len(stem) + len(f"-R{REISSUES_MAX}") > batches.ORDER_NUMBER_CHARS_MAX:
        stem = batch.name
    return [f"{stem}-R{number}" for number in range(first, REISSUES_MAX + 1)]


def judge_answer(answer: str) -> None:
    """Refuse an answer that is none.

    Raises:
        InvalidInput: it is none of `ANSWERS`.
    """
    if answer not in ANSWERS:
        raise InvalidInput(f"The answer is {' or '.join(ANSWERS)}, not {answer!r}.", field="answer")
