"""Sign-in with WeChat on the consumer's pages: one tap there, and back to the page of the same code.

The way back is one address without anything of the product in it: WeChat learns that somebody signs in, not what was
scanned. A way back that fails is a page that says why and leads on by phone number.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.types import ControllerRouterHandler

from kernel.errors import InvalidInput, YimaError
from members.wechat import WechatRisk
from members.wechat_door import WechatUsed
from web import failures, older, visits
from web.desk import Desk
from web.visits import Form, Visit

CALLBACK: Final = "/sign-in/wechat/callback"
PARAMETER_CHARS_MAX: Final = 512

GivenDesk = NamedDependency[Desk]
GivenVisit = NamedDependency[Visit]
GivenForm = NamedDependency[Form]


@post("/sign-in/wechat", status_code=200)
async def begin(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Leave for WeChat."""
    brand, code = form.get("brand", ""), form.get("code", "")
    back = f"{desk.scheme}://{desk.sign_in_host(brand)}{CALLBACK}"
    try:
        leave_for = await desk.ports.begin_wechat(brand, code=code, redirect_uri=back, visit=visit)
    except YimaError as error:
        return _ended(desk, visit, error, brand_slug=brand if desk.ports.brand(brand) is not None else "", code=code)
    # Whoever is called away within WeChat finds the code again.
    return desk.redirect(visit, leave_for, cookies=[desk.keep_later(visit, code)] if code else ())


@route("/sign-in/wechat", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def start_over(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """The address of the button, opened from the address bar."""
    return desk.redirect(visit, "/")


@get(CALLBACK)
async def finish(desk: GivenDesk, visit: GivenVisit, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Come back from WeChat. The session is a new one, whatever the browser brought."""
    try:
        state, code = _parameter(request, "state"), _parameter(request, "code")
        ended = await desk.ports.finish_wechat(state=state, code=code, visit=visit)
    except YimaError as error:
        return _ended(desk, visit, error)
    back = older.path_of(ended.code) if ended.code else "/me"
    if isinstance(ended.error, WechatUsed) and visit.member is not None and visit.brand_slug == ended.brand_slug:
        # WeChat's browser opened the address twice, and the first time did it.
        return desk.redirect(visit, back)
    if ended.token is None:
        assert ended.error is not None
        return _ended(desk, visit, ended.error, brand_slug=ended.brand_slug, code=ended.code)
    cookies = [
        desk.cookie(visits.SESSION, ended.token, days=visits.SESSION_DAYS),
        desk.cookie(visits.BRAND, ended.brand_slug, days=visits.SESSION_DAYS),
    ]
    return desk.redirect(visit, back, cookies=cookies)


def _parameter(request: Request[Any, Any, Any], name: str) -> str:
    """A parameter of the way back; empty where it did not come."""
    given = request.query_params.getall(name, [])
    if len(given) > 1 or any(len(each) > PARAMETER_CHARS_MAX for each in given):
        raise InvalidInput(f"{name} came twice, or is too long.", field=name)
    return given[0] if given else ""


def _ended(
    desk: Desk, visit: Visit, error: YimaError, *, brand_slug: str = "", code: str = ""
) -> Response[bytes]:  # fmt: skip
    """The page of a sign-in that came to nothing; the session that the browser has, if any, stays."""
    wait = error.details.get("retry_after_s")
    back = older.path_of(code) if code else "/"
    return desk.page(
        visit,
        "wechat_ended.html",
        status=error.status,
        brand=brand_slug,
        switch=back,
        headers={"Retry-After": str(wait)} if isinstance(wait, int) else None,
        sentence=failures.error_sentence(error, visit.language),
        brand_slug=brand_slug,
        again=not isinstance(error, WechatRisk),
        code=code,
        back=back,
    )


HANDLERS: Final[list[ControllerRouterHandler]] = [begin, start_over, finish]
