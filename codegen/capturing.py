"""The line's stream of codes taken in: judged at once, kept as bits, answered code by code.

A capture is up to 2,000 texts under the session's next number. Sent again, it gets its first answer again; a number
that leaves one out is refused, so that none is lost unnoticed. However many codes, the statements are as many.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import text

from codegen import batches, captures, line_sessions, lineset, pairs
from codegen.batches import Batch
from codegen.captures import GOOD, Answer
from codegen.issued import look_up
from codegen.line_sessions import Session
from codegen.lineset import Lines
from codegen.scheme import Ring, VerifiedCode
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput

CODES_MAX: Final = 2_000
"""Codes (or pairs) of one capture."""
REPLIES_KEPT: Final = 100
"""A session's latest captures that can be sent again."""
BLOCK_LINES: Final = 8_192
_BLOCK_BYTES: Final = BLOCK_LINES // 8


@dataclass(frozen=True, slots=True)
class Captured:
    """The answers to a capture, in the order of its texts, and the session's totals after it."""

    session: str
    sequence: int
    answers: list[Answer]
    totals: dict[str, int]


async def capture(
    tx: Tx, ring: Ring, name: str, *, brand_id: int, sequence: int, texts: Sequence[str] | Sequence[tuple[str, str]]
) -> Captured:
    """Take in what was seen: codes, or in a session that pairs, (outer, inner) pairs.

    Args:
        tx: the caller's transaction.
        ring: all keys; signatures are verified in memory, before anything is looked up.
        name: the session's.
        brand_id: whose.
        sequence: the capture's number in the session, from 1.
        texts: codes or URLs as the camera read them.

    Raises:
        InvalidInput: no number, no text, too many, or codes where pairs are wanted and the other way round.
        NotFound: the brand has no such session.
        Conflict: the session is closed; the number was used for something else or leaves some out.
    """
    if not 1 <= len(texts) <= CODES_MAX:
        raise InvalidInput(f"A capture has 1 to {CODES_MAX:,} codes, not {len(texts):,}.", field="codes")
    if sequence < 1:
        raise InvalidInput("Captures of a session are numbered from 1.", field="sequence")
    paired = not isinstance(texts[0], str)
    flat = [each for two in texts for each in two] if paired else [str(each) for each in texts]
    codes = captures.verify(flat, ring)
    session = await line_sessions.lock(tx, name, brand_id=brand_id)
    digest = hashlib.sha256(msgspec.json.encode(texts)).digest()
    if sequence < session.next_sequence:
        return await _again(tx, session, sequence, digest)
    _judge_turn(session, sequence, paired=paired)
    positions = sorted({code.position for code in codes if isinstance(code, VerifiedCode)})
    if paired:
        answers, last_line, pair_id = await _pair(tx, session, codes, positions)
    else:
        answers, last_line = await _count(tx, session, codes, positions)
        pair_id = session.last_pair_id
    totals = Counter(session.totals)
    totals.update(each.verdict for each in answers)
    totals.update(each.remark for each in answers if each.remark)
    done = Captured(session.name, sequence, answers, dict(totals))
    await _remember(tx, session, done, digest, last_line, pair_id)
    return done


def _judge_turn(session: Session, sequence: int, *, paired: bool) -> None:
    if session.state != "open":
        raise Conflict(f"Session {session.name} is closed: open another one.")
    if sequence > session.next_sequence:
        raise Conflict(
            f"Capture {session.next_sequence:,} of session {session.name} is missing: {sequence:,} comes after it.",
            expected=session.next_sequence,
        )
    if paired != (session.inner_batch is not None):
        wanted = "pairs (outer, inner)" if session.inner_batch is not None else "single codes"
        raise InvalidInput(f"Session {session.name} takes {wanted}.", field="codes")


