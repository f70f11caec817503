"""A server that behaves as WeChat's sign-in interfaces are published to: what stands in for them in tests.

Its rules, as WeChat's documentation tells them: a code is good for five minutes and for one exchange, within the app
it was given to; answers come as text/plain, errors as documents with an errcode under status 200; the page
authorisation wants its parameters in one order, the account's registered domain in redirect_uri, and WeChat's own
browser; snsapi_base asks nobody, snsapi_userinfo asks, and only it gives a unionid, and only to an app that is bound;
a person who says no comes back without a code; a Mini Program's user has a hundred logins a minute. WeChat's own
servers were never asked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get

LIFE_S = 300
MINUTE_MAX = 100
AGENT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0 "
    "Mobile Safari/537.36 MicroMessenger/8.0.50.2701(0x28003255) WeChat/arm64 Language/zh_CN"
)
_ORDER = re.compile(
    rb"appid=([^&]*)&redirect_uri=([^&]*)&response_type=code&scope=(snsapi_base|snsapi_userinfo)&state=([0-9A-Za-z]{1,128})"
)


@dataclass
class App:
    """An official account or a Mini Program."""

    app_id: str
    secret: str
    domain: str = ""
    bound: bool = False


@dataclass
class User:
    """A person with a WeChat account."""

    name: str
    risky: bool = False
    snapshot: bool = False
    agrees: bool = True


@dataclass
class Code:
    app_id: str
    user: User
    scope: str
    at: float
    used: bool = False


@dataclass
class WechatServer:
    """The server's memory.

    Attributes:
        user: who holds the phone.
        calls: exchanges that were asked for, by path.
        faults: what the next exchanges do instead: `busy`, `busy_used`, `hang`, `cut`, `moved`, `html`, `huge`,
            `failing`, `list`, `zipped`, or an errcode.
        seen: the authorisations' raw queries and referrers.
    """

    user: User = field(default_factory=lambda: User("li"))
    apps: dict[str, App] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: list[str | int] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    logins: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    later_s: float = 0
    url: str = ""

    def now(self) -> float:
        return time.time() + self.later_s

    def add(self, **more: Any) -> App:
        app = App(f"wx{secrets.token_hex(8)}", secrets.token_hex(16), **more)
        self.apps[app.app_id] = app
        return app

    def give(self, app: App, scope: str = "mini", user: User | None = None) -> str:
        """A code, as `wx.login` or an authorisation gives it."""
        code = secrets.token_hex(16)
        self.codes[code] = Code(app.app_id, user or self.user, scope, self.now())
        return code

    def openid(self, app: App, user: User) -> str:
        return "o" + _name(f"{app.app_id}/{user.name}", 27)

    def unionid(self, user: User) -> str:
        return "oU" + _name(user.name, 26)

    def exchange(self, path: str, query: dict[str, str], code: str) -> dict[str, Any]:  # noqa: PLR0911 (its rules, one by one)
        app = self.apps.get(query.get("appid", ""))
        if app is None:
            return _error(40013, "invalid appid")
        if not secrets.compare_digest(query.get("secret", ""), app.secret):
            return _error(40125, "invalid appsecret, view more at http://t.cn/RAEkdVq")
        if query.get("grant_type") != "authorization_code":
            return _error(40002, "invalid grant_type")
        if not code:
            return _error(41008, "missing code")
        given = self.codes.get(code)
        mini = path.endswith("jscode2session")
        if given is None or given.app_id != app.app_id or mini != (given.scope == "mini"):
            return _error(40029, "invalid code")
        if given.used:
            return _error(40163, "code been used")
        if self.now() - given.at > LIFE_S:
            return _error(40029, "invalid code")
        if mini:
            recent = self.logins.setdefault((app.app_id, given.user.name), [])
            recent[:] = [at for at in recent if self.now() - at < 60]
            if len(recent) >= MINUTE_MAX:
                return _error(45011, "api minute-quota reach limit  mustslower  retry next minute")
            recent.append(self.now())
            if given.user.risky:
                return _error(40226, "code blocked")
        given.used = True
        union = {"unionid": self.unionid(given.user)} if app.bound and given.scope != "snsapi_base" else {}
        openid = self.openid(app, given.user)
        if mini:
            return {"session_key": base64.b64encode(secrets.token_bytes(16)).decode(), "openid": openid, **union}
        snapshot = {"is_snapshotuser": 1} if given.user.snapshot else {}
        return {
            "access_token": secrets.token_urlsafe(64), "expires_in": 7200, "refresh_token": secrets.token_urlsafe(64),
            "openid": openid, "scope": given.scope, **union, **snapshot,
        }  # fmt: skip


def _name(text: str, chars: int) -> str:
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:chars]


def _error(errcode: int, errmsg: str) -> dict[str, Any]:
    return {"errcode": errcode, "errmsg": f"{errmsg}, rid: {secrets.token_hex(4)}-{secrets.token_hex(4)}"}


def _plain(document: object) -> Response[bytes]:
    return Response(msgspec.json.encode(document), media_type="text/plain")


async def _fault(kind: str | int) -> Response[bytes]:  # noqa: PLR0911 (one each)
    match kind:
        case int():
            return _plain(_error(kind, "as published"))
        case "busy" | "busy_used":
            return _plain(_error(-1, "system error"))
        case "hang":
            await asyncio.sleep(1.5)  # longer than the tests' patience
            return _plain({})
        case "moved":
            return Response(b"", status_code=302, headers={"Location": "http://127.0.0.1:9/metadata"})
        case "html":
            return Response(b"<html>captive portal</html>", media_type="text/html")
        case "huge":
            return Response(b'{"openid": "' + b"o" * 1_000_000 + b'"}', media_type="text/plain")
        case "failing":
            return Response(b"bad gateway", status_code=502)
        case "list":
            return _plain([1, 2])
        case "zipped":
            import gzip

            return Response(gzip.compress(b" " * 10_000_000 + b"{}"), headers={"Content-Encoding": "gzip"})
    raise AssertionError(kind)


def _routes(server: WechatServer) -> list[Any]:
    async def exchanged(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
        path = request.url.path
        query = dict(request.query_params)
        server.calls.append(path)
        code = query.get(name, "")
        if server.faults:
            fault = server.faults.pop(0)
            if fault == "busy_used" and code in server.codes:
                server.codes[code].used = True
            return await _fault(fault)
        return _plain(server.exchange(path, query, code))

    @get("/sns/oauth2/access_token")
    async def access_token(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await exchanged(request, "code")

    @get("/sns/jscode2session")
    async def session(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await exchanged(request, "js_code")

    @get("/connect/oauth2/authorize")
    async def authorize(request: Request[Any, Any, Any]) -> Response[bytes]:
        raw = request.scope["query_string"]
        server.seen.append((raw.decode(), request.headers.get("referer", "")))
        if "MicroMessenger" not in request.headers.get("user-agent", ""):
            return _page("请在微信客户端打开链接")
        if _ORDER.fullmatch(raw) is None:
            return _page("该链接无法访问")
        query = dict(request.query_params)
        app = server.apps.get(query["appid"])
        if app is None:
            return _page("appid 参数错误 10012")
        back = query["redirect_uri"]
        if urlsplit(back).netloc != app.domain:
            return _page("redirect_uri域名与后台配置不一致，错误码:10003")
        state = query["state"]
        yes = f"{back}?code={server.give(app, query['scope'])}&state={state}"
        if query["scope"] == "snsapi_base":
            return Response(b"", status_code=302, headers={"Location": yes})
        return _page(
            f'申请获取你的公开信息<p><a href="{escape(yes)}">同意</a> '
            f'<a href="{escape(back)}?state={quote(state)}">拒绝</a></p>'
        )

    return [access_token, session, authorize]


def _page(body: str) -> Response[bytes]:
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>微信</title>'
    html = head + body
    return Response(html.encode(), media_type="text/html", headers={"Cache-Control": "no-store"})


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[WechatServer]:
    """The server on a free port."""
    server = WechatServer()
    app = Litestar(route_handlers=_routes(server), openapi_config=None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        runner = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        task = asyncio.create_task(runner.serve(sockets=[listening]))
        while not runner.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.01)
        server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield server
        finally:
            runner.should_exit = True
            await task
