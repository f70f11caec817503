"""Brand settings: look, texts, hosts, lines that law wants, basemap; with a preview of the consumer's page."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.types import ControllerRouterHandler

from kernel.db import Tx
from kernel.errors import InvalidInput
from staff.access import Permission
from traceability import brands, catalogue, gallery, handover, pictures
from traceability.brands import Settings, Shown
from traceability.changes import EditedMeanwhile, Problem, refuse
from traceability.handover import Health
from traceability.scans import Look, Outcome, ScanReply, UnitShown
from web import claims, colours, livery
from web.console import forms
from web.console.desk import SECURITY_HEADERS, Desk
from web.console.guard import CSRF_HEADER, Form, GivenDesk, GivenForm, GivenSeat, judge_sender, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say
from web.desk import environment, render
from web.texts import Language
from web.visits import Visit as ConsumerVisit

UPLOAD_BODY_BYTES_MAX: Final = pictures.UPLOAD_BYTES_MAX + 16_384
LARGE_BODY_BYTES_MAX: Final = pictures.LARGE_BYTES_MAX + 16_384
"""The largest picture, and the parts of the form around it."""
PREVIEWS: Final = ("landing", "result", "me")
COLOUR_NOTE: Final = "Yima-Colour-Note"

_PREVIEW_HEADERS: Final = SECURITY_HEADERS | {
    # Nothing in a preview runs or leads anywhere, whatever was typed into it.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; script-src 'none'; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
    ),
}
_SCRIPT: Final = re.compile(r'<script type="module" src="[^"]*"></script>')
_HOUSE_COLOUR: Final = "#0b6b4c"
_SAMPLE_CODE: Final = "7Q0ZAB12CD34EF56GH78"
_SAMPLE_SCAN: Final = UUID("00000000-0000-4000-8000-000000000000")
_consumer = environment()


@get("/console/b/{brand:str}/brand", opt=needs(Permission.EDIT_BRAND))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The settings."""
    async with desk.means.db.transaction() as tx:
        kept = await brands.settings(tx, seat.brand.id)
        host = await handover.of(tx, seat.brand.id)
    return _page(desk, seat, kept, host=host)


