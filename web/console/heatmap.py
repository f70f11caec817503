"""The live heatmap: where a brand's codes are scanned, on a map, by region and over time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from litestar import Request, Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen import batches
from insights.patience import reading
from kernel import audit
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import YimaError
from staff.access import Permission
from traceability import brands, catalogue, shipments
from web.console import heatmap_figures, heatmap_ground, heatmap_live, heatmap_packing, sheets
from web.console.desk import SECURITY_HEADERS, Desk
from web.console.guard import GivenDesk, GivenSeat, needs
from web.console.heatmap_question import (
    LAYERS,
    OUTCOMES,
    RANGES,
    RESOLUTION_MAX,
    RESOLUTION_MIN,
    SOURCES,
    STEPS_MAX,
    Look,
    Options,
    Question,
    read,
    read_box,
    read_look,
    strictly,
)
from web.console.query import Query, local
from web.console.seat import Seat
from web.console.texts import TEXTS, say

OPTIONS_MAX: Final = 500
"""So many batches are offered, the newest first; older ones are reached by a link."""

_WORDS: Final = "heatmap.js."


@get("/console/b/{brand:str}/heatmap", opt=needs(Permission.SEE_FIGURES))
async def page(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The page: its filters and its ranking stand by themselves, its script adds the map."""
    query = Query(seat.visit.query, seat.visit.language)
    async with reading(desk.means.db) as tx:
        settings = await brands.settings(tx, seat.brand.id)
        options = await _options(tx, seat)
    question = read(query, desk.regions, options)
    look = read_look(query)
    ranking = await heatmap_figures.ranking(
        desk.means.views, desk.regions, question, seat.brand.id, seat.visit.language
    )
    ground = heatmap_ground.choose(settings, dev=desk.means.dev, basemap=desk.assets.basemap)
    return desk.page(
        seat,
        "heatmap.html",
        headers={"Content-Security-Policy": ground.policy},
        question=question,
        options=_offered(options, question),
        layers=LAYERS,
        ranges=RANGES,
        outcome_names=[(each, say(f"outcome.short.{each}", seat.visit.language)) for each in OUTCOMES],
        source_names=[(each, say(f"heatmap.source.{each}", seat.visit.language)) for each in SOURCES],
        batches_more=OPTIONS_MAX if len(options.batches) > OPTIONS_MAX else 0,
        since=local(question.since)[:10],
        until=local(heatmap_figures.last_day(question))[:10],
        ranking=ranking,
        ranking_max=max((row.placed + row.ip for row in ranking.rows), default=0),
        problems=list(dict.fromkeys(query.problems.values())),
        ground=ground,
        may_export=Permission.EXPORT in seat.may,
        may_edit=Permission.EDIT_BRAND in seat.may,
        query=query,
        config=_config(desk, seat, question, look, ground),
    )


async def _options(tx: Tx, seat: Seat) -> Options:
    """What the brand has to choose from."""
    products = await catalogue.list_products(tx, brand_id=seat.brand.id)
    ordered = await batches.list_of(tx, brand_id=seat.brand.id)
    dealers = await shipments.list_dealers(tx, brand_id=seat.brand.id)
    chinese = seat.visit.language == "zh"
    return Options(
        products=[(each.gtin, each.name if chinese else each.name_en) for each in products],
        batches=[(each.id, each.name) for each in ordered],
        dealers=[(each.id, each.name) for each in dealers],
    )


def _offered(options: Options, question: Question) -> Options:
    """The newest batches, and older ones that are chosen."""
    chosen = [pair for pair in options.batches[OPTIONS_MAX:] if pair[0] in question.batches]
    return replace(options, batches=[*options.batches[:OPTIONS_MAX], *chosen])


def _config(desk: Desk, seat: Seat, question: Question, look: Look, ground: heatmap_ground.Ground) -> dict[str, object]:
    """What the page's script begins with."""
    column = 0 if seat.visit.language == "zh" else 1
    return {
        "path": seat.path("/heatmap"),
        "language": seat.visit.language,
        "theme": seat.visit.theme,
        "brand": seat.brand.name if column == 0 else seat.brand.name_en,
        "place": question.place,
        "view": look.centre,
        "hexes": look.hexes,
        "shades": look.shades,
        "step": look.step,
        "ground": {
            "kind": ground.kind,
            "withheld": ground.withheld,
            "url": ground.url,
            "attribution": ground.attribution,
            "approval": ground.approval,
            # Withheld outlines are not sent, so that no browser draws them.
            "files": heatmap_ground.files(desk.assets.basemap) if ground.kind == "bundled" else None,
        },
        "words": {key.removeprefix(_WORDS): texts[column] for key, texts in TEXTS.items() if key.startswith(_WORDS)},
    }


