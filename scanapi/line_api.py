"""The HTTP API of the printing line, under `/api/v1/line`: captures, print runs, states, cartons.

Whoever calls is a station (a camera, a hand scanner, a line's computer) with a bearer token of its own, made in the
console or by `yima codes stations make`; what it may touch is its brand's. States are for stations that may switch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from codegen import batches, capturing, in_hand, line_sessions, lineset, printed, rolls, runs, stations
from codegen.batches import Batch
from codegen.lineset import Lines
from codegen.runs import KINDS, Run
from codegen.stations import Station
from kernel import tasks
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import Forbidden, InvalidInput, NotAuthenticated
from scanapi import bodies, described, once
from scanapi.api import Deps, Given
from scanapi.line_documents import (
    CaptureIn,
    CaptureOut,
    CartonOut,
    ChangeIn,
    CloseIn,
    EntryIn,
    PackIn,
    RunIn,
    RunOut,
    SessionIn,
    SessionOut,
    StateIn,
    SwitchedBatchOut,
    SwitchedOut,
    UnpackedOut,
    UnpackIn,
)  # fmt: skip
from traceability import cartons, switching
from traceability.selecting import Wanted
from traceability.switching import Said

BODY_BYTES_MAX: Final = 1_048_576
"""2,000 pairs of URLs, generously."""

Asked = Request[Any, Any, Any]


_READ: Final = described.responses(401, 404)
_WRITE: Final = described.responses(401, 403, 404, 409, 413, 415)
_STATION: Final[list[dict[str, list[str]]]] = [{"station": []}]


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


async def _write(
    request: Asked,
    deps: Deps,
    use: Callable[[Tx, Station], Awaitable[msgspec.Struct]],
    *,
    key: str | None,
    switches: bool = False,
) -> Response[bytes]:
    """Do a station's write in one transaction, once under one Idempotency-Key."""
    async with _at_station(request, deps, switches=switches) as (tx, station):
        return await once.write(
            tx, request, lambda: use(tx, station), key=key, brand_id=station.brand_id, holder=f"station:{station.id}"
        )


def _answered(status: int, document: type[msgspec.Struct], said: str) -> dict[int, ResponseSpec]:
    return {status: ResponseSpec(data_container=document, description=said, generate_examples=False), **_WRITE}


class SessionController(Controller):
    """Sessions of cameras and hand scanners."""

    path = "/api/v1/line/sessions"
    tags = ("line",)
    security = _STATION
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post(
        "/", status_code=201, summary="Open a session on a batch",
        responses=_answered(201, SessionOut, "The session, new or the one that was open"),
    )  # fmt: skip
    async def start(
        self, request: Asked, data: JSONBody[SessionIn], deps: Given, idempotency_key: once.Key = None
    ) -> Response[bytes]:
        """One station at one batch, or at two that are paired. Asked again before it was used, it is the same."""

        async def use(tx: Tx, station: Station) -> SessionOut:
            batch = await batches.get(tx, data.batch, brand_id=station.brand_id)
            inner = None
            if data.inner_batch is not None:
                inner = await batches.get(tx, data.inner_batch, brand_id=station.brand_id)
            opened = await line_sessions.start(
                tx, batch, inner=inner, direction=data.direction, station_id=station.id, actor=station.actor
            )
            return SessionOut.of(opened)

        return await _write(request, deps, use, key=idempotency_key)

    @get("/{name:str}", summary="A session: its totals, and the number it waits for", responses=_READ)
    async def show(self, request: Asked, name: FromPath[str], deps: Given) -> SessionOut:
        """After a restart, go on with `next_sequence`."""
        async with _at_station(request, deps) as (tx, station):
            return SessionOut.of(await line_sessions.get(tx, name, brand_id=station.brand_id))

    @post(
        "/{name:str}/captures", status_code=200, summary="Send what was seen",
        responses=_answered(200, CaptureOut, "The verdicts, in the order of the codes"),
    )  # fmt: skip
    async def capture(
        self, request: Asked, name: FromPath[str], data: JSONBody[CaptureIn], deps: Given,
        idempotency_key: once.Key = None,
    ) -> Response[bytes]:  # fmt: skip
        """Each code is judged at once; the answers stand in the order of the codes. Sent again, the first answers.

        The session's number does what an Idempotency-Key would; one may be sent all the same.
        """

        async def use(tx: Tx, station: Station) -> CaptureOut:
            if (data.codes is None) == (data.pairs is None):
                raise InvalidInput("A capture has either codes or pairs.", field="codes")
            texts: Sequence[str] | Sequence[tuple[str, str]] = data.codes if data.pairs is None else data.pairs  # type: ignore[assignment]
            taken = await capturing.capture(
                tx, deps.scans.keys.ring, name, brand_id=station.brand_id, sequence=data.sequence, texts=texts
            )
            return CaptureOut.of(taken)

        return await _write(request, deps, use, key=idempotency_key)

    @post(
        "/{name:str}/close", status_code=200, summary="Close a session",
        responses=_answered(200, SessionOut, "The session, closed"),
    )  # fmt: skip
    async def close(
        self, request: Asked, name: FromPath[str], deps: Given, idempotency_key: once.Key = None
    ) -> Response[bytes]:
        """Said again, nothing changes."""

        async def use(tx: Tx, station: Station) -> SessionOut:
            return SessionOut.of(await line_sessions.close(tx, name, brand_id=station.brand_id))

        return await _write(request, deps, use, key=idempotency_key)


