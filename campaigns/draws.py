"""Lucky draws as stored: published with their commitment, entered, closed, proven (DESIGN §7).

The seed is stored sealed from the moment it is made; no command shows it before the draw is closed. Entry
numbers are positions in the shard's gapless log, given under the lock of the shard's row inside the claim's
own transaction. Locks: draw shards and prizes come last, after units and members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from campaigns import fairness, proofs
from campaigns.documents import rules_hash
from campaigns.rules import DrawRules
from kernel import audit, ids
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Statement, Tx, encode_rows
from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.writes import Part, Writes

DAY = timezone(timedelta(hours=8))
"""Days of per-day limits are China's."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A published draw. `name` is its public id and part of what every roll is made from."""

    id: int
    name: str
    brand_id: int
    rules: DrawRules
    rules_hash: str
    seed_commitment: str
    published_at: datetime
    closed_at: datetime | None
    entries: int
    prizes_left: dict[int, int]


async def publish(
    tx: Tx,
    vault: Vault,
    *,
    brand_id: int,
    rules: DrawRules,
    actor: str,
    name: str | None = None,
    seed: bytes | None = None,
) -> Draw:
    """Publish a draw: from here on its rules and its seed's commitment are fixed.

    Args:
        tx: the caller's transaction.
        vault: seals the seed.
        brand_id: whose draw.
        rules: the rules, final.
        actor: who publishes, for the audit trail.
        name: the draw's public id; a random one by default.
        seed: for repeatable stories in development only; by default 32 random bytes.

    Raises:
        InvalidInput: more than one shard (the claim's path uses one), or a draw that opens before now.
        Conflict: the name is taken.
    """
    if rules.shards != 1:
        raise InvalidInput("draw rules, shards: must be 1; entries of one draw are one log.", field="shards")
    published_at = now()
    if rules.opens_at < published_at:
        raise InvalidInput(
            "draw rules, opens_at: lies before the publication, which must come first.", field="opens_at"
        )
    seed = fairness.new_seed() if seed is None else seed
    name = ids.public_id(10) if name is None else name
    document = rules.to_document()
    digest = rules_hash(document)
    commitment = fairness.commitment(seed)
    row = await tx.execute(
        text("""
            INSERT INTO draw (name, brand_id, rules, rules_hash, seed_commitment, seed_sealed,
                opens_at, closes_at, published_at)
            VALUES (:name, :brand, CAST(:rules AS jsonb), :hash, :commitment, :sealed, :opens, :closes, :at)
            ON CONFLICT DO NOTHING RETURNING id"""),
        {
            "name": name,
            "brand": brand_id,
            "rules": msgspec.json.encode(document).decode(),
            "hash": digest,
            "commitment": commitment,
            "sealed": vault.seal(seed, f"draw/{name}"),
            "opens": rules.opens_at,
            "closes": rules.closes_at,
            "at": published_at,
        },
    )
    draw_id = row.scalar_one_or_none()
    if draw_id is None:
        raise Conflict(f"There is a draw {name!r} already.")
    await tx.execute(
        text("INSERT INTO draw_shard (brand_id, draw_id, shard, head) VALUES (:brand, :draw, 0, :head)"),
        {"brand": brand_id, "draw": draw_id, "head": fairness.genesis(name, 0, commitment, digest)},
    )
    await tx.execute(
        text("""
            INSERT INTO prize (brand_id, draw_id, id, stock, "left")
            SELECT :brand, :draw, n.id, n.stock, n.stock
            FROM unnest(CAST(:ids AS smallint[]), CAST(:stocks AS integer[])) AS n(id, stock)"""),
        {
            "brand": brand_id,
            "draw": draw_id,
            "ids": [prize.id for prize in rules.prizes],
            "stocks": [prize.stock for prize in rules.prizes],
        },
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="draw.publish",
        subject=f"draw {name}",
        after={"rules_hash": digest, "seed_commitment": commitment},
    )
    return await get(tx, name)


_SELECT = """
    SELECT d.id, d.name, d.brand_id, d.rules, d.rules_hash, d.seed_commitment, d.published_at, d.closed_at,
        (SELECT sum(s.entries) FROM draw_shard s WHERE s.draw_id = d.id),
        (SELECT jsonb_object_agg(p.id, p."left") FROM prize p WHERE p.draw_id = d.id)
    FROM draw d
"""