@get("/console/b/{brand:str}/heatmap/cells", opt=needs(Permission.SEE_FIGURES))
async def cells(request: Request[Any, Any, Any], desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Hexagons of a box of the map: `box`, `r` (resolution) and `steps` besides the filters."""

    async def answer() -> object:
        query = Query(seat.visit.query, seat.visit.language)
        question, box = read(query, desk.regions), read_box(query)
        resolution = query.number("r", low=RESOLUTION_MIN, high=RESOLUTION_MAX)
        if resolution is None and "r" not in query.problems:
            query.refuse("r", "heatmap.wrong.r", low=RESOLUTION_MIN, high=RESOLUTION_MAX)
        stepped = query.choice("parts", ("0", "1")) == "1"
        strictly(query)
        _, document = await heatmap_figures.cells(
            desk.means.views,
            question,
            seat.brand.id,
            box,
            resolution or RESOLUTION_MIN,
            steps=question.steps if stepped else 1,
        )
        return document

    return await _fresh(request, desk, seat, answer)


@get("/console/b/{brand:str}/heatmap/places", opt=needs(Permission.SEE_FIGURES))
async def places(request: Request[Any, Any, Any], desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The ranking of the regions in `place`; of one part of the slider where `step` says which."""

    async def answer() -> object:
        query = Query(seat.visit.query, seat.visit.language)
        question, step = read(query, desk.regions), query.number("step", low=1, high=STEPS_MAX)
        strictly(query)
        found = await heatmap_figures.ranking(
            desk.means.views,
            desk.regions,
            heatmap_figures.part_of(question, step or 0),
            seat.brand.id,
            seat.visit.language,
        )
        return heatmap_figures.ranking_document(found, seat.visit.language)

    return await _fresh(request, desk, seat, answer)


@get("/console/b/{brand:str}/heatmap/series", opt=needs(Permission.SEE_FIGURES))
async def series(request: Request[Any, Any, Any], desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Scans of each part of the slider."""

    async def answer() -> object:
        query = Query(seat.visit.query, seat.visit.language)
        question = read(query, desk.regions)
        strictly(query)
        return await heatmap_figures.series(desk.means.views, question, seat.brand.id)

    return await _fresh(request, desk, seat, answer)


@get("/console/b/{brand:str}/heatmap/live", opt=needs(Permission.SEE_FIGURES))
async def live(desk: GivenDesk, seat: GivenSeat) -> Stream:
    """Events (text/event-stream): `hello` first, `change` for each change of the figures, `ended` with the session."""
    return Stream(
        heatmap_live.events(desk, seat),
        media_type="text/event-stream",
        # A proxy that gathers an answer before it passes it on would hold the events back.
        headers={**SECURITY_HEADERS, "X-Accel-Buffering": "no"},
    )


@get("/console/b/{brand:str}/heatmap/cells.csv", opt=needs(Permission.SEE_FIGURES))
async def cells_file(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The hexagons on the map as a file for a spreadsheet."""
    seat.need(Permission.EXPORT)
    query = Query(seat.visit.query, seat.visit.language)
    question, box = read(query, desk.regions), read_box(query)
    resolution = query.number("r", low=RESOLUTION_MIN, high=RESOLUTION_MAX)
    step = query.number("step", low=1, high=STEPS_MAX)
    strictly(query)
    question = heatmap_figures.part_of(question, step or 0)
    view, _ = await heatmap_figures.cells(
        desk.means.views, question, seat.brand.id, box, resolution or RESOLUTION_MIN, steps=1
    )
    head: list[object] = ["cell", "resolution", "lat", "lng", "scans", "since", "until"]
    span = [local(view.bounds[0]), local(view.bounds[-1])]
    rows: list[list[object]] = [
        [name, view.resolution, lat, lng, count, *span]
        for name, (lat, lng), count in zip(
            heatmap_packing.names(view.cells),
            heatmap_packing.centres(view.cells),
            view.counts.sum(axis=1).tolist(),
            strict=True,
        )
    ]
    await _record(desk, seat, question, "cells", len(rows))
    return _file(desk, seat, "heatmap-cells", question, [head, *rows])


@get("/console/b/{brand:str}/heatmap/places.csv", opt=needs(Permission.SEE_FIGURES))
async def places_file(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The ranking as a file for a spreadsheet."""
    seat.need(Permission.EXPORT)
    query = Query(seat.visit.query, seat.visit.language)
    question = read(query, desk.regions)
    step = query.number("step", low=1, high=STEPS_MAX)
    strictly(query)
    question = heatmap_figures.part_of(question, step or 0)
    found = await heatmap_figures.ranking(desk.means.views, desk.regions, question, seat.brand.id, seat.visit.language)
    head: list[object] = ["adcode", "name", "level", "scans", "located", "network_only", "since", "until"]
    span = [local(question.since), local(question.until)]
    level = found.places.level
    rows: list[list[object]] = [
        [row.adcode, row.name, level, row.placed + row.ip, row.placed, row.ip, *span] for row in found.rows
    ]
    rest = (
        ("heatmap.undivided", 0, found.places.undivided_ip),
        ("heatmap.abroad", found.places.unknown_placed, 0),
        ("heatmap.unknown", 0, 0),
    )
    for key, placed, by_network in rest:
        count = placed + by_network + (found.places.unknown if key == "heatmap.unknown" else 0)
        if count:
            rows.append(["", say(key, seat.visit.language), "", count, placed, by_network, *span])
    await _record(desk, seat, question, "places", len(rows))
    return _file(desk, seat, "heatmap-places", question, [head, *rows])


async def _record(desk: Desk, seat: Seat, question: Question, what: str, rows: int) -> None:
    """Who took which figures away is in the audit trail before they leave."""
    span = {"since": local(question.since), "until": local(question.until)}
    async with desk.means.db.transaction() as tx:
        await audit.record(
            tx,
            brand_id=seat.brand.id,
            actor=seat.actor,
            action="heatmap.export",
            subject=what,
            after={**span, "layer": str(question.layer), "rows": rows},
        )


def _file(desk: Desk, seat: Seat, name: str, question: Question, rows: list[list[object]]) -> Response[bytes]:
    """A CSV file with a byte order mark, without which Excel takes Chinese for something else."""
    days = f"{local(question.since)[:10]}_{local(heatmap_figures.last_day(question))[:10]}"
    return desk.file(
        seat.visit,
        f"{name}-{seat.brand.slug}-{days}.csv",
        b"\xef\xbb\xbf" + sheets.lines(rows),
        media_type="text/csv; charset=utf-8",
    )


async def _fresh(
    request: Request[Any, Any, Any], desk: Desk, seat: Seat, answer: Callable[[], Awaitable[object]]
) -> Response[bytes]:
    """Answer with JSON, or 304 where nothing was rolled up since the client's answer; a refusal is a sentence."""
    try:
        # The mark is read before the figures: new scans in between make it too old, and never too new.
        fresh = await desk.means.views.freshness()
        # Presets move on at midnight, which is in the question only once it is read.
        asked = "|".join(
            (f"{fresh.generation}.{fresh.scans}", local(now())[:10], seat.visit.language, seat.visit.path,
             seat.visit.query)
        )  # fmt: skip
        mark = f'"{hashlib.sha256(asked.encode()).hexdigest()[:20]}"'
        headers = {"ETag": mark, "As-Of": fresh.as_of.isoformat()}
        if mark in {each.strip() for each in request.headers.get("if-none-match", "").split(",")}:
            return desk.answer(seat.visit, b"", media_type="application/json", status=304, headers=headers)
        return desk.json(seat.visit, await answer(), headers=headers)
    except YimaError as error:
        body = json.dumps({"error": error.message, "field": error.details.get("field")}, ensure_ascii=False)
        return desk.answer(seat.visit, body.encode(), media_type="application/json", status=error.status)


ROUTES: list[ControllerRouterHandler] = [page, cells, places, series, live, cells_file, places_file]
