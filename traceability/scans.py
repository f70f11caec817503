"""The words of a scan, shared by the API, the pages and the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec


class Outcome(StrEnum):
    """What a scan led to, in order of precedence (DESIGN §4)."""

    MALFORMED = "malformed"
    FORGED = "forged"
    VOIDED = "voided"
    INACTIVE = "inactive"
    REPEAT = "repeat"
    TAKEN = "taken"
    REFUSED = "refused"
    HELD = "held"
    AWARDED = "awarded"
    AUTHENTIC = "authentic"


class ScanRequest(msgspec.Struct, frozen=True):
    """A scan as it arrives, from the API or from a page; nothing in it is trusted yet.

    Attributes:
        scan_id: chosen by the client; sent again with the same body it gets the first reply again.
        code: the code or URL that was read.
        device_id: the client's own name for the device, if it has one.
        location: `{"lat", "lng", "datum", "accuracy_m", "source"}` or None.
        member: (member id, brand id) of the verified bearer, or None.
        address: the client's network address.
        language: `zh` or `en`, for the sentence.
        page_token: proof that the landing page was loaded for this code, or None.
        bearer: whether the credential came as a bearer token (an app, which needs no page token).
        proof: of work that was asked for before, or None.
        without_proof: go on without work, and have a person look at the claim (a browser without scripts).
    """

    scan_id: UUID
    code: str
    device_id: str | None
    location: dict[str, Any] | None
    member: tuple[int, int] | None
    address: str | None
    language: str
    page_token: str | None = None
    bearer: bool = False
    proof: str | None = None
    without_proof: bool = False


class UnitShown(msgspec.Struct, frozen=True):
    """The unit as the consumer is told of it."""

    gtin: str
    product: str
    batch: str


class PrizeShown(msgspec.Struct, frozen=True):
    """A prize won: `entry` is the number in the draw's log, the consumer's receipt together with the scan id."""

    draw: str
    entry: int
    prize: int
    name: str


class FindingShown(msgspec.Struct, frozen=True):
    """What an inline rule saw: its name and result."""

    rule: str
    result: str


class ScanReply(msgspec.Struct, frozen=True):
    """The answer to a scan (DESIGN §11)."""

    scan_id: UUID
    outcome: Outcome
    message: str
    unit: UnitShown | None = None
    first_scan_at: datetime | None = None
    scan_count: int = 0
    points: int = 0
    balance: int | None = None
    prizes: list[PrizeShown] = msgspec.field(default_factory=list)
    findings: list[FindingShown] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """What the landing page may tell of a code without a scan: looking awards nothing and changes nothing.

    Attributes:
        kind: `malformed`, `forged`, `voided`, `inactive`, `first` (never scanned), `seen` (scanned before),
            `leaked` (its key leaked, a person decides), `claimed` (its reward is taken) or `outer` (the reward is on
            the inner code).
        message: the sentence for the consumer, in the page's language.
        code: the 20 symbols, to be sent with the scan; empty where malformed.
        brand_slug: whose code, for signing in; empty where forged or malformed.
        brand: the brand's name in the page's language.
        product: the product's name in the page's language.
        gtin: 14 digits, or empty.
        scan_count: scans recorded so far.
        first_when: day and province of the first scan in words, or empty.
        scan_id: for the scan of this page, however often it is sent; None where there is nothing to scan.
        page_token: to be sent with that scan, and no other; good for five minutes.
        reason: why the code cannot be used (`void`, `recalled`, `frozen`, `expired`), or empty.
        picture: names the content of the product's picture, or empty.
        notice: what the brand says of a unit that is recalled or void, or empty.
        pays: whether units of the product have a reward at all, by the class that law puts it in.
        adults_only: whether a claim asks for age first.
        listed: whether somebody else made the code; `code` is then its text as it was read.
    """

    kind: str
    message: str
    code: str = ""
    brand_slug: str = ""
    brand: str = ""
    product: str = ""
    gtin: str = ""
    scan_count: int = 0
    first_when: str = ""
    scan_id: UUID | None = None
    page_token: str = ""
    listed: bool = False
    reason: str = ""
    picture: str = ""
    notice: str = ""
    pays: bool = True
    adults_only: bool = False