@post("/console/b/{brand:str}/brand", opt=needs(Permission.EDIT_BRAND), status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Save the settings; nothing that somebody else saved meanwhile is overwritten unseen."""
    wanted = _read(form)
    try:
        async with desk.means.db.transaction() as tx:
            await brands.update(tx, brand_id=seat.brand.id, wanted=wanted, version=version_of(form), actor=seat.actor)
    except EditedMeanwhile:
        async with desk.means.db.transaction() as tx:
            kept = await brands.settings(tx, seat.brand.id)
        wanted = replace(wanted, version=kept.version, logo_hash=kept.logo_hash, header_hash=kept.header_hash)
        return _page(desk, seat, wanted, status=409, differences=_differences(kept, wanted, seat.visit.language))
    except InvalidInput as error:
        async with desk.means.db.transaction() as tx:
            kept = await brands.settings(tx, seat.brand.id)
        wanted = replace(wanted, version=version_of(form), logo_hash=kept.logo_hash, header_hash=kept.header_hash)
        return _page(desk, seat, wanted, status=400, errors=forms.refusals(error, seat.visit.language))
    return desk.redirect(seat.visit, seat.path("/brand"), flash="brand.saved")


@post(
    "/console/b/{brand:str}/brand/logo",
    opt=needs(Permission.EDIT_BRAND),
    status_code=200,
    request_max_body_size=UPLOAD_BODY_BYTES_MAX,
)
async def upload_logo(desk: GivenDesk, seat: GivenSeat, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take a new logo, or take the logo away."""

    async def read(parts: FormMultiDict) -> pictures.Picture | None:
        content = await read_file(parts, field="logo")
        return None if content is None else await asyncio.to_thread(pictures.read, content, field="logo")

    return await _take(request, desk, seat, "logo", read, brands.set_logo)


class _Setter(Protocol):
    """Sets one picture of a brand, or takes it away."""

    def __call__(
        self, tx: Tx, *, brand_id: int, picture: pictures.Picture | None, version: int, actor: str
    ) -> Awaitable[object]: ...


async def _take(
    request: Request[Any, Any, Any],
    desk: Desk,
    seat: Seat,
    field: str,
    read: Callable[[FormMultiDict], Awaitable[pictures.Picture | None]],
    store: _Setter,
) -> Response[bytes]:
    """Take one of the brand's pictures, or show the page again with what is wrong at its field."""
    parts = await read_upload(request, desk, seat)
    try:
        picture = await read(parts)
        async with desk.means.db.transaction() as tx:
            version = version_of(Form([("version", str(parts.get("version", "")))]))
            await store(tx, brand_id=seat.brand.id, picture=picture, version=version, actor=seat.actor)
    except (EditedMeanwhile, InvalidInput) as error:
        errors = forms.refusals(error, seat.visit.language)
        async with desk.means.db.transaction() as tx:
            kept = await brands.settings(tx, seat.brand.id)
        sentence = errors.get(field) or next(iter(errors.values()))
        return _page(desk, seat, kept, status=error.status, errors=forms.Refusals({field: sentence}))
    return desk.redirect(seat.visit, seat.path("/brand"), flash=f"brand.{field}.saved")


async def read_upload(request: Request[Any, Any, Any], desk: Desk, seat: Seat) -> FormMultiDict:
    """The parts of an upload of ours."""
    if request.content_type[0] != "multipart/form-data":
        await judge_sender(request, desk, seat.visit, request.headers.get(CSRF_HEADER, ""))
        raise InvalidInput("The body is not of the type multipart/form-data.")
    parts = await request.form()
    await judge_sender(request, desk, seat.visit, str(parts.get("csrf", "")))
    return parts


@post(
    "/console/b/{brand:str}/brand/header",
    opt=needs(Permission.EDIT_BRAND),
    status_code=200,
    request_max_body_size=LARGE_BODY_BYTES_MAX,
)
async def upload_header(desk: GivenDesk, seat: GivenSeat, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take a new picture to stand above the pages, or take it away."""
    return await _take(
        request, desk, seat, "header", lambda parts: read_large(parts, desk, field="header"), gallery.set_header
    )


async def read_file(parts: FormMultiDict, *, field: str) -> bytes | None:
    """What an upload's field holds; None where it asks to take the picture away.

    Raises:
        InvalidInput: it holds nothing; the detail `problems` says so.
    """
    if parts.get("remove") == "1":
        return None
    upload = parts.get(field)
    content = await upload.read() if isinstance(upload, UploadFile) else b""
    if not content:
        refuse([Problem(field, "picture_missing", "Choose a picture first.")])
    return content


async def read_large(parts: FormMultiDict, desk: Desk, *, field: str) -> pictures.Picture | None:
    """The picture of an upload's field, painted anew; None where it asks to take the picture away.

    Raises:
        InvalidInput: there is none, or none that can be read; the detail `problems` says so.
        Unavailable: others are at it already.
    """
    content = await read_file(parts, field=field)
    if content is None:
        return None
    async with desk.means.painting.turn():
        return await asyncio.to_thread(pictures.read_large, content, field=field)


@get("/console/b/{brand:str}/brand/preview", opt=needs(Permission.EDIT_BRAND))
async def preview_saved(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The consumer's page as it is."""
    async with desk.means.db.transaction() as tx:
        kept = await brands.settings(tx, seat.brand.id)
    return await _preview(desk, seat, kept, Query(seat.visit.query, seat.visit.language).text("page"))


@post("/console/b/{brand:str}/brand/preview", opt=needs(Permission.EDIT_BRAND), status_code=200)
async def preview(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """The consumer's page as it would be; nothing is saved. What is wrong is left out."""
    wanted = _read(form)
    wrong = {each.field for each in brands.judge(wanted)}
    lines = tuple(
        line for number, line in enumerate(wanted.lines, start=1)
        if not {f"line_{number}", f"line_url_{number}", "lines"} & wrong
    )  # fmt: skip
    kept = {name: value for name, value in asdict(wanted).items() if name not in wrong | {"lines"}}
    async with desk.means.db.transaction() as tx:
        now = await brands.settings(tx, seat.brand.id)
    shown = {"lines": lines, "logo_hash": now.logo_hash, "header_hash": now.header_hash}
    return await _preview(desk, seat, Settings(**kept | shown), form.get("page"))


async def _preview(desk: Desk, seat: Seat, wanted: Settings, page: str) -> Response[bytes]:
    """The real templates with a made-up visitor at a product of the brand; a logo goes with the page."""
    language = seat.visit.language
    async with desk.means.db.transaction() as tx:
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
        logo = await brands.logo(tx, seat.brand.id) if wanted.has_logo else None
    shown = Shown(seat.brand.id, seat.brand.slug, seat.brand.name, seat.brand.name_en, wanted)
    packed = "" if logo is None else f"data:image/{logo.type};base64,{base64.b64encode(logo.content).decode()}"
    worn = livery.of(shown, language, logo=packed)
    product = products[0] if products else None
    name = say("preview.product", language)
    if product is not None:
        name = product.name if language == "zh" else product.name_en
    gtin = product.gtin if product is not None else ""
    picture = "" if product is None else livery.picture_address(worn.slug, product.picture_hash or "")
    html = _render(desk, worn, language, page, product=name, gtin=gtin, picture=picture)
    # Links open nowhere: a new window is what the sandbox forbids. Scripts it would not run are left out.
    quiet = _SCRIPT.sub("", html.replace("<head>", '<head><base target="_blank">', 1), count=1)
    body = quiet.encode("utf-8", "replace")
    headers = _PREVIEW_HEADERS | {COLOUR_NOTE: quote(_colour_note(wanted.colour, language))}
    return desk.answer(seat.visit, body, media_type="text/html", headers=headers)


def _render(
    desk: Desk, worn: livery.Livery, language: Language, page: str, *, product: str, gtin: str, picture: str
) -> str:
    visitor = ConsumerVisit(
        language=language, device="0" * 32, member=None, brand_slug=worn.slug, path=f"/Q/{_SAMPLE_CODE}", host="",
        address=None, gzip=False, cookies=(),
    )  # fmt: skip
    common: dict[str, Any] = {
        "language": language,
        "visit": visitor,
        "assets": desk.assets,
        "figures": False,
        "livery": worn,
        "elsewhere": f"https://{worn.member_host}" if worn.member_host else "",
        "switch": visitor.path,
        "kept": [],
        "remembered": False,
        "standing": None,
        "wechat": False,
    }
    message = say("preview.message", language, brand=worn.name)
    if page == "result":
        reply = ScanReply(
            _SAMPLE_SCAN, Outcome.AWARDED, message, UnitShown(gtin, product, "B-2026-0417"),
            scan_count=1, points=20, balance=1_260,
        )  # fmt: skip
        return render(
            _consumer, "result.html", **common, reply=reply, tone=claims.TONES[reply.outcome], back="#",
            code=_SAMPLE_CODE, brand_slug=worn.slug,
        )  # fmt: skip
    if page == "me":
        return render(_consumer, "me.html", **common, me=None)
    look = Look("first", message, _SAMPLE_CODE, worn.slug, worn.name, product, gtin)
    return render(
        _consumer, "landing.html", **common, look=look, tone=claims.TONES[look.kind], picture=picture,
        offer=claims.offer(look, visitor), typed="", error="",
    )  # fmt: skip


def version_of(form: Form) -> int:
    """The version that whoever sent a form had seen."""
    return form.number("version", low=0, high=forms.VERSION_MAX)


def _read(form: Form) -> Settings:
    """The settings that a form holds, right or wrong."""
    plain = {name: form.get(name) for name in _TEXT_FIELDS}
    return Settings(
        **plain,  # type: ignore[arg-type] # all of them are texts
        colour=form.get("colour").lower() if "own_colour" in form else "",
        lines=brands.read_lines(form.all("line"), form.all("line_url")),
        member_host=form.get("member_host").lower().removeprefix("https://").rstrip("/"),
        hands_over="hands_over" in form,
        basemap=form.get("basemap", "bundled"),
        appeal_days=_days(form.get("appeal_days", str(brands.APPEAL_DAYS))),
    )


def _days(given: str) -> int:
    """A number of days; what is none lies outside the limits, and is refused there."""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0


_TEXT_FIELDS: Final = (
    "welcome_zh", "welcome_en", "thanks_zh", "thanks_en", "operator", "privacy_url", "service",
    "map_approval", "map_waiver", "basemap_url", "basemap_attribution",
)  # fmt: skip


def _page(
    desk: Desk,
    seat: Seat,
    shown: Settings,
    *,
    status: int = 200,
    errors: forms.Refusals | None = None,
    differences: list[forms.Difference] | None = None,
    host: Health | None = None,
) -> Response[bytes]:
    if any(each.field == "colour" for each in brands.judge(shown)):
        shown = replace(shown, colour="")  # no colour input can hold what is none
    rows = list(shown.lines) + [brands.Line("")] * min(2, max(brands.LINES_MAX - len(shown.lines), 0))
    return desk.page(
        seat,
        "brand.html",
        status=status,
        settings=shown,
        rows=rows,
        limits=brands,
        errors=errors or forms.Refusals(),
        differences=differences or [],
        colour=shown.colour or _HOUSE_COLOUR,
        colour_note=_colour_note(shown.colour, seat.visit.language),
        printed_host=urlsplit(desk.means.public_url).netloc.lower(),
        logo=livery.of(_as_shown(seat, shown), seat.visit.language).logo,
        header=livery.of(_as_shown(seat, shown), seat.visit.language).header,
        large_kb=pictures.LARGE_BYTES_MAX // 1024,
        picture_kb=pictures.UPLOAD_BYTES_MAX // 1024,
        previews=PREVIEWS,
        host=host,
        may_set_sign_in=Permission.MANAGE_SIGN_IN in seat.may,
    )


def _as_shown(seat: Seat, wanted: Settings) -> Shown:
    return Shown(seat.brand.id, seat.brand.slug, seat.brand.name, seat.brand.name_en, wanted)


def _colour_note(colour: str, language: Language) -> str:
    """How the colour's text was judged, and what was mended."""
    if not colour:
        return say("brand.colour.house", language)
    found = colours.contrast(colours.WHITE, colour)
    text = colours.text_on(colour)
    sentence = say(
        "brand.colour.white" if text == colours.WHITE else "brand.colour.black",
        language,
        white=f"{found:.1f}",
        black=f"{colours.contrast(colours.BLACK, colour):.1f}",
    )
    mended = colours.readable(colour, colours.PAPER)
    return sentence if mended == colour else f"{sentence} {say('brand.colour.mended', language, colour=mended)}"


def _differences(kept: Settings, wanted: Settings, language: Language) -> list[forms.Difference]:
    def lines(settings: Settings) -> str:
        return " · ".join(" ".join(filter(None, (line.text, line.url))) for line in settings.lines)

    def words(settings: Settings) -> dict[str, str]:
        values = asdict(settings)
        return {name: values[name] for name in (*_TEXT_FIELDS, "colour", "member_host")} | {
            "lines": lines(settings),
            "appeal_days": str(settings.appeal_days),
            "hands_over": say("yes" if settings.hands_over else "no", language),
            "basemap": say(f"brand.basemap.{settings.basemap}", language)
            if settings.basemap in brands.BASEMAPS
            else settings.basemap,
        }

    now, yours = words(kept), words(wanted)
    return forms.differences(
        ((say(f"brand.{name}", language), now[name], yours[name]) for name in now), none=say("none", language)
    )


ROUTES: list[ControllerRouterHandler] = [show, save, upload_logo, upload_header, preview_saved, preview]
