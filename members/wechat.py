"""WeChat's sign-in interfaces as a client: from a code that WeChat gave a phone to the person behind it.

Two exchanges, as WeChat publishes them: an official account's page authorisation (`/sns/oauth2/access_token`) and a
Mini Program's login (`/sns/jscode2session`). A code is good for five minutes and for one exchange. Answers are JSON
whatever their content type says; an error is a document with an `errcode` under status 200.

What WeChat hands out besides the person (access token, refresh token, session key) is dropped here. Secrets and codes
travel in the query, because WeChat wants them there, and are named in no error and no log.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from kernel.errors import Forbidden, NotAuthenticated, TooMany, Unavailable

AUTHORIZE_ORIGIN: Final = "https://open.weixin.qq.com"
API_ORIGIN: Final = "https://api.weixin.qq.com"

CONNECT_S_MAX: Final = 3.0
READ_S_MAX: Final = 5.0
TOTAL_S_MAX: Final = 8.0
"""One attempt, whatever it waits for."""
ATTEMPTS_MAX: Final = 2
PAUSE_S: Final = 0.2
CONNECTIONS_MAX: Final = 20
QUEUE_S_MAX: Final = 2.0
ANSWER_BYTES_MAX: Final = 16_384
CODE_CHARS_MAX: Final = 128
MINUTE_S: Final = 60
"""WeChat counts calls by the minute."""

_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{6,64}")
_BUSY: Final = -1
_CODE_DEAD: Final = frozenset({40029, 40163, 41008, 42003})
_FREQUENT: Final = frozenset({45009, 45011})
_RISK: Final = 40226


class WechatCodeDead(NotAuthenticated):
    """WeChat does not know the code (any more): used, older than five minutes, or never issued for this app."""

    code = "wechat_code"


class WechatRisk(Forbidden):
    """WeChat holds the account to be of high risk and refuses its sign-in."""

    code = "wechat_risk"


class WechatSnapshot(Forbidden):
    """WeChat shows the page as a snapshot, under a made-up account that many people share."""

    code = "wechat_snapshot"


class WechatBusy(TooMany):
    """Too many sign-ins with WeChat in this minute."""

    code = "wechat_busy"


class WechatAway(Unavailable):
    """WeChat cannot be reached, or says that it is busy, or answers what is no answer."""

    code = "wechat_away"


class WechatMisconfigured(Unavailable):
    """The brand's app or secret is not what WeChat knows; `errcode` in the details says what WeChat said."""

    code = "wechat_misconfigured"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom WeChat named.

    Attributes:
        app_id: the app that asked.
        openid: the person's name within that app.
        unionid: the person's name within all apps of one open-platform account; None where WeChat gave none.
    """

    app_id: str
    openid: str
    unionid: str | None


class Wechat:
    """A client of WeChat's servers; one a process.

    Args:
        authorize_origin: where people are sent to agree.
        api_origin: where codes are exchanged.
        total_s_max: the longest that one attempt may take.
    """

    def __init__(
        self,
        *,
        authorize_origin: str = AUTHORIZE_ORIGIN,
        api_origin: str = API_ORIGIN,
        total_s_max: float = TOTAL_S_MAX,
    ) -> None:
        self.authorize_origin = authorize_origin
        self._total_s_max = total_s_max
        self._client = httpx.AsyncClient(
            base_url=api_origin,
            timeout=httpx.Timeout(READ_S_MAX, connect=CONNECT_S_MAX, pool=QUEUE_S_MAX),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "yima"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def authorize_url(self, *, app_id: str, redirect_uri: str, scope: str, state: str) -> str:
        """Where to send a person of an official account's page; the order of its parameters is WeChat's."""
        return (
            f"{self.authorize_origin}/connect/oauth2/authorize?appid={quote(app_id, safe='')}"
            f"&redirect_uri={quote(redirect_uri, safe='')}&response_type=code&scope={scope}"
            f"&state={state}#wechat_redirect"
        )

    async def person_of_page(self, *, app_id: str, secret: str, code: str) -> Person:
        """Exchange the code of a page's authorisation.

        Raises:
            WechatCodeDead: the code is no good (any more).
            WechatSnapshot: the page is shown as a snapshot.
            WechatBusy: WeChat takes no more of this app in this minute.
            WechatMisconfigured: the app or its secret is wrong.
            WechatAway: no answer.
        """
        query = {"appid": app_id, "secret": secret, "code": _code(code), "grant_type": "authorization_code"}
        answer = await self._exchange("/sns/oauth2/access_token", query)
        if answer.get("is_snapshotuser") == 1:
            raise WechatSnapshot(
                "WeChat shows this page as a snapshot only. Tap “Use full service” at the bottom, then sign in again."
            )
        return _person(app_id, answer)

    async def person_of_mini_program(self, *, app_id: str, secret: str, code: str) -> Person:
        """Exchange the code of `wx.login`; the session key that comes with it is not kept.

        Raises:
            WechatCodeDead: the code is no good (any more).
            WechatRisk: WeChat refuses this account.
            WechatBusy: WeChat takes no more of this person or app in this minute.
            WechatMisconfigured: the app or its secret is wrong.
            WechatAway: no answer.
        """
        query = {"appid": app_id, "secret": secret, "js_code": _code(code), "grant_type": "authorization_code"}
        return _person(app_id, await self._exchange("/sns/jscode2session", query))

    async def _exchange(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """WeChat's answer, asked again once where that is safe.

        It is where the request never left (no connection), and where WeChat said that it was busy: then either the
        code still is good, or it is not and nothing is lost by asking. An answer that got lost is not asked for again:
        the code is used.
        """
        was_busy = False
        for attempt in range(1, ATTEMPTS_MAX + 1):
            if attempt > 1:
                await asyncio.sleep(PAUSE_S)
            try:
                answer = await self._ask(path, query)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except (httpx.HTTPError, TimeoutError):
                break
            errcode = answer.get("errcode", 0)
            if errcode == _BUSY:
                was_busy = True
                continue
            if was_busy and errcode in _CODE_DEAD:
                break  # used up by the attempt that WeChat was too busy to answer
            if errcode != 0:
                _refuse(errcode)
            return answer
        raise _away()

    async def _ask(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        async with asyncio.timeout(self._total_s_max), self._client.stream("GET", path, params=query) as response:
            if response.status_code != 200:
                raise _away()
            content = b""
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > ANSWER_BYTES_MAX:
                    raise _away()
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise _away() from error


def is_code(text: str) -> bool:
    """Whether a text has the form of a code of WeChat's."""
    return _CODE.fullmatch(text) is not None