def _draw(row: Any) -> Draw:  # noqa: ANN401 (a result row)
    values = list(row)
    values[3] = DrawRules.from_document(values[3])
    values[8] = int(values[8])
    values[9] = {int(prize): left for prize, left in values[9].items()}
    return Draw(*values)


async def get(tx: Tx, name: str) -> Draw:
    """A draw by its public id.

    Raises:
        NotFound: there is none.
    """
    row = None
    if name.isprintable():  # a NUL is no text of PostgreSQL
        row = (await tx.execute(text(_SELECT + "WHERE d.name = :name"), {"name": name})).one_or_none()
    if row is None:
        raise NotFound(f"There is no draw {name!r}; `yima draw list` names them.")
    return _draw(row)


async def list_all(tx: Tx, *, brand_id: int | None = None) -> list[Draw]:
    """Draws, the newest first; of one brand or of all."""
    rows = await tx.execute(
        text(_SELECT + "WHERE d.brand_id = coalesce(CAST(:brand AS bigint), d.brand_id) ORDER BY d.id DESC"),
        {"brand": brand_id},
    )
    return [_draw(row) for row in rows]


async def close(tx: Tx, name: str, *, actor: str) -> Draw:
    """Close a draw: no entry is possible afterwards, and its proof may be published. Again: changes nothing."""
    draw = await get(tx, name)
    # waits for claims that hold the shard; those that wait for us find it closed
    await tx.execute(text("UPDATE draw_shard SET open = false WHERE draw_id = :draw"), {"draw": draw.id})
    closed = await tx.execute(
        text("UPDATE draw SET closed_at = :at WHERE id = :draw AND closed_at IS NULL"),
        {"draw": draw.id, "at": now()},
    )
    if closed.rowcount:
        await audit.record(tx, brand_id=draw.brand_id, actor=actor, action="draw.close", subject=f"draw {draw.name}")
    return await get(tx, name)


async def entry_of(tx: Tx, name: str, scan_id: UUID) -> tuple[int, int | None] | None:
    """A claim's entry by its receipt, the scan id: its number and the prize's id or None. None: it never entered."""
    row = await tx.execute(
        text("""
            SELECT e.number, e.prize_id FROM draw_entry e JOIN draw d ON d.id = e.draw_id
            JOIN claim c ON c.id = e.claim_id WHERE d.name = :name AND c.scan_id = :scan"""),
        {"name": name, "scan": scan_id},
    )
    found = row.one_or_none()
    return None if found is None else (found[0], found[1])


async def close_due(tx: Tx) -> int:
    """Close draws whose announced end has passed; returns how many."""
    due = await tx.execute(text("SELECT name FROM draw WHERE closed_at IS NULL AND closes_at <= now() ORDER BY id"))
    names = list(due.scalars())
    for name in names:
        await close(tx, name, actor="schedule")
    return len(names)


async def proof(tx: Tx, vault: Vault, name: str) -> dict[str, object]:
    """The proof of a closed draw, with the seed revealed.

    Raises:
        Conflict: the draw is still open; its seed is nobody's to see.
    """
    draw = await get(tx, name)
    if draw.closed_at is None:
        raise Conflict(f"Draw {name} is open until it is closed; there is no proof before.")
    sealed = await tx.execute(text("SELECT seed_sealed FROM draw WHERE id = :id"), {"id": draw.id})
    seed = vault.open(sealed.scalar_one(), f"draw/{draw.name}")
    shards = await tx.execute(
        text("SELECT shard, head FROM draw_shard WHERE draw_id = :id ORDER BY shard"), {"id": draw.id}
    )
    logs = []
    for shard, head in shards.all():
        entries = await tx.execute(
            text("""
                SELECT number, entrant, prize_id FROM draw_entry
                WHERE draw_id = :id AND shard = :shard ORDER BY number"""),
            {"id": draw.id, "shard": shard},
        )
        logs.append(proofs.ShardLog(shard, [(row[0], row[1], row[2]) for row in entries], bytes(head)))
    return proofs.build(
        draw=draw.name,
        rules=draw.rules.to_document(),
        rules_hash=draw.rules_hash,
        seed_commitment=draw.seed_commitment,
        published_at=draw.published_at,
        seed=seed,
        closed_at=draw.closed_at,
        shards=logs,
        prizes_left=draw.prizes_left,
    )


