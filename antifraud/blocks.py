"""Block lists: units, batches, members, devices and networks whose scans pay nothing, with reason and expiry.

Each brand has its own. Adding and lifting are in the audit trail; a block ends by itself, too. Devices are named by
their blind index, so that a list holds no device's own name; a device is blocked by one of its scans.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    String,
    Table,
    func,
    text,
)

from antifraud.blocklist import KINDS, WHYS, Entry, Kind, Why
from codegen import batches
from codegen.issued import look_up
from codegen.scheme import MalformedCode
from insights import member_search, scan_search, scan_story
from kernel import audit
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx, metadata
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany

REASON_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 400
DAYS_MAX: Final = 3_650
BLOCKS_MAX: Final = 10_000
"""Of one brand at a time: every process keeps them in memory."""
LISTED_MAX: Final = 1_000
BITS_MIN: Final = {4: 16, 6: 32}
"""Wider networks are whole cities and providers: to block them is never meant."""

_LINE: Final = re.compile(r"([0-9A-Za-z]{1,20})[:/]([1-9][0-9]{0,9})", re.ASCII)

_DEVICE: Final = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)

block = Table(
    "block",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("key", String(64), nullable=False),
    Column("label", String(80), nullable=False),
    Column("why", String(8), nullable=False),
    Column("reason", String(REASON_CHARS_MAX), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("lifted_by", String(80)),
    Column("lifted_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('unit', 'batch', 'member', 'device', 'network')", name="kind"),
    CheckConstraint("why IN ('copied', 'abuse', 'stolen', 'other')", name="why"),
    CheckConstraint("(lifted_by IS NULL) = (lifted_at IS NULL)", name="lifted"),
    Index("ix_block_brand_id", "brand_id", "id"),
    Index("ix_block_standing", "until", postgresql_where=text("lifted_at IS NULL")),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block, standing or past. `label` names the thing as people do; `reason` is the brand's own and told nobody."""

    id: int
    brand_id: int
    kind: Kind
    key: str
    label: str
    why: Why
    reason: str
    until: datetime
    actor: str
    made_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None

    def stands(self, at: datetime) -> bool:
        """Whether it holds at a moment."""
        return self.lifted_at is None and at < self.until


_COLUMNS: Final = "id, brand_id, kind, key, label, why, reason, until, actor, made_at, lifted_by, lifted_at"


async def add(
    tx: Tx, vault: Vault, *, brand_id: int, kind: str, what: str, why: str, reason: str, days: int, actor: str
) -> Block:
    """Put something on the brand's list.

    Args:
        tx: the transaction.
        vault: opens code keys, where a unit is named by its code.
        brand_id: whose list.
        kind: `unit`, `batch`, `member`, `device` or `network`.
        what: a code or BATCH:LINE, a batch's name, a member's id, the id of a scan by the device (or its
            blind index in 32 hexadecimal digits), or a CIDR.
        why: the class of reason that the consumer is told.
        reason: the brand's own words.
        days: how long, from now on.
        actor: who.

    Raises:
        InvalidInput: a value is none of its kind; the detail `field` names it.
        NotFound: the brand has no such thing.
        Conflict: it is blocked already.
        TooMany: 10,000 blocks stand.
    """
    if kind not in KINDS:
        raise InvalidInput(f"kind is one of {', '.join(KINDS)}.", field="kind")
    if why not in WHYS:
        raise InvalidInput(f"why is one of {', '.join(WHYS)}.", field="why")
    if not 1 <= len(reason.strip()) <= REASON_CHARS_MAX or not reason.isprintable():
        raise InvalidInput(f"A reason has 1 to {REASON_CHARS_MAX} characters on one line.", field="reason")
    if not 1 <= days <= DAYS_MAX:
        raise InvalidInput(f"A block holds 1 to {DAYS_MAX:,} days.", field="days")
    key, label = await _resolve(tx, vault, brand_id, kind, what.strip())
    # One addition at a time, so that nothing is blocked twice and the number holds. Foreign keys do not wait for it.
    await tx.execute(text("SELECT 1 FROM brand WHERE id = :brand FOR NO KEY UPDATE"), {"brand": brand_id})
    at = now()
    standing = await tx.execute(
        text("""
            SELECT count(*), max(id) FILTER (WHERE kind = :kind AND key = :key) FROM block
            WHERE brand_id = :brand AND lifted_at IS NULL AND until > :at"""),
        {"brand": brand_id, "kind": kind, "key": key, "at": at},
    )
    many, same = standing.one()
    if same is not None:
        raise Conflict(f"Block {same} holds for {kind} {label} already: lift it first.", field="what")
    if many >= BLOCKS_MAX:
        raise TooMany(f"The brand has {BLOCKS_MAX:,} blocks, which is as many as there may be: lift some first.")
    made = await tx.execute(
        text(f"""
            INSERT INTO block (brand_id, kind, key, label, why, reason, until, actor, made_at)
            VALUES (:brand, :kind, :key, :label, :why, :reason, :until, :actor, :at) RETURNING {_COLUMNS}"""),  # noqa: S608 (constants above)
        {
            "brand": brand_id,
            "kind": kind,
            "key": key,
            "label": label,
            "why": why,
            "reason": reason.strip(),
            "until": at + timedelta(days=days),
            "actor": actor,
            "at": at,
        },
    )
    found = Block(*made.one())
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="block.add",
        subject=f"{kind} {label}",
        after={"block": found.id, "why": why, "reason": found.reason, "until": found.until.isoformat()},
    )
    return found


