"""One scan's whole story: how it was verified, what it brought, what else happened to its unit, what was told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from codegen import base32, keys, scheme
from codegen.issued import Issued, look_up
from codegen.scheme import Sealer
from insights import scan_search
from insights.scan_search import ScanLine
from kernel.crypto import Vault
from kernel.db import Tx

MASK = "*"
_SHOWN_BEFORE, _SHOWN_AFTER = 4, 2


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """A claim of the unit: whose, by which scan, in what state."""

    id: int
    member: str
    scan_id: UUID
    at: datetime
    state: str
    reason: str | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Booked:
    """A ledger entry that a claim brought, with the lot it made."""

    at: datetime
    kind: str
    currency: str
    amount: int
    rule_id: int
    rule_version: int
    left: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entered:
    """A draw entry that a claim brought; prize names are None where it won nothing."""

    draw: str
    title: str
    title_en: str
    number: int
    at: datetime
    prize: str | None
    prize_en: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A shipment that the unit's carton went with."""

    sscc: str
    document: str
    dealer: str
    adcode: int
    shipped_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What the client was told: the reply as sent, for as long as replies are kept."""

    outcome: str
    message: str
    points: int
    balance: int | None
    prizes: list[str]


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a scan.

    Attributes:
        scan: the journal's row.
        key_id: the code key.
        masked: the code, so masked that it is no use as one.
        issued: batch and the states that hold for the unit now; None where the key is not known.
        claim: the claim that this scan made.
        standing: the unit's claim that stands, where it is another.
        booked: ledger entries of the claim.
        entered: draw entries of the claim.
        scans: the unit's scans, the newest first.
        more: whether it has more.
        carton: its SSCC.
        shipments: the newest first.
        told: None where the reply is no longer kept.
    """

    scan: ScanLine
    key_id: int
    masked: str
    issued: Issued | None
    claim: ClaimSeen | None
    standing: ClaimSeen | None
    booked: list[Booked]
    entered: list[Entered]
    scans: list[ScanLine]
    more: bool
    carton: str | None
    shipments: list[Sent]
    told: Told | None


async def tell(tx: Tx, vault: Vault, *, brand_id: int, scan_id: UUID, at: datetime | None) -> Story | None:
    """The story of a brand's scan, in a fixed number of statements; None where there is no such scan."""
    scan = await scan_search.find(tx, brand_id=brand_id, scan_id=scan_id, at=at)
    if scan is None:
        return None
    position = 2 * scan.unit_id + (scan.side == "inner")
    # what the journal tells of was found then, whoever made the code
    issued = (await look_up(tx, [position])).get(position)
    if issued is None or issued.batch_id is None:
        issued = (await look_up(tx, [position], listed=[position])).get(position)
    claims = await _claims(tx, brand_id, scan)
    mine = next((claim for claim in claims if claim.scan_id == scan_id), None)
    others = (claim for claim in claims if claim.state != "voided" and claim.scan_id != scan_id)
    scans, more = await scan_search.of_unit(tx, brand_id=brand_id, unit_id=scan.unit_id)
    carton, shipments = await _shipments(tx, brand_id, scan.unit_id)
    return Story(
        scan=scan,
        key_id=scan.unit_id >> 34,
        masked=MASK * scheme.SYMBOLS
        if issued is not None and issued.origin == "imported"
        else await masked(tx, vault, brand_id=brand_id, position=_borne(scan, issued, position)),
        issued=issued,
        claim=mine,
        standing=next(others, None),
        booked=await _booked(tx, brand_id, mine) if mine is not None else [],
        entered=await _entered(tx, brand_id, mine) if mine is not None else [],
        scans=scans,
        more=more,
        carton=carton,
        shipments=shipments,
        told=await _told(tx, brand_id, scan_id),
    )


async def verify(tx: Tx, vault: Vault, *, brand_id: int, given: str) -> int | None:
    """The position (key id << 35 | serial) of a code or URL that one of the brand's own keys made; else None.

    Raises:
        MalformedCode: the text is no code at all.
    """
    parsed = scheme.parse(given)
    sealer = await _sealer(tx, vault, brand_id, parsed.key_id)
    serial = None if sealer is None else sealer.open(parsed.symbols)
    return None if serial is None else parsed.key_id << scheme.SERIAL_BITS | serial


def _borne(scan: ScanLine, issued: Issued | None, position: int) -> int:
    """The position of the code that was scanned: of a unit whose codes are of two batches, the inner one's own."""
    mate = None if issued is None or issued.paired else issued.mate_id
    return position if mate is None or scan.side == "outer" else 2 * mate


