"""The HTTP API of the printing line, under `/api/v1/line`: captures, print runs, states, cartons.

Whoever calls is a station (a camera, a hand scanner, a line's computer) with a bearer token of its own, made in the
console or by `yima codes stations make`; what it may touch is its brand's. States are for stations that may switch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import FromPath, JSONBody

from codegen import batches, capturing, in_hand, line_sessions, lineset, printed, rolls, runs, stations
from codegen.batches import Batch
from codegen.line_sessions import Session
from codegen.lineset import Lines
from codegen.runs import KINDS, Run
from codegen.stations import Station
from kernel import tasks
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import Forbidden, InvalidInput, NotAuthenticated
from scanapi import bodies
from scanapi.api import Deps, Given
from traceability import cartons, switching
from traceability.cartons import Contents
from traceability.selecting import Wanted
from traceability.switching import Said

BODY_BYTES_MAX: Final = 1_048_576
"""2,000 pairs of URLs, generously."""

Asked = Request[Any, Any, Any]


class SessionIn(msgspec.Struct, forbid_unknown_fields=True):
    """Opens a session; with `inner_batch` it pairs outer codes of `batch` with that one's inner codes."""

    batch: str
    inner_batch: str | None = None
    direction: str = "up"


class CaptureIn(msgspec.Struct, forbid_unknown_fields=True):
    """What was seen, under the session's next number: codes, or `[outer, inner]` pairs."""

    sequence: int
    codes: list[str] | None = None
    pairs: list[tuple[str, str]] | None = None


class RunIn(msgspec.Struct, forbid_unknown_fields=True):
    """Gives rolls (numbers or labels) or ranges of lines (`[first, last]`) to a printer."""

    batch: str
    printer: str
    rolls: list[str] = []
    lines: list[tuple[int, int]] = []


class EntryIn(msgspec.Struct, forbid_unknown_fields=True):
    """What became of lines, in one way: scanned codes, between two of them, ranges of lines, or a count."""

    kind: str
    codes: list[str] = []
    between: list[str] = []
    lines: list[tuple[int, int]] = []
    count: int | None = None
    part: int | None = None
    captured: bool = False
    instead: bool = False


class CloseIn(msgspec.Struct, forbid_unknown_fields=True):
    """Closes a run; may activate what is good, and void what is wasted or missing."""

    activate: bool = False
    void: bool = False


class StateIn(msgspec.Struct, forbid_unknown_fields=True):
    """Gives codes a state (`thawed` lifts a freeze); they are named in one way."""

    state: str
    batch: str | None = None
    first: int | None = None
    last: int | None = None
    between: list[str] = []
    codes: list[str] = []
    roll: str | None = None
    case: str | None = None
    order: str | None = None
    reason: str | None = None
    reason_code: str | None = None


class PackIn(msgspec.Struct, forbid_unknown_fields=True):
    """Packs a carton from scanned codes."""

    sscc: str
    codes: list[str]


class ChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """Takes units out of a carton and puts others in, by their codes."""

    out: list[str] = []
    put: list[str] = []
    reason: str = ""


class UnpackIn(msgspec.Struct, forbid_unknown_fields=True):
    """Dissolves a carton that was never shipped."""

    reason: str