async def _again(tx: Tx, session: Session, sequence: int, digest: bytes) -> Captured:
    """The first answer again."""
    row = await tx.execute(
        text("SELECT body_hash, reply FROM line_capture WHERE session_id = :session AND sequence = :sequence"),
        {"session": session.id, "sequence": sequence},
    )
    found = row.one_or_none()
    if found is None:
        raise Conflict(f"Capture {sequence:,} of session {session.name} was taken; its answer is no longer kept.")
    if bytes(found.body_hash) != digest:
        raise Conflict(f"Capture {sequence:,} of session {session.name} was taken already, with other codes.")
    return msgspec.msgpack.decode(bytes(found.reply), type=Captured)


async def _count(
    tx: Tx, session: Session, codes: Sequence[VerifiedCode | str], positions: list[int]
) -> tuple[list[Answer], int | None]:
    """Judge single codes; those that are new become bits."""
    batch = await batches.get(tx, session.batch, brand_id=session.brand_id)
    issued = await look_up(tx, positions) if positions else {}
    judged = [captures.judge_code(code, issued, batch) for code in codes]
    lines = sorted({each.line for each in judged if each.verdict == GOOD and each.line is not None})
    bits = await _lock_blocks(tx, batch, sorted({_place(line)[0] for line in lines}))
    before, answers = session.last_line, []
    for each in judged:
        if each.verdict != GOOD or each.line is None:
            answers.append(each)
            continue
        block, byte, bit = _place(each.line)
        if bits[block][byte] & bit:
            answers.append(Answer("repeat", each.line, active=each.active))
            continue
        bits[block][byte] |= bit
        answers.append(captures.remark(each, before, session.direction))
        before = each.line
    if bits:
        await tx.execute(
            text("""
                UPDATE captured_block c SET bits = n.bits
                FROM unnest(CAST(:blocks AS integer[]), CAST(:bits AS bytea[])) AS n(block, bits)
                WHERE c.batch_id = :batch AND c.block = n.block"""),
            {"batch": batch.id, "blocks": list(bits), "bits": [bytes(each) for each in bits.values()]},
        )
    return answers, before


def _place(line: int) -> tuple[int, int, int]:
    """Where a line's bit is: block, byte, and the bit."""
    block, rest = divmod(line - 1, BLOCK_LINES)
    return block, rest >> 3, 1 << (rest & 7)


async def _lock_blocks(tx: Tx, batch: Batch, blocks: list[int]) -> dict[int, bytearray]:
    """Blocks of bits, locked in their order, the missing ones made: two cameras at one batch wait for each other."""
    if not blocks:
        return {}
    await tx.execute(
        text("""
            INSERT INTO captured_block (batch_id, block, brand_id, bits)
            SELECT :batch, block, :brand, :empty FROM unnest(CAST(:blocks AS integer[])) AS n(block)
            ON CONFLICT DO NOTHING"""),
        {"batch": batch.id, "brand": batch.brand_id, "empty": bytes(_BLOCK_BYTES), "blocks": blocks},
    )
    rows = await tx.execute(
        text("""
            SELECT block, bits FROM captured_block
            WHERE batch_id = :batch AND block = ANY(CAST(:blocks AS integer[])) ORDER BY block FOR UPDATE"""),
        {"batch": batch.id, "blocks": blocks},
    )
    return {block: bytearray(bits) for block, bits in rows}


async def _pair(
    tx: Tx, session: Session, codes: Sequence[VerifiedCode | str], positions: list[int]
) -> tuple[list[Answer], int | None, int | None]:
    """Judge pairs of codes; good ones become one unit. Both batches are locked, by id."""
    outer = await batches.get(tx, session.batch, brand_id=session.brand_id)
    inner = await batches.get(tx, session.inner_batch or "", brand_id=session.brand_id)
    await tx.execute(
        text("SELECT 1 FROM batch WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE"),
        {"ids": [outer.id, inner.id]},
    )
    await _judge_sides(tx, outer, inner)
    issued = await look_up(tx, positions) if positions else {}
    made: dict[int, int] = {}
    used: set[int] = set()
    answers: list[Answer] = []
    before = session.last_line
    for one, two in zip(codes[::2], codes[1::2], strict=True):
        answer = captures.judge_pair(one, two, issued, outer, inner)
        if answer.verdict == GOOD:
            assert isinstance(one, VerifiedCode)
            assert isinstance(two, VerifiedCode)
            answer = _twice(answer, one, two, made, used)
            if answer.verdict == GOOD:
                made[one.unit_id] = two.unit_id
                used.add(two.unit_id)
                answer = captures.remark(answer, before, session.direction)
                before = answer.line
        answers.append(answer)
    pair_id = session.last_pair_id
    if made:
        pair_id = await pairs.store(
            tx, pairs.runs_of(list(made.items())), brand_id=session.brand_id, outer_batch_id=outer.id,
            inner_batch_id=inner.id, after=pair_id,
        )  # fmt: skip
    return answers, before, pair_id