async def masked(tx: Tx, vault: Vault, *, brand_id: int, position: int) -> str:
    """A code of which the key, two symbols of the serial and the last two of the tag are left to be compared."""
    sealer = await _sealer(tx, vault, brand_id, position >> scheme.SERIAL_BITS)
    if sealer is None:
        return MASK * scheme.SYMBOLS
    code = sealer.seal(position & scheme.SERIALS_MAX - 1)
    hidden = MASK * (scheme.SYMBOLS - _SHOWN_BEFORE - _SHOWN_AFTER)
    return code[:_SHOWN_BEFORE] + hidden + code[-_SHOWN_AFTER:]


def key_symbols(key_id: int) -> str:
    """The two symbols with which every code of a key begins."""
    return base32.encode(key_id, 2)


async def _sealer(tx: Tx, vault: Vault, brand_id: int, key_id: int) -> Sealer | None:
    key = await keys.find(tx, vault, key_id, brand_id=brand_id)
    return None if key is None else Sealer(key)


async def _claims(tx: Tx, brand_id: int, scan: ScanLine) -> list[ClaimSeen]:
    rows = await tx.execute(
        text("""
            SELECT c.id, m.public_id, c.scan_id, c.at, c.state, c.reason, c.settled_at
            FROM claim c JOIN member m ON m.id = c.member_id
            WHERE c.brand_id = :brand AND ((c.unit_id = :unit AND c.state <> 'voided') OR c.scan_id = :scan)
            ORDER BY c.id DESC"""),
        {"unit": scan.unit_id, "scan": scan.scan_id, "brand": brand_id},
    )
    return [ClaimSeen(*row) for row in rows]


async def _booked(tx: Tx, brand_id: int, claim: ClaimSeen) -> list[Booked]:
    rows = await tx.execute(
        text("""
            SELECT j.at, e.kind, a.currency, e.amount, e.rule_id, e.rule_version, l."left", l.expires_at
            FROM account a
            JOIN entry e ON e.account_id = a.id AND e.cause_kind = 'claim' AND e.cause_id = :claim
            JOIN journal j ON j.id = e.journal_id
            LEFT JOIN lot l ON l.journal_id = j.id AND l.account_id = a.id
            WHERE a.member_id = (SELECT id FROM member WHERE public_id = :member AND brand_id = :brand)
            ORDER BY e.id"""),
        {"claim": str(claim.id), "member": claim.member, "brand": brand_id},
    )
    return [Booked(*row) for row in rows]


async def _entered(tx: Tx, brand_id: int, claim: ClaimSeen) -> list[Entered]:
    rows = await tx.execute(
        text("""
            SELECT d.name, d.rules, e.number, e.at, e.prize_id
            FROM draw_entry e JOIN draw d ON d.id = e.draw_id
            WHERE e.member_id = (SELECT id FROM member WHERE public_id = :member AND brand_id = :brand)
                AND e.claim_id = :claim ORDER BY d.id, e.number"""),
        {"claim": claim.id, "member": claim.member, "brand": brand_id},
    )
    found = []
    for name, rules, number, at, prize_id in rows:
        prize: dict[str, Any] = next((each for each in rules["prizes"] if each["id"] == prize_id), {})
        names = (prize.get("name_zh"), prize.get("name_en"))
        found.append(Entered(name, rules["name_zh"], rules["name_en"], number, at, *names))
    return found


async def _shipments(tx: Tx, brand_id: int, unit_id: int) -> tuple[str | None, list[Sent]]:
    rows = await tx.execute(
        text("""
            SELECT l.sscc, h.document, d.name, h.adcode, h.shipped_at
            FROM logistic_unit l
            LEFT JOIN shipment_line n ON n.sscc = l.sscc
            LEFT JOIN shipment h ON h.id = n.shipment_id
            LEFT JOIN dealer d ON d.id = h.dealer_id
            WHERE l.brand_id = :brand AND (l.sscc IN (SELECT x.sscc FROM carton_exception x WHERE x.unit_id = :unit)
                OR (l.units @> CAST(:unit AS bigint)
                    AND NOT EXISTS (SELECT 1 FROM carton_exception x WHERE x.unit_id = :unit)))
            ORDER BY h.shipped_at DESC NULLS LAST, h.id DESC LIMIT 20"""),
        {"unit": unit_id, "brand": brand_id},
    )
    found = rows.all()
    return (found[0][0] if found else None), [Sent(*row) for row in found if row[1] is not None]


async def _told(tx: Tx, brand_id: int, scan_id: UUID) -> Told | None:
    row = await tx.execute(
        text("SELECT reply FROM scan_replay WHERE scan_id = :scan AND brand_id = :brand"),
        {"scan": scan_id, "brand": brand_id},
    )
    reply = row.scalar_one_or_none()
    if reply is None:
        return None
    said = json.loads(reply)
    prizes = [prize["name"] for prize in said["prizes"]]
    return Told(said["outcome"], said["message"], said["points"], said["balance"], prizes)
