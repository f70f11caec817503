"""One batch's page: counts, ranges, package, labels; several modules answer with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from litestar import Response

from codegen import batches, labeljobs, ranges, reasons, states
from codegen.batches import Batch
from codegen.states import Span
from insights import claims
from kernel.errors import YimaError
from staff.access import Permission
from traceability import catalogue
from traceability.catalogue import Product
from web.console import counts, forms, package_parts
from web.console.desk import Desk
from web.console.guard import Form
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

STATE_ROWS: Final = 20
LABEL_ROWS: Final = 5
CLAIMS_MAX: Final = 10_000_000
"""On a batch's own page, its claims are counted so far."""
SWITCHES: Final = ("activated", "frozen", "thawed", "recalled", "void", "expired")
GIVEN: Final = (
    "state", "first", "last", "from_code", "to_code", "roll", "sscc", "reason", "reason_code", "cancel_reason",
    "package_first", "package_last", "recipient", "layout",
)  # fmt: skip
"""Fields that stand in their form again after a refusal; scanned codes too, which are in the page of who sent them."""
BAR_WIDTH: Final = 1_000
ID_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the bar that shows a batch's states."""

    x: float
    width: float
    state: str


def product_name(seat: Seat, product: Product) -> str:
    """The product's name in the page's language."""
    return product.name if seat.visit.language == "zh" else product.name_en


def pieces(batch: Batch, held: list[Span]) -> list[Piece]:
    """The bar: each span as wide as its share, but never too narrow to be seen."""
    found = []
    for each in states.flatten(batch.count, held):
        x = round((each.first - 1) / batch.count * BAR_WIDTH, 1)
        found.append(Piece(x, max(round(each.count / batch.count * BAR_WIDTH, 1), 2.0), each.state))
    # The widest first: what is too narrow for its true width lies on top.
    return sorted(found, key=lambda piece: -piece.width)


async def scanned(desk: Desk, seat: Seat, batch: Batch) -> int:
    """Units of the batch that were ever scanned."""
    return await counts.scans(desk.means.views, seat.brand.id, layer="first", batches=frozenset({batch.id}))


async def answer(
    desk: Desk, seat: Seat, name: str, *, error: YimaError | None = None, form: Form | None = None
) -> Response[bytes]:
    """The page; with an error, what was sent stands in its form again."""
    query = Query(seat.visit.query, seat.visit.language)
    before = query.number("before", low=1, high=ID_MAX)
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        product = await catalogue.product(tx, batch.gtin, brand_id=seat.brand.id)
        held = await ranges.held_of(tx, batch)
        said = await ranges.list_states(tx, batch, before=before, limit=STATE_ROWS + 1)
        parts = await package_parts.read(desk, seat, tx, batch)
        printed = await labeljobs.list_of(tx, batch, limit=LABEL_ROWS)
        [claimed] = await claims.count(tx, [(batch.unit_id(1), batch.unit_id(batch.count))], most=CLAIMS_MAX)
    own = seat.path(f"/batches/{batch.name}")
    given = form or Form([])
    language = seat.visit.language
    return desk.page(
        seat,
        "batch.html",
        status=200 if error is None else error.status,
        batch=batch,
        product=product_name(seat, product),
        totals=states.totals(states.flatten(batch.count, held)),
        pieces=pieces(batch, held),
        bar_width=BAR_WIDTH,
        scanned=await scanned(desk, seat, batch),
        claimed=claimed,
        said=said[:STATE_ROWS],
        first=own if before else "",
        following=f"{own}?before={said[STATE_ROWS - 1].id}#ranges" if len(said) > STATE_ROWS else "",
        printed=printed,
        switches=[("", say("batches.switch.choose", language))]
        + [(state, say(f"batches.do.{state}", language)) for state in SWITCHES],
        reason_codes=[("", say("batches.switch.choose", language))]
        + [(code, words[language != "zh"]) for code, words in reasons.REASONS.items()],
        reason_words={code: words[language != "zh"] for code, words in reasons.REASONS.items()},
        given={name: given.get(name) for name in GIVEN},
        reason_max=ranges.REASON_CHARS_MAX,
        errors=forms.Refusals() if error is None else forms.refusals(error, language),
        may_switch=Permission.SWITCH_CODES in seat.may,
        **parts,
    )