def _code(text: str) -> str:
    """A code that may be sent on; what cannot be one costs WeChat no call."""
    if not is_code(text):
        raise _dead()
    return text


def _person(app_id: str, answer: dict[str, Any]) -> Person:
    openid, unionid = answer.get("openid"), answer.get("unionid") or None
    for each in (openid, *(() if unionid is None else (unionid,))):
        if not isinstance(each, str) or _ID.fullmatch(each) is None:
            raise _away()
    return Person(app_id, str(openid), unionid)


def _refuse(errcode: object) -> None:
    """Raise what an error of WeChat's means."""
    if errcode in _CODE_DEAD:
        raise _dead()
    if errcode == _RISK:
        raise WechatRisk("WeChat holds this account to be at risk and refuses its sign-in. Use your phone number.")
    if errcode in _FREQUENT:
        raise WechatBusy("Too many sign-ins with WeChat just now; try again in a minute.", retry_after_s=MINUTE_S)
    if not isinstance(errcode, int):
        raise _away()
    raise WechatMisconfigured(
        f"Sign-in with WeChat is not set up rightly here (WeChat says {errcode}). Use your phone number.",
        errcode=errcode,
    )


def _dead() -> WechatCodeDead:
    return WechatCodeDead("WeChat's code was used already or is older than five minutes: sign in once more.")


def _away() -> WechatAway:
    return WechatAway("WeChat does not answer just now. Try again, or use your phone number.", retry_after_s=5)