class RunController(Controller):
    """Print runs and their balance."""

    path = "/api/v1/line/runs"
    tags = ("line",)
    security = _STATION
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post(
        "/", status_code=201, summary="Give rolls or lines to a printer",
        responses=_answered(201, RunOut, "The run"),
    )  # fmt: skip
    async def start(
        self, request: Asked, data: JSONBody[RunIn], deps: Given, idempotency_key: once.Key = None
    ) -> Response[bytes]:
        """Lines that another run has, or has printed, are refused; so the same request without a key is a 409."""

        async def use(tx: Tx, station: Station) -> RunOut:
            batch = await batches.get(tx, data.batch, brand_id=station.brand_id)
            taken = [await rolls.named(tx, each, batch=batch, brand_id=station.brand_id) for each in data.rolls]
            opened = await runs.open_run(
                tx, batch, printer=data.printer, rolls=taken, lines=tuple(data.lines), actor=station.actor
            )
            return RunOut.of(opened)

        return await _write(request, deps, use, key=idempotency_key)

    @get("/{name:str}", summary="A run and its balance by roll", responses=_READ)
    async def show(self, request: Asked, name: FromPath[str], deps: Given) -> RunOut:
        """`off` is what is not accounted for yet."""
        async with _at_station(request, deps) as (tx, station):
            return RunOut.of(await runs.get(tx, name, brand_id=station.brand_id))

    @post(
        "/{name:str}/entries", status_code=200, summary="Say what became of lines",
        responses=_answered(200, RunOut, "The run's balance after it"),
    )  # fmt: skip
    async def enter(
        self, request: Asked, name: FromPath[str], data: JSONBody[EntryIn], deps: Given,
        idempotency_key: once.Key = None,
    ) -> Response[bytes]:  # fmt: skip
        """Lines may be said again; a count needs an Idempotency-Key, and is taken once under it for ever."""
        ways = [data.codes, data.between, data.lines, data.captured, data.count is not None]

        async def use(tx: Tx, station: Station) -> RunOut:
            if sum(map(bool, ways)) != 1:
                raise InvalidInput("Name lines in one way: codes, between, lines, captured or count.", field="codes")
            run = await runs.get(tx, name, brand_id=station.brand_id)
            if data.count is not None:
                if idempotency_key is None:
                    raise InvalidInput("A count needs an Idempotency-Key header, so that it is not taken twice.")
                await printed.enter_count(
                    tx, run, kind=data.kind, count=data.count, part_id=data.part, key=idempotency_key,
                    actor=station.actor,
                )  # fmt: skip
            else:
                batch = await batches.get(tx, run.batch, brand_id=station.brand_id)
                lines = await _lines(tx, deps, batch, run, data)
                how = "range" if data.between or data.lines else "codes"
                await printed.enter_lines(
                    tx, run, kind=data.kind, lines=lines, how=how, instead=data.instead, actor=station.actor
                )
            return RunOut.of(await runs.get(tx, name, brand_id=station.brand_id))

        return await _write(request, deps, use, key=idempotency_key)

    @post(
        "/{name:str}/close", status_code=200, summary="Close a run that balances",
        responses=_answered(200, RunOut, "The run, closed, with how many units were activated and voided"),
    )  # fmt: skip
    async def close(
        self, request: Asked, name: FromPath[str], data: JSONBody[CloseIn], deps: Given,
        idempotency_key: once.Key = None,
    ) -> Response[bytes]:  # fmt: skip
        """Otherwise a 409 says by how much it is off, and where."""

        async def use(tx: Tx, station: Station) -> RunOut:
            run = await runs.get(tx, name, brand_id=station.brand_id)
            batch = await batches.get(tx, run.batch, brand_id=station.brand_id)
            closed = await runs.close(
                tx, run, batch, activate=data.activate, void=data.void, actor=station.actor
            )  # fmt: skip
            if closed.activated:
                await tasks.submit(tx, "settle_claims", {}, brand_id=station.brand_id)
            return RunOut.of(closed.run, activated=closed.activated, voided=closed.voided)

        answer = await _write(request, deps, use, key=idempotency_key, switches=data.activate or data.void)
        deps.wake()
        return answer


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
    security = _STATION
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post(
        "/", status_code=200, summary="Give codes a state",
        responses=_answered(200, SwitchedOut, "What was meant, and what changed"),
    )  # fmt: skip
    async def switch(
        self, request: Asked, data: JSONBody[StateIn], deps: Given, idempotency_key: once.Key = None
    ) -> Response[bytes]:
        """By lines, two codes, single codes, a roll, a case or an order. Said again, nothing changes."""
        wanted = Wanted(
            data.batch, data.first, data.last, between=data.between, codes=data.codes, roll=data.roll, sscc=data.case,
            order=data.order,
        )  # fmt: skip
        said = Said(data.state, data.reason, data.reason_code)

        async def use(tx: Tx, station: Station) -> SwitchedOut:
            done, _ = await switching.switch(
                tx, deps.vault, wanted, said, brand_id=station.brand_id, actor=station.actor
            )  # fmt: skip
            found = [SwitchedBatchOut(each.batch, each.units, each.changed) for each in done]
            return SwitchedOut(data.state, sum(each.units for each in done), found)

        answer = await _write(request, deps, use, key=idempotency_key, switches=True)
        deps.wake()
        return answer


