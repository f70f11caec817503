"""The consumer's pages: look at a code, scan it, sign in, see one's account, a draw, the figures.

Every page is made by the server and works without JavaScript. GET and HEAD change nothing: mail scanners and
link previews fetch addresses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response, Router, get, post, route
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap

from codegen import gs1
from kernel.errors import InvalidInput, NotAuthenticated, TooMany, YimaError
from traceability.regions import Regions
from traceability.scans import Look
from web import api_page, claims, failures, linksets, livery, older, reporting, resolver, story, visits, wechat
from web.assets import static_route
from web.desk import Desk, open_desk
from web.ports import Ports
from web.texts import say
from web.visits import Form, Visit

GivenDesk = NamedDependency[Desk]
GivenVisit = NamedDependency[Visit]
GivenForm = NamedDependency[Form]

READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
TYPED_CHARS_MAX: Final = 400


@route("/", http_method=READ)
async def home(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """Type a code."""
    return desk.page(visit, "home.html", typed="", error="")


@post("/code", status_code=200)
async def find(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Lead from a typed code, or a pasted address of one, to its page."""
    typed = form.get("code", "")[:TYPED_CHARS_MAX]
    if not typed:
        error = say("home.empty", visit.language)
        return desk.page(visit, "home.html", status=400, switch="/", typed="", error=error)
    if "/" in typed and desk.ports.may_be_listed(typed):
        return desk.redirect(visit, older.path_of(typed))
    # Of a pasted address only the end of its path is taken: the page to go to is ours.
    match typed.partition("?")[0].partition("#")[0].rstrip("/").split("/"):
        case [*_, "01", gtin, "21", code]:
            target = f"/01/{quote(gtin, safe='%')}/21/{quote(code, safe='%')}"
        case [*_, "01", gtin, ("10" | "22") as ai, value, "21", code]:
            target = "/".join(
                ["/01", *(quote(each, safe="%") for each in (gtin, ai, value)), "21", quote(code, safe="%")]
            )
        case [_, *_, code]:
            target = _landing(code, safe="%")
        case _:
            target = _landing("".join(typed.split()))
    return desk.redirect(visit, target)


@route(["/Q/{code:str}", "/q/{code:str}"], http_method=READ)
async def landing(desk: GivenDesk, visit: GivenVisit, code: FromPath[str]) -> Response[bytes]:
    """The page behind a printed code, short form."""
    look = await desk.ports.look(
        code, device=visit.device, language=visit.language, address=visit.address, member=visit.member
    )
    return await _landing_page(desk, visit, look, code)


@route("/F/{packed:str}", http_method=READ)
async def older_address(desk: GivenDesk, visit: GivenVisit, packed: FromPath[str]) -> Response[bytes]:
    """The page behind a code that was printed for an older platform."""
    text = older.unpack(packed)
    if text is None:
        raise NotFoundException("There is no such page.")
    look = await desk.ports.look(
        text, device=visit.device, language=visit.language, address=visit.address, member=visit.member
    )
    return await _landing_page(desk, visit, look, text)


async def digital_link(desk: Desk, visit: Visit, path: str, headers: dict[str, str]) -> Response[bytes] | None:
    """The page behind a GS1 Digital Link to a code, or None where its serial number has no form of a code.

    The GTIN goes with the code, to be judged with it. A code that we did not issue is no page that there is: by a
    resolver's rules an error is never a 200.
    """
    look = await desk.ports.look(
        f"https://{visit.host}{path}",
        device=visit.device,
        language=visit.language,
        address=visit.address,
        member=visit.member,
    )
    if look.kind == "malformed":
        return None
    status = 404 if look.kind == "forged" else 200
    return await _landing_page(desk, visit, look, path.rpartition("/")[2], status=status, headers=headers)


async def _look(desk: Desk, visit: Visit, text: str) -> Look:
    return await desk.ports.look(
        text, device=visit.device, language=visit.language, address=visit.address, member=visit.member
    )