_Key = tuple[int, str, str]
_opened: dict[_Key, tuple[DrawRules, fairness.Roller]] = {}
"""What never changes of a published draw, by its id, the hash of its rules and the commitment to its seed."""
_OPENED_MAX: Final = 1_024


@dataclass(slots=True)
class OpenDraw:
    """A draw whose shard and prizes the caller's transaction has locked."""

    id: int
    name: str
    brand_id: int
    rules: DrawRules
    roller: fairness.Roller
    entries: int
    head: bytes
    left: dict[int, int]


# One statement locks a draw's shard and then its prizes: in the same order everywhere, and the values of both are those
# under the lock.
_LOCK: Final = Statement("""
    SELECT d.id, d.name, d.brand_id, d.rules_hash, d.seed_commitment, s.entries, s.head, p.id, p."left"
    FROM draw d JOIN draw_shard s ON s.draw_id = d.id JOIN prize p ON p.draw_id = d.id
    WHERE d.brand_id = ANY(CAST(:brands AS bigint[])) AND d.closed_at IS NULL AND s.open
        AND d.opens_at <= CAST(:at AS timestamptz) AND d.closes_at > CAST(:at AS timestamptz)
    ORDER BY d.id, s.shard, p.id FOR UPDATE OF s, p
""")


async def lock_open(tx: Tx, vault: Vault, brand_ids: Sequence[int], *, at: datetime) -> list[OpenDraw]:
    """Lock the open draws of some brands with their prizes, in one statement; one more where a draw is new to us."""
    rows = await _LOCK.fetch(tx, {"brands": list(brand_ids), "at": at})
    await _open_new(tx, vault, {row[0]: (row[0], row[3], row[4]) for row in rows})
    opened: dict[int, OpenDraw] = {}
    for draw_id, name, brand_id, digest, commitment, entries, head, prize_id, left in rows:
        if draw_id not in opened:
            rules, roller = _opened[draw_id, digest, commitment]
            opened[draw_id] = OpenDraw(draw_id, name, brand_id, rules, roller, entries, bytes(head), {})
        opened[draw_id].left[prize_id] = left
    return list(opened.values())


async def _open_new(tx: Tx, vault: Vault, wanted: Mapping[int, _Key]) -> None:
    """Read the rules of draws that this process has not met, and open their seeds."""
    missing = {draw_id: key for draw_id, key in wanted.items() if key not in _opened}
    if not missing:
        return
    rows = await tx.execute(
        text("SELECT id, name, rules, seed_sealed FROM draw WHERE id = ANY(CAST(:draws AS bigint[]))"),
        {"draws": list(missing)},
    )
    if len(_opened) + len(missing) > _OPENED_MAX:
        for key in [key for key in _opened if key not in wanted.values()]:
            del _opened[key]
    for draw_id, name, rules, sealed in rows:
        roller = fairness.Roller(vault.open(sealed, f"draw/{name}"), name, 0)
        _opened[missing[draw_id]] = DrawRules.from_document(rules), roller


class PersonEntries(msgspec.Struct):
    """How often a member has entered a draw: ever, and today."""

    ever: int = 0
    today: int = 0


async def entries_of(
    tx: Tx, draws: Sequence[OpenDraw], member_ids: Sequence[int], *, at: datetime
) -> dict[tuple[int, int], PersonEntries]:
    """Entries by (draw id, member id) in draws that limit them, in one statement."""
    local = at.astimezone(DAY)
    day_start = local.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = await tx.execute(
        text("""
            SELECT draw_id, member_id, count(*), count(*) FILTER (WHERE at >= :day) FROM draw_entry
            WHERE member_id = ANY(CAST(:members AS bigint[])) AND draw_id = ANY(CAST(:draws AS bigint[]))
            GROUP BY draw_id, member_id"""),
        {"members": list(member_ids), "draws": [draw.id for draw in draws], "day": day_start},
    )
    return {(row[0], row[1]): PersonEntries(row[2], row[3]) for row in rows}


