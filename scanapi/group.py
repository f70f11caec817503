"""A group of scans in memory: what arrives, what is known of it, what each scan led to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from antifraud.blocklist import Entry
from antifraud.rules import Verdict
from campaigns.awards import Award, Desk
from campaigns.claims import Claim
from codegen.foreign import Listed
from codegen.issued import Issued
from codegen.scheme import VerifiedCode
from kernel.errors import YimaError
from members.ledger import Account
from members.people import Member
from scanapi.sentences import Language
from traceability.catalogue import Shown
from traceability.coordinates import Location
from traceability.regions import Region, Regions
from traceability.scans import Outcome
from traceability.territory import Relation
from traceability.units import UnitState


class Scan(msgspec.Struct, frozen=True):
    """A scan whose code verifies, ready to be judged.

    Attributes:
        scan_id: the client's id for it.
        body_hash: of everything in the request that must be equal in a replay.
        language: for the sentence.
        code: what the code's signature vouches for.
        host: host of the scanned URL, recorded and never relied on.
        member: (member id, brand id) of the bearer, or None.
        device: blind index of the device, or None.
        location: precise place, or None.
        location_source: `gps`, `wechat`, `ip` or `none`.
        location_sealed: the place as received, sealed.
        region: district of the place, or None.
        ip_province: province of the network address, or None.
        data_versions: versions of the data that told the place.
        page: how the page token was (see `antifraud.rules.Facts`).
        listed: what may be a code that others made; `code` then stands for it until the group has found it.
        haste: whose rate of scans is spent (see `antifraud.rules.Facts`).
        unproved: whether work was asked for and none was done.
        blocked: what of a brand's block list is met, by brand id, unit id and batch id; None where nothing is blocked.
    """

    scan_id: UUID
    body_hash: bytes
    language: Language
    code: VerifiedCode
    host: str | None
    member: tuple[int, int] | None
    device: bytes | None
    location: Location | None
    location_source: str
    location_sealed: bytes | None
    region: Region | None
    ip_province: int | None
    data_versions: str | None
    page: Literal["app", "good", "missing", "wrong", "reused"]
    listed: Listed | None = None
    haste: str | None = None
    unproved: bool = False
    blocked: Callable[[int, int, int | None], Entry | None] | None = None

    @property
    def province(self) -> int | None:
        """Province of the precise place, else of the network address, else None."""
        if self.region is not None:
            return (self.region.province or self.region).adcode
        return self.ip_province


Answer = bytes | YimaError
"""The reply as JSON, or the error to be told."""


@dataclass(slots=True)
class Known:
    """Everything fetched for a group; the in-memory part changes as scans are judged in arrival order."""

    at: datetime
    issued: dict[int, Issued]
    homes: dict[UUID, Home]
    units: dict[int, UnitState]
    members: dict[int, Member]
    accounts: dict[tuple[int, str], Account]
    balances: dict[int, int]
    claims: dict[int, Claim]
    relations: dict[UUID, Relation]
    dealers: dict[int, int]  # by unit: to whom it was shipped last
    shown: dict[str, Shown]
    desk: Desk | None
    claim_ids: list[int]
    regions: Regions


class Result(msgspec.Struct):
    """What one scan led to."""

    outcome: Outcome
    reason: str | None = None
    sentence: str | None = None
    verdict: Verdict | None = None
    claim: Claim | None = None
    award: Award | None = None
    yours: bool = False


class Home(msgspec.Struct, frozen=True):
    """The unit that bears a scan's code, and what was issued.

    Where a unit's outer and inner code were paired on the line, it is the outer one's unit, and the pair says which
    side the code is, not the serial.
    """

    issued: Issued
    unit_id: int
    side: str


def home_of(each: Scan, issued: dict[int, Issued]) -> Home | None:
    """Where a code belongs, or None: never issued, or shown under another product's GTIN."""
    known = issued.get(each.code.position)
    if known is None or known.batch_id is None:
        return None
    if each.code.url_gtin is not None and each.code.url_gtin != known.gtin:
        return None
    if known.origin != ("imported" if each.listed else "own"):  # a code derived for somebody else's line
        return None
    return Home(known, known.home(each.code.unit_id), known.mate_side or each.code.side)