@asynccontextmanager
async def _at_station(request: Asked, deps: Deps, *, switches: bool = False) -> AsyncIterator[tuple[Tx, Station]]:
    """A transaction of the request's station.

    Raises:
        NotAuthenticated: the request bears no station's token, or a revoked one.
        Forbidden: the station may not switch codes, which this does.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    async with deps.db.transaction() as tx:
        found = await stations.find(tx, token.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise NotAuthenticated("This needs an Authorization header with a station's token: Bearer yst_….")
        if switches and not found.may_switch:
            raise Forbidden(f"Station {found.name!r} may capture and count, not give codes a state.")
        yield tx, found


def _session(found: Session) -> dict[str, Any]:
    return {
        "session": found.name, "batch": found.batch, "inner_batch": found.inner_batch, "direction": found.direction,
        "state": found.state, "opened_at": found.opened_at, "closed_at": found.closed_at,
        "next_sequence": found.next_sequence, "last_line": found.last_line, "totals": found.totals,
    }  # fmt: skip


def _run(found: Run) -> dict[str, Any]:
    return {
        "run": found.name, "batch": found.batch, "printer": found.printer, "state": found.state,
        "issued": found.issued, **{kind: found.total(kind) for kind in KINDS}, "off": found.off,
        "parts": [
            {
                "part": part.id, "roll": part.roll, "first": part.first, "last": part.last, "issued": part.issued,
                **{kind: part.total(kind) for kind in KINDS}, "off": part.off,
            }
            for part in found.parts
        ],
    }  # fmt: skip


def _carton(found: Contents) -> dict[str, Any]:
    return {
        "sscc": found.sscc, "units": lineset.count(found.units), "packed_at": found.packed_at,
        "document": found.document,
    }  # fmt: skip


class SessionController(Controller):
    """Sessions of cameras and hand scanners."""

    path = "/api/v1/line/sessions"
    tags = ("line",)
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post("/", status_code=201, summary="Open a session on a batch")
    async def start(self, request: Asked, data: JSONBody[SessionIn], deps: Given) -> dict[str, Any]:
        """One station at one batch, or at two that are paired. Asked again before it was used, it is the same."""
        async with _at_station(request, deps) as (tx, station):
            batch = await batches.get(tx, data.batch, brand_id=station.brand_id)
            inner = None
            if data.inner_batch is not None:
                inner = await batches.get(tx, data.inner_batch, brand_id=station.brand_id)
            opened = await line_sessions.start(
                tx, batch, inner=inner, direction=data.direction, station_id=station.id, actor=station.actor
            )
            return _session(opened)

    @get("/{name:str}", summary="A session: its totals, and the number it waits for")
    async def show(self, request: Asked, name: FromPath[str], deps: Given) -> dict[str, Any]:
        """After a restart, go on with `next_sequence`."""
        async with _at_station(request, deps) as (tx, station):
            return _session(await line_sessions.get(tx, name, brand_id=station.brand_id))

    @post("/{name:str}/captures", status_code=200, summary="Send what was seen")
    async def capture(
        self, request: Asked, name: FromPath[str], data: JSONBody[CaptureIn], deps: Given
    ) -> dict[str, Any]:
        """Each code is judged at once; the answers stand in the order of the codes. Sent again, the first answers."""
        if (data.codes is None) == (data.pairs is None):
            raise InvalidInput("A capture has either codes or pairs.", field="codes")
        texts: Sequence[str] | Sequence[tuple[str, str]] = data.codes if data.pairs is None else data.pairs  # type: ignore[assignment]
        async with _at_station(request, deps) as (tx, station):
            taken = await capturing.capture(
                tx, deps.scans.keys.ring, name, brand_id=station.brand_id, sequence=data.sequence, texts=texts
            )
        answers = [capturing.plain(each) for each in taken.answers]
        return {"session": taken.session, "sequence": taken.sequence, "answers": answers, "totals": taken.totals}

    @post("/{name:str}/close", status_code=200, summary="Close a session")
    async def close(self, request: Asked, name: FromPath[str], deps: Given) -> dict[str, Any]:
        """Said again, nothing changes."""
        async with _at_station(request, deps) as (tx, station):
            return _session(await line_sessions.close(tx, name, brand_id=station.brand_id))


class RunController(Controller):
    """Print runs and their balance."""

    path = "/api/v1/line/runs"
    tags = ("line",)
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post("/", status_code=201, summary="Give rolls or lines to a printer")
    async def start(self, request: Asked, data: JSONBody[RunIn], deps: Given) -> dict[str, Any]:
        """Lines that another run has, or has printed, are refused; so the same request again is a 409."""
        async with _at_station(request, deps) as (tx, station):
            batch = await batches.get(tx, data.batch, brand_id=station.brand_id)
            taken = [await rolls.named(tx, each, batch=batch, brand_id=station.brand_id) for each in data.rolls]
            opened = await runs.open_run(
                tx, batch, printer=data.printer, rolls=taken, lines=tuple(data.lines), actor=station.actor
            )
            return _run(opened)

    @get("/{name:str}", summary="A run and its balance by roll")
    async def show(self, request: Asked, name: FromPath[str], deps: Given) -> dict[str, Any]:
        """`off` is what is not accounted for yet."""
        async with _at_station(request, deps) as (tx, station):
            return _run(await runs.get(tx, name, brand_id=station.brand_id))

    @post("/{name:str}/entries", status_code=200, summary="Say what became of lines")
    async def enter(self, request: Asked, name: FromPath[str], data: JSONBody[EntryIn], deps: Given) -> dict[str, Any]:
        """Lines may be said again; a count is taken once under one Idempotency-Key."""
        ways = [data.codes, data.between, data.lines, data.captured, data.count is not None]
        if sum(map(bool, ways)) != 1:
            raise InvalidInput("Name lines in one way: codes, between, lines, captured or count.", field="codes")
        async with _at_station(request, deps) as (tx, station):
            run = await runs.get(tx, name, brand_id=station.brand_id)
            if data.count is not None:
                key = request.headers.get("idempotency-key")
                if key is None:
                    raise InvalidInput("A count needs an Idempotency-Key header, so that it is not taken twice.")
                await printed.enter_count(
                    tx, run, kind=data.kind, count=data.count, part_id=data.part, key=key, actor=station.actor
                )
            else:
                batch = await batches.get(tx, run.batch, brand_id=station.brand_id)
                lines = await _lines(tx, deps, batch, run, data)
                how = "range" if data.between or data.lines else "codes"
                await printed.enter_lines(
                    tx, run, kind=data.kind, lines=lines, how=how, instead=data.instead, actor=station.actor
                )
            return _run(await runs.get(tx, name, brand_id=station.brand_id))

    @post("/{name:str}/close", status_code=200, summary="Close a run that balances")
    async def close(self, request: Asked, name: FromPath[str], data: JSONBody[CloseIn], deps: Given) -> dict[str, Any]:
        """Otherwise a 409 says by how much it is off, and where."""
        async with _at_station(request, deps, switches=data.activate or data.void) as (tx, station):
            run = await runs.get(tx, name, brand_id=station.brand_id)
            batch = await batches.get(tx, run.batch, brand_id=station.brand_id)
            closed = await runs.close(
                tx, run, batch, activate=data.activate, void=data.void, actor=station.actor
            )  # fmt: skip
            if closed.activated:
                await tasks.submit(tx, "settle_claims", {}, brand_id=station.brand_id)
        deps.wake()
        return _run(closed.run) | {"activated": closed.activated, "voided": closed.voided}


async def _lines(tx: Tx, deps: Deps, batch: Batch, run: Run, data: EntryIn) -> Lines:
    if data.lines:
        return lineset.given(data.lines, field="lines")
    if data.captured:  # whatever the line saw of this run, and nobody said otherwise of
        told = lineset.of(r for part in run.parts for kind in KINDS if kind != data.kind for r in part.known[kind])
        return lineset.minus(lineset.both(await capturing.lines_of(tx, batch), run.lines), told)
    _, lines = await in_hand.lines_of_codes(
        tx, deps.vault, data.codes or data.between, brand_id=batch.brand_id, batch=batch
    )
    if not data.between:
        return lineset.of_lines(lines)
    if len(lines) != 2:
        raise InvalidInput("A range between codes has two: the first and the last.", field="between")
    return ((min(lines), max(lines)),)


class StateController(Controller):
    """States of ranges of codes."""

    path = "/api/v1/line/states"
    tags = ("line",)
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post("/", status_code=200, summary="Give codes a state")
    async def switch(self, request: Asked, data: JSONBody[StateIn], deps: Given) -> dict[str, Any]:
        """By lines, two codes, single codes, a roll, a case or an order. Said again, nothing changes."""
        wanted = Wanted(
            data.batch, data.first, data.last, between=data.between, codes=data.codes, roll=data.roll, sscc=data.case,
            order=data.order,
        )  # fmt: skip
        said = Said(data.state, data.reason, data.reason_code)
        async with _at_station(request, deps, switches=True) as (tx, station):
            done, _ = await switching.switch(
                tx, deps.vault, wanted, said, brand_id=station.brand_id, actor=station.actor
            )  # fmt: skip
        deps.wake()
        found = [{"batch": each.batch, "units": each.units, "changed": each.changed} for each in done]
        return {"state": data.state, "units": sum(each.units for each in done), "batches": found}


class CartonController(Controller):
    """Cartons: packed from scanned codes, and repaired."""

    path = "/api/v1/line/cartons"
    tags = ("line",)
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post("/", status_code=201, summary="Pack a carton from scanned codes")
    async def pack(self, request: Asked, data: JSONBody[PackIn], deps: Given) -> dict[str, Any]:
        """An SSCC exists once: the same request again is a 409."""
        async with _at_station(request, deps) as (tx, station):
            units = await in_hand.units_of_codes(tx, deps.vault, data.codes, brand_id=station.brand_id)
            return _carton(
                await cartons.pack(
                    tx, brand_id=station.brand_id, sscc=data.sscc, units=units, at=now(), actor=station.actor
                )
            )

    @get("/{sscc:str}", summary="What is in a carton")
    async def show(self, request: Asked, sscc: FromPath[str], deps: Given) -> dict[str, Any]:
        """How many units, and whether it was shipped."""
        async with _at_station(request, deps) as (tx, station):
            return _carton(await cartons.get(tx, sscc, brand_id=station.brand_id))

    @post("/{sscc:str}/change", status_code=200, summary="Replace units of a carton")
    async def change(
        self, request: Asked, sscc: FromPath[str], data: JSONBody[ChangeIn], deps: Given
    ) -> dict[str, Any]:
        """Said again, the units are where they were to go, which is a 409."""
        async with _at_station(request, deps) as (tx, station):
            found = {
                field: await in_hand.units_of_codes(tx, deps.vault, codes, brand_id=station.brand_id, field=field)
                for field, codes in (("out", data.out), ("put", data.put))
                if codes
            }
            changed = await cartons.change(
                tx, brand_id=station.brand_id, sscc=sscc, out=found.get("out", []), put=found.get("put", []),
                reason=data.reason, actor=station.actor,
            )  # fmt: skip
            return _carton(changed)

    @post("/{sscc:str}/unpack", status_code=200, summary="Dissolve a carton that was never shipped")
    async def unpack(
        self, request: Asked, sscc: FromPath[str], data: JSONBody[UnpackIn], deps: Given
    ) -> dict[str, Any]:
        """Its units are in none, its number is free."""
        async with _at_station(request, deps) as (tx, station):
            count = await cartons.unpack(
                tx, brand_id=station.brand_id, sscc=sscc, reason=data.reason, actor=station.actor
            )
            return {"sscc": sscc, "units": count}


CONTROLLERS = (SessionController, RunController, StateController, CartonController)
