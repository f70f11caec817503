"""What the landing page offers for a code, and the scan that its form sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from campaigns.appeals import Standing
from kernel.errors import InvalidInput
from traceability.scans import Look, Outcome, ScanRequest
from web.visits import Form, Visit

TONES: Final = {
    "first": "good",
    "seen": "wait",
    "leaked": "wait",
    "claimed": "wait",
    "outer": "plain",
    "inactive": "wait",
    "voided": "bad",
    "forged": "bad",
    "malformed": "wait",
    Outcome.AWARDED: "good",
    Outcome.AUTHENTIC: "plain",
    Outcome.HELD: "wait",
    Outcome.REPEAT: "plain",
    Outcome.TAKEN: "wait",
    Outcome.REFUSED: "bad",
}
"""How each kind of look and each outcome is coloured; its words say the same."""

CLAIMABLE: Final = frozenset({Outcome.AUTHENTIC, Outcome.INACTIVE})
"""What an anonymous scan of a code ends in whose reward is still there."""
SETTLED: Final = frozenset(
    {Outcome.AWARDED, Outcome.HELD, Outcome.REPEAT, Outcome.TAKEN, Outcome.VOIDED, Outcome.INACTIVE}
)
"""What a member's scan of a code ends in after which there is nothing to come back for."""
UNSETTLED: Final = frozenset({Outcome.INACTIVE, Outcome.HELD, Outcome.REFUSED, Outcome.REPEAT})
"""What a member's scan ends in of which there is more to tell than its sentence."""
_BUTTONS: Final = {
    "first": "claim.go",
    "seen": "claim.go",
    "leaked": "claim.keep",
    "inactive": "claim.keep",
    "claimed": "claim.record",
    "outer": "claim.record",
}
_CLAIMED: Final = frozenset({"kept", "held", "paid"})
_REWARDED: Final = frozenset({"first", "seen", "inactive", "leaked"})
_CLASSES: Final = {
    "impossible_travel": "place", "leaked_key": "key", "blocked_member": "account", "block_list": "list",
    "velocity": "pace", "page_token": "page", "proof_of_work": "check",
}  # fmt: skip
"""What kind of reason a rule is: enough to know what to answer, and too little to learn the rule by."""
SENT: Final = (
    "scan_id", "code", "page_token", "brand", "later", "adult", "lat", "lng", "accuracy_m", "source",
)  # fmt: skip
"""What a scan's form sends, to be sent again with work that is asked for."""
_SOURCES: Final = frozenset({"gps", "wechat"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be done with a code.

    Attributes:
        scan_id: for the scan of this page, however often it is sent.
        button: key of the scan button's text; empty where the code cannot be scanned.
        sign_in: whether signing in comes first.
        other_brand: whether the visitor is signed in, but with another brand.
        ask_age: whether they say first that they are 18 or older.
    """

    scan_id: UUID
    button: str
    sign_in: bool
    other_brand: bool
    ask_age: bool = False


def offer(look: Look, visit: Visit, standing: Standing | None = None, *, adult: bool = False) -> Offer:
    """Decide what the landing page offers; whoever has a claim there already needs no second one."""
    other_brand = visit.member is not None and visit.brand_slug != look.brand_slug
    rewarded = look.kind in _REWARDED and look.pays and (standing is None or standing.kind not in _CLAIMED)
    stranger = visit.member is None or other_brand
    button = _BUTTONS.get(look.kind, "")
    return Offer(
        scan_id=look.scan_id or uuid4(),
        button=button if rewarded or not button else "claim.record",
        sign_in=rewarded and stranger,
        other_brand=other_brand,
        ask_age=rewarded and not stranger and look.adults_only and not adult,
    )


def reason_class(rule: str) -> str:
    """The class of a rule's reason, as the consumer is told it."""
    return _CLASSES.get(rule, "other")


def scan_request(form: Form, visit: Visit) -> ScanRequest:
    """Read the landing page's form.

    Raises:
        InvalidInput: a field is missing or no value of its kind; the sentence names it.
    """
    try:
        scan_id = UUID(form.get("scan_id", ""))
    except ValueError as error:
        raise InvalidInput("scan_id is missing or no UUID; open the product's page again.", field="scan_id") from error
    return ScanRequest(
        scan_id=scan_id,
        code=form.get("code", ""),
        device_id=visit.device,
        location=_location(form),
        member=visit.member,
        address=visit.address,
        language=visit.language,
        page_token=form.get("page_token") or None,
        bearer=False,
        proof=form.get("proof") or None,
        without_proof=form.get("without_proof") == "1",
    )


def _location(form: Form) -> dict[str, Any] | None:
    """The place, where the visitor gave it: all of its fields or none."""
    numbers = {name: form.get(name, "") for name in ("lat", "lng", "accuracy_m")}
    if not any(numbers.values()):
        return None
    source = form.get("source", "")
    if source not in _SOURCES:
        raise InvalidInput("source is neither gps nor wechat.", field="source")
    return {name: _number(name, text) for name, text in numbers.items()} | {"source": source, "datum": "wgs84"}


def _number(name: str, text: str) -> float:
    try:
        value = float(text if text.isascii() and "_" not in text else "")  # not all that Python takes for a number
    except ValueError as error:
        raise InvalidInput(f"{name} is no number.", field=name) from error
    if not abs(value) < 1e7:
        raise InvalidInput(f"{name} lies outside its range.", field=name)
    return value