def _twice(answer: Answer, one: VerifiedCode, two: VerifiedCode, made: dict[int, int], used: set[int]) -> Answer:
    """A pair's answer with regard to those before it in the same capture."""
    if made.get(one.unit_id) == two.unit_id:
        return Answer("repeat", answer.line, answer.inner_line, active=answer.active)
    if one.unit_id in made:
        return Answer("paired", answer.line, answer.inner_line, side="outer")
    if two.unit_id in used:
        return Answer("paired", answer.line, answer.inner_line, side="inner")
    return answer


async def _judge_sides(tx: Tx, outer: Batch, inner: Batch) -> None:
    """Refuse a batch that is outer here and inner elsewhere: a unit has two codes, not a chain of them."""
    row = await tx.execute(
        text("SELECT 1 FROM code_pair WHERE inner_batch_id = :outer OR outer_batch_id = :inner LIMIT 1"),
        {"outer": outer.id, "inner": inner.id},
    )
    if row.scalar_one_or_none() is not None:
        raise Conflict(f"Batch {outer.name} or {inner.name} is paired the other way round already.")


async def _remember(
    tx: Tx, session: Session, done: Captured, digest: bytes, last_line: int | None, pair_id: int | None
) -> None:
    await tx.execute(
        text("""
            INSERT INTO line_capture (session_id, sequence, brand_id, body_hash, reply)
            VALUES (:session, :sequence, :brand, :digest, :reply)"""),
        {
            "session": session.id,
            "sequence": done.sequence,
            "brand": session.brand_id,
            "digest": digest,
            "reply": msgspec.msgpack.encode(done),
        },
    )
    await tx.execute(
        text("""
            UPDATE line_session SET next_sequence = :next, last_line = :line, last_pair_id = :pair,
                totals = CAST(:totals AS jsonb) WHERE id = :id"""),
        {
            "next": done.sequence + 1,
            "line": last_line,
            "pair": pair_id,
            "totals": msgspec.json.encode(done.totals).decode(),
            "id": session.id,
        },
    )
    await tx.execute(
        text("DELETE FROM line_capture WHERE session_id = :id AND sequence <= :old"),
        {"id": session.id, "old": done.sequence - REPLIES_KEPT},
    )


async def lines_of(tx: Tx, batch: Batch) -> Lines:
    """All lines of a batch that a line captured."""
    rows = await tx.execute(
        text("SELECT block, bits FROM captured_block WHERE batch_id = :batch ORDER BY block"), {"batch": batch.id}
    )
    runs: list[tuple[int, int]] = []
    for block, bits in rows:
        seen = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
        edges = np.flatnonzero(np.diff(np.concatenate([[0], seen, [0]])))
        offset = block * BLOCK_LINES
        runs += [
            (offset + first + 1, offset + end)
            for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        ]
    return lineset.of(runs)


async def count_of(tx: Tx, batch: Batch) -> int:
    """How many lines of a batch a line captured."""
    row = await tx.execute(
        text("SELECT coalesce(sum(bit_count(bits)), 0)::bigint FROM captured_block WHERE batch_id = :batch"),
        {"batch": batch.id},
    )
    return int(row.scalar_one())


def plain(answer: Answer) -> dict[str, Any]:
    """An answer as JSON: what there is nothing to say of is left out."""
    return {name: value for name, value in asdict(answer).items() if value not in (None, 0, False) or name == "verdict"}