class Entry(msgspec.Struct, frozen=True):
    """One entry to be written: its number, who, and what it won."""

    draw: OpenDraw
    number: int
    claim_id: int
    member_id: int
    entrant: str
    prize_id: int | None


class _Row(msgspec.Struct, frozen=True):
    """An entry as the statement below reads it."""

    draw: int
    number: int
    brand: int
    claim: int
    member: int
    entrant: str
    prize: int | None


_WRITE: Final = Part("""draw_rows AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:draw_entries AS json)) AS n(draw bigint, number bigint, brand bigint,
            claim bigint, member bigint, entrant text, prize smallint)
    ), draw_entries AS (
        INSERT INTO draw_entry (draw_id, shard, number, brand_id, claim_id, member_id, entrant, prize_id, at)
        SELECT draw, 0, number, brand, claim, member, entrant, prize, CAST(:draw_at AS timestamptz) FROM draw_rows
    ), draw_wins AS (
        INSERT INTO prize_award (brand_id, draw_id, shard, number, prize_id, member_id, at)
        SELECT brand, draw, 0, number, prize, member, CAST(:draw_at AS timestamptz) FROM draw_rows
        WHERE prize IS NOT NULL
    ), draw_stock AS (
        UPDATE prize SET "left" = "left" - t.taken
        FROM (SELECT draw, prize, count(*)::integer AS taken FROM draw_rows WHERE prize IS NOT NULL
              GROUP BY draw, prize) t
        WHERE prize.draw_id = t.draw AND prize.id = t.prize
    ), draw_heads AS (
        UPDATE draw_shard SET entries = h.entries, head = h.head
        FROM unnest(CAST(:draw_ids AS bigint[]), CAST(:draw_counts AS bigint[]), CAST(:draw_heads AS bytea[]))
            AS h(draw, entries, head)
        WHERE draw_shard.draw_id = h.draw AND draw_shard.shard = 0
    )""")


def write_entries(writes: Writes, entries: Sequence[Entry], *, at: datetime) -> None:
    """Write a group's entries, awards, stocks and heads."""
    if not entries:
        return
    touched = list({entry.draw.id: entry.draw for entry in entries}.values())
    rows = [_Row(e.draw.id, e.number, e.draw.brand_id, e.claim_id, e.member_id, e.entrant, e.prize_id) for e in entries]
    writes.add(
        _WRITE,
        {
            "draw_entries": encode_rows(rows),
            "draw_at": at,
            "draw_ids": [draw.id for draw in touched],
            "draw_counts": [draw.entries for draw in touched],
            "draw_heads": [draw.head for draw in touched],
        },
    )


@dataclass(frozen=True, slots=True)
class Prize:
    """A prize that a member has won."""

    draw: str
    entry: int
    prize_id: int
    name_zh: str
    name_en: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a member has: points, claims that wait to be paid, prizes (the newest 100 first)."""

    balance: int
    qualifying: int
    pending: int
    prizes: list[Prize]


async def holdings(tx: Tx, *, member_id: int) -> Holdings:
    """What a member has."""
    row = await tx.execute(
        text("""
            SELECT coalesce(sum(balance) FILTER (WHERE currency = 'spendable'), 0),
                coalesce(sum(balance) FILTER (WHERE currency = 'qualifying'), 0),
                (SELECT count(*) FROM claim c WHERE c.member_id = :member AND c.state = 'pending')
            FROM account WHERE member_id = :member"""),
        {"member": member_id},
    )
    balance, qualifying, pending = row.one()
    won = await tx.execute(
        text("""
            SELECT d.name, a.number, a.prize_id, a.state, a.at, d.rules FROM prize_award a
            JOIN draw d ON d.id = a.draw_id WHERE a.member_id = :member ORDER BY a.id DESC LIMIT 100"""),
        {"member": member_id},
    )
    prizes = []
    for name, number, prize_id, state, at, rules in won:
        names = next(prize for prize in rules["prizes"] if prize["id"] == prize_id)
        prizes.append(Prize(name, number, prize_id, names["name_zh"], names["name_en"], state, at))
    return Holdings(int(balance), int(qualifying), pending, prizes)