async def lift(tx: Tx, block_id: int, *, brand_id: int, actor: str) -> Block:
    """Take a block off the brand's list. Again: changes nothing.

    Raises:
        NotFound: the brand has no such block.
    """
    row = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM block WHERE id = :id AND brand_id = :brand FOR UPDATE"),  # noqa: S608 (constants above)
        {"id": block_id, "brand": brand_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"The brand has no block {block_id}.")
    if found.lifted_at is not None:
        return Block(*found)
    lifted = await tx.execute(
        text(f"UPDATE block SET lifted_by = :actor, lifted_at = :at WHERE id = :id RETURNING {_COLUMNS}"),  # noqa: S608 (constants above)
        {"id": block_id, "actor": actor, "at": now()},
    )
    after = Block(*lifted.one())
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="block.lift",
        subject=f"{after.kind} {after.label}",
        before={"block": after.id, "why": after.why, "reason": after.reason, "until": after.until.isoformat()},
    )
    return after


async def list_of(tx: Tx, *, brand_id: int, past: bool = False) -> list[Block]:
    """The brand's blocks that stand, or those that ended or were lifted; the latest first, at most 1,000."""
    which = "(lifted_at IS NOT NULL OR until <= :at)" if past else "lifted_at IS NULL AND until > :at"
    rows = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM block WHERE brand_id = :brand AND {which} ORDER BY id DESC LIMIT :most"),  # noqa: S608 (constants above)
        {"brand": brand_id, "at": now(), "most": LISTED_MAX},
    )
    return [Block(*row) for row in rows]


async def mark(tx: Tx) -> tuple[object, ...]:
    """What differs whenever a list was changed."""
    found = await tx.execute(
        text("SELECT (SELECT max(id) FROM block), (SELECT count(*) FROM block WHERE lifted_at IS NULL)")
    )
    return tuple(found.one())


async def load(tx: Tx) -> list[Entry]:
    """All that stands, of every brand."""
    rows = await tx.execute(
        text("SELECT brand_id, kind, key, why, until FROM block WHERE lifted_at IS NULL AND until > :at"),
        {"at": now()},
    )
    return [Entry(*row) for row in rows]


async def _resolve(tx: Tx, vault: Vault, brand_id: int, kind: Kind, what: str) -> tuple[str, str]:
    """What is meant, as a key and as people name it."""
    if not 1 <= len(what) <= TEXT_CHARS_MAX or not what.isprintable():
        raise InvalidInput(f"what has 1 to {TEXT_CHARS_MAX} characters.", field="what")
    if kind == "network":
        network = parse_network(what)
        return str(network), str(network)
    if kind == "member":
        member = await member_search.find(tx, brand_id=brand_id, public_id=what.upper()) if what.isalnum() else None
        if member is None:
            raise NotFound(f"The brand has no member {what[:20]!r}.", field="what")
        return str(member.id), member.public_id
    if kind == "device":
        return await _resolve_device(tx, brand_id, what)
    if kind == "batch":
        batch = await _batch(tx, brand_id, what)
        return str(batch.id), batch.name
    return await _resolve_unit(tx, vault, brand_id, what)


async def _batch(tx: Tx, brand_id: int, name: str) -> batches.Batch:
    try:
        return await batches.get(tx, name, brand_id=brand_id)
    except NotFound as error:
        raise NotFound(f"The brand has no batch {name[:20]!r}.", field="what") from error


async def _resolve_unit(tx: Tx, vault: Vault, brand_id: int, what: str) -> tuple[str, str]:
    named = _LINE.fullmatch(what)
    if named is not None:
        batch, line = await _batch(tx, brand_id, named[1]), int(named[2])
        if line > batch.count:
            raise InvalidInput(f"Batch {batch.name} has {batch.count:,} lines.", field="what")
        position = 2 * batch.unit_id(line)
        issued = (await look_up(tx, [position], listed=[position] if batch.origin == "imported" else [])).get(position)
    else:
        try:
            verified = await scan_story.verify(tx, vault, brand_id=brand_id, given=what)
        except MalformedCode as error:
            raise InvalidInput("A unit is named by its code or as BATCH:LINE.", field="what") from error
        position = -1 if verified is None else verified
        issued = None if verified is None else (await look_up(tx, [position])).get(position)
    if issued is None or issued.batch_id is None:
        raise NotFound("This is no code that the brand issued.", field="what")
    # where two batches' codes were paired, the unit is known by its outer one
    return str(issued.home(position >> 1)), f"{issued.batch}:{issued.line}"


async def _resolve_device(tx: Tx, brand_id: int, what: str) -> tuple[str, str]:
    if _DEVICE.fullmatch(what):  # as an alarm names it
        return what.lower(), what.lower()[:6]
    try:
        scan_id = UUID(what)
    except ValueError as error:
        raise InvalidInput("A device is named by the id of a scan that it made.", field="what") from error
    scan = await scan_search.find(tx, brand_id=brand_id, scan_id=scan_id, at=None)
    if scan is None or scan.device is None:
        raise NotFound(f"The brand has no scan {scan_id} by a device.", field="what")
    return bytes(scan.device).hex(), bytes(scan.device).hex()[:6]


def parse_network(what: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network to block: an address or a CIDR without host bits.

    Raises:
        InvalidInput: it is none, or wider than may be blocked.
    """
    try:
        network = ipaddress.ip_network(what)
    except ValueError as error:
        raise InvalidInput(
            f"{what[:60]!r} is no network, such as 203.0.113.0/24 or 2001:db8::/48.", field="what"
        ) from error
    if network.prefixlen < BITS_MIN[network.version]:
        raise InvalidInput(
            f"A network to block is at most a /{BITS_MIN[network.version]} of IPv{network.version}.", field="what"
        )
    return network