async def _landing_page(
    desk: Desk, visit: Visit, look: Look, typed: str, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    standing, adult = None, False
    if visit.member is not None and look.brand_slug == visit.brand_slug and look.kind != "voided":
        standing = await desk.ports.standing(visit.member, look.code)
        adult = look.adults_only and await desk.ports.is_adult(visit.member)
    return desk.page(
        visit,
        "landing.html",
        status=status,
        headers=headers,
        brand=look.brand_slug,
        look=look,
        tone=claims.TONES[look.kind],
        picture=livery.picture_address(look.brand_slug, look.picture),
        offer=claims.offer(look, visit, standing, adult=adult),
        standing=standing,
        typed=typed[:TYPED_CHARS_MAX],
        error="",
    )


@route("/products/{gtin:str}", http_method=READ)
async def product(desk: GivenDesk, visit: GivenVisit, gtin: FromPath[str]) -> Response[bytes]:
    """A product: its names, and its links."""
    found = await desk.ports.resolve(gtin) if gs1.is_digits(gtin) else None
    if found is None:
        title, sentence = (say(key, visit.language) for key in ("resolver.unknown.title", "resolver.unknown"))
        return desk.page(visit, "error.html", status=404, switch="/", title=title, sentence=sentence, original="")
    links = [(each.terms.href, linksets.title_of(each.terms, visit.language)) for each in found.links]
    return desk.page(
        visit, "product.html", brand=found.shown.brand_slug, shown=found.shown, links=links,
        chinese=visit.language == "zh",
    )  # fmt: skip


@post("/scan", status_code=200)
async def scan(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Scan; sent again with the same scan id, the form gets the same answer."""
    request = claims.scan_request(form, visit)
    if visit.member is not None and form.get("adult") == "1":
        await desk.ports.confirm_adult(visit.member)
    try:
        reply = await desk.ports.scan(request)
    except YimaError as error:
        if error.code != "proof_of_work":
            raise
        return await _work_page(desk, visit, form, error)
    back = older.path_of(request.code)
    remembered = visit.member is None and bool(form.get("later")) and reply.outcome in claims.CLAIMABLE
    if remembered:
        cookies = [desk.keep_later(visit, request.code)]
    else:
        cookies = desk.claimed(visit, request.code) if reply.outcome in claims.SETTLED else []
    standing = None
    if visit.member is not None and reply.outcome in claims.UNSETTLED:
        standing = await desk.ports.standing(visit.member, request.code)
    return desk.page(
        visit,
        "result.html",
        standing=standing,
        cookies=cookies,
        remembered=remembered,
        brand=form.get("brand", ""),
        switch=back,
        reply=reply,
        tone=claims.TONES[reply.outcome],
        back=back,
        code=request.code,
        brand_slug=form.get("brand", ""),
    )


async def _work_page(desk: Desk, visit: Visit, form: Form, error: YimaError) -> Response[bytes]:
    """The page that says what the code is, and has the browser work before its scan is taken."""
    look = await _look(desk, visit, form["code"])
    return desk.page(
        visit,
        "work.html",
        status=error.status,
        brand=look.brand_slug,
        switch=older.path_of(form["code"]),
        look=look,
        tone=claims.TONES[look.kind],
        challenge=json.dumps(error.details["challenge"]),
        fields=[(name, form[name]) for name in claims.SENT if form.get(name)],
    )


@post("/sign-in/code", status_code=200)
async def send_code(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Send a one-time code, and ask for it."""
    error: YimaError | None = None
    try:
        await desk.ports.request_code(_field(form, "brand"), _field(form, "phone"), visit=visit)
    except (InvalidInput, TooMany) as raised:
        # Shown beside the field, where it can be mended, not on a page of its own.
        error = raised
    # Whoever is called away while the message travels finds the code again.
    cookies = [desk.keep_later(visit, form["code"])] if error is None and form.get("code") else []
    return _code_page(desk, visit, form, error, cookies=cookies)


@post("/sign-in", status_code=200)
async def sign_in(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Sign in, and go back to the code that led here."""
    brand = _field(form, "brand")
    try:
        token = await desk.ports.sign_in(brand, _field(form, "phone"), form.get("one_time_code", ""), visit=visit)
    except (InvalidInput, NotAuthenticated, TooMany) as error:
        return _code_page(desk, visit, form, error)
    cookies = [
        desk.cookie(visits.SESSION, token, days=visits.SESSION_DAYS),
        desk.cookie(visits.BRAND, brand, days=visits.SESSION_DAYS),
    ]
    return desk.redirect(visit, _return_path(form), cookies=cookies)


@post("/sign-out", status_code=200)
async def sign_out(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """End the session in this browser."""
    return desk.redirect(visit, "/", cookies=[desk.forget_session(), desk.cookie(visits.BRAND, "", days=0)])


@post("/appeal", status_code=200)
async def appeal(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Ask a person to look at what a rule held or refused, and go back to where that stands."""
    if visit.member is None:
        raise NotAuthenticated("Sign in first: the answer is for the person who claimed.")
    given = form.get("claim", "")
    if given:
        number = int(given) if given.isascii() and given.isdigit() and len(given) <= 18 else 0
        await desk.ports.appeal(visit.member, claim_id=number)
        return desk.redirect(visit, "/me")
    code = _field(form, "code")
    await desk.ports.appeal(visit.member, code=code)
    return desk.redirect(visit, older.path_of(code))


@route(["/appeal", "/code", "/report", "/scan", "/sign-in", "/sign-in/code", "/sign-out"], http_method=READ)
async def start_over(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """An address that only takes forms, opened from the address bar."""
    return desk.redirect(visit, "/")


@route("/me", http_method=READ)
async def me(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """The member's own page."""
    shown = None if visit.member is None else await desk.ports.me(visit.member, visit.language)
    return desk.page(visit, "me.html", brand=visit.brand_slug if shown is None else shown.brand_slug, me=shown)


@get("/brand/{slug:str}/{name:str}")
async def brand_file(desk: GivenDesk, slug: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A brand's style sheet, logo or picture, under an address that names its content."""
    sheet = livery.serve_sheet(name)
    if sheet is not None:
        return sheet
    content_hash = livery.logo_hash(name)
    found = await desk.ports.logo(slug, content_hash)
    if found is None and content_hash:
        found = await desk.ports.picture(slug, content_hash)
    if found is None:
        raise NotFoundException("There is no such file.")
    return livery.serve_logo(found)


@route("/draws/{name:str}", http_method=READ)
async def draw(desk: GivenDesk, visit: GivenVisit, name: FromPath[str]) -> Response[bytes]:
    """A draw as published."""
    shown = await desk.ports.draw(name, visit.language)
    rules = json.dumps(shown.rules, ensure_ascii=False, indent=2)
    return desk.page(
        visit,
        "draw.html",
        draw=shown,
        rules=rules,
        prizes=story.prizes(shown, visit.language),
        proof=f"/api/v1/draws/{quote(shown.name, safe='')}/proof",
    )


@route("/story", http_method=READ)
async def figures(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """The installation's figures."""
    arranged = await story.arrange(desk.ports, desk.regions, visit.language)
    return desk.page(visit, "story.html", story=arranged)


def routes(
    ports: Ports, *, public_url: str, secure_cookies: bool, regions: Regions | None = None, story: bool = True
) -> list[ControllerRouterHandler]:
    """The pages, the GS1 resolver and static files, to be mounted at the root.

    Args:
        ports: the use cases.
        public_url: the setting `YIMA_PUBLIC_URL`: the host that is printed.
        secure_cookies: whether cookies travel over HTTPS only.
        regions: provinces' names; None to load the file that set-up builds.
        story: whether there is a page of figures; it names dealers, so that only a trial shows it to everybody.

    Raises:
        ConfigurationError: the front end or the region data are not built.
    """
    desk = open_desk(
        ports, secure_cookies=secure_cookies, public_url=public_url, regions=regions, story=story
    )  # fmt: skip
    pages: list[ControllerRouterHandler] = [
        home,
        find,
        landing,
        older_address,
        product,
        scan,
        send_code,
        sign_in,
        sign_out,
        appeal,
        start_over,
        me,
        draw,
        brand_file,
    ]
    pages += wechat.HANDLERS
    pages += reporting.ROUTES
    pages += resolver.handlers(resolver.Resolver(desk, public_url, digital_link))
    if story:
        pages.append(figures)

    def give_desk() -> Desk:
        return desk

    def give_visit(request: Request[Any, Any, Any]) -> Visit:
        return desk.visit(request)

    return [
        Router(
            path="/",
            route_handlers=[*pages, static_route(desk.assets)],
            dependencies={
                "desk": Provide(give_desk, sync_to_thread=False),
                "visit": Provide(give_visit, sync_to_thread=False),
                "form": Provide(visits.read_form),
            },
            exception_handlers=failures.exception_handlers(desk),
            include_in_schema=False,
            request_max_body_size=visits.FORM_BYTES_MAX,
        )
    ]


def api_page_of(
    ports: Ports, *, secure_cookies: bool, regions: Regions | None = None, story: bool = True
) -> Callable[[Request[Any, Any, Any], dict[str, Any]], Response[bytes]]:
    """Makes the page of the HTTP API of its description; see `routes` for the arguments."""
    return partial(api_page.show, open_desk(ports, secure_cookies=secure_cookies, regions=regions, story=story))


def exception_handlers(
    ports: Ports, *, secure_cookies: bool, regions: Regions | None = None, story: bool = True
) -> ExceptionHandlersMap:
    """The same error pages for addresses that no route knows; the pages of `routes` have theirs already."""
    desk = open_desk(ports, secure_cookies=secure_cookies, regions=regions, story=story)
    return failures.exception_handlers(desk)


def _landing(code: str, *, safe: str = "") -> str:
    return f"/Q/{quote(code, safe=safe)}"


def _field(form: Form, name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise InvalidInput(f"{name} is missing.", field=name)
    return value


def _return_path(form: Form) -> str:
    return older.path_of(form["code"]) if form.get("code") else "/me"


def _code_page(
    desk: Desk, visit: Visit, form: Form, error: YimaError | None, *, cookies: Iterable[Cookie] = ()
) -> Response[bytes]:
    """The page that asks for the one-time code, or for the number again where it is no number."""
    sentence = "" if error is None else failures.error_sentence(error, visit.language, scope="error.sign")
    wait = None if error is None else error.details.get("retry_after_s")
    return desk.page(
        visit,
        "sign_in.html",
        status=200 if error is None else error.status,
        brand=form.get("brand", ""),
        switch=_return_path(form),
        headers={"Retry-After": str(wait)} if isinstance(wait, int) else None,
        cookies=cookies,
        ask_phone=isinstance(error, InvalidInput) and "one_time_code" not in form,
        phone=form.get("phone", ""),
        brand_slug=form.get("brand", ""),
        code=form.get("code", ""),
        back=_return_path(form),
        error=sentence,
    )