class CartonController(Controller):
    """Cartons: packed from scanned codes, and repaired."""

    path = "/api/v1/line/cartons"
    tags = ("line",)
    security = _STATION
    request_max_body_size = BODY_BYTES_MAX
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest

    @post(
        "/", status_code=201, summary="Pack a carton from scanned codes",
        responses=_answered(201, CartonOut, "The carton"),
    )  # fmt: skip
    async def pack(
        self, request: Asked, data: JSONBody[PackIn], deps: Given, idempotency_key: once.Key = None
    ) -> Response[bytes]:
        """An SSCC exists once: the same request without a key is a 409."""

        async def use(tx: Tx, station: Station) -> CartonOut:
            units = await in_hand.units_of_codes(tx, deps.vault, data.codes, brand_id=station.brand_id)
            packed = await cartons.pack(
                tx, brand_id=station.brand_id, sscc=data.sscc, units=units, at=now(), actor=station.actor
            )
            return CartonOut.of(packed)

        return await _write(request, deps, use, key=idempotency_key)

    @get("/{sscc:str}", summary="What is in a carton", responses=_READ)
    async def show(self, request: Asked, sscc: FromPath[str], deps: Given) -> CartonOut:
        """How many units, and whether it was shipped."""
        async with _at_station(request, deps) as (tx, station):
            return CartonOut.of(await cartons.get(tx, sscc, brand_id=station.brand_id))

    @post(
        "/{sscc:str}/change", status_code=200, summary="Replace units of a carton",
        responses=_answered(200, CartonOut, "The carton after it"),
    )  # fmt: skip
    async def change(
        self, request: Asked, sscc: FromPath[str], data: JSONBody[ChangeIn], deps: Given,
        idempotency_key: once.Key = None,
    ) -> Response[bytes]:  # fmt: skip
        """Without a key, said again the units are where they were to go, which is a 409."""

        async def use(tx: Tx, station: Station) -> CartonOut:
            found = {
                field: await in_hand.units_of_codes(tx, deps.vault, codes, brand_id=station.brand_id, field=field)
                for field, codes in (("out", data.out), ("put", data.put))
                if codes
            }
            changed = await cartons.change(
                tx, brand_id=station.brand_id, sscc=sscc, out=found.get("out", []), put=found.get("put", []),
                reason=data.reason, actor=station.actor,
            )  # fmt: skip
            return CartonOut.of(changed)

        return await _write(request, deps, use, key=idempotency_key)

    @post(
        "/{sscc:str}/unpack", status_code=200, summary="Dissolve a carton that was never shipped",
        responses=_answered(200, UnpackedOut, "What it held"),
    )  # fmt: skip
    async def unpack(
        self, request: Asked, sscc: FromPath[str], data: JSONBody[UnpackIn], deps: Given,
        idempotency_key: once.Key = None,
    ) -> Response[bytes]:  # fmt: skip
        """Its units are in none, its number is free."""

        async def use(tx: Tx, station: Station) -> UnpackedOut:
            count = await cartons.unpack(
                tx, brand_id=station.brand_id, sscc=sscc, reason=data.reason, actor=station.actor
            )
            return UnpackedOut(sscc, count)

        return await _write(request, deps, use, key=idempotency_key)


CONTROLLERS = (SessionController, RunController, StateController, CartonController)
