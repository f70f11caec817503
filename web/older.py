"""Addresses of older platforms: a brand points its old host at us, and the codes printed there are served here.

Such an address becomes a path of ours before anything is routed, so that the page's links, its language switch and its
forms know one kind of address only: `/F/` and the old address, packed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

PREFIX: Final = "/F/"
PACKED_CHARS_MAX: Final = 2_700
"""What 2,000 characters of an address become."""
_BESIDE: Final = frozenset({"", "metrics", "favicon.ico", "robots.txt"})
"""First segments of paths that are ours and no route's."""
YIELDING: Final = frozenset({"q", "code", "scan"})
"""First segments of ours that older platforms like too: they stay ours on the printed host, and elsewhere for whatever
fits no pattern. What our keys signed is verified under either address."""


def pack(text: str) -> str:
    """A text as one segment of a path."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


def unpack(packed: str) -> str | None:
    """The text that `pack` packed; None where it is none."""
    if len(packed) > PACKED_CHARS_MAX:
        return None
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def path_of(code: str, *, safe: str = "") -> str:
    """The page of a code, or of a code's old address."""
    return f"{PREFIX}{pack(code)}" if "/" in code else f"/Q/{quote(code, safe=safe)}"


def first_segments(routes: Iterable[str]) -> frozenset[str]:
    """First segments of our own paths: no old address takes them over, whatever pattern somebody declared.

    Args:
        routes: the paths of all routes; one that begins with a parameter has none.
    """
    firsts = {path[1:].partition("/")[0].lower() for path in routes}
    return _BESIDE | {first for first in firsts if "{" not in first}


class Readdress:
    """Stands before the routes and gives old addresses their path here.

    Args:
        application: what answers.
        hosts: the hosts whose addresses are served, at the moment.
        fits: whether an address may be a code of theirs; it asks no database.
        own: first segments of paths that are ours.
        printed_host: the host that is printed in our codes; nothing of ours is taken over there.
    """

    def __init__(
        self,
        application: ASGIApp,
        hosts: Callable[[], frozenset[str]],
        fits: Callable[[str], bool],
        *,
        own: frozenset[str],
        printed_host: str,
    ) -> None:
        self._application = application
        self._hosts = hosts
        self._fits = fits
        self._own = {True: own, False: own - YIELDING}
        self._printed_host = printed_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == ScopeType.HTTP and scope["method"] in ("GET", "HEAD"):
            address = self._address(scope)
            if address is not None:
                values = dict(scope)
                path = f"{PREFIX}{pack(address)}"
                values |= {"path": path, "raw_path": path.encode(), "query_string": b""}
                await self._application(values, receive, send)  # type: ignore[arg-type] # the same scope but for its path
                return
        await self._application(scope, receive, send)

    def _address(self, scope: Scope) -> str | None:
        hosts = self._hosts()
        if not hosts:
            return None
        named = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        host = named.partition(":")[0].lower()
        raw = bytes(scope.get("raw_path") or b"").decode("latin-1")
        if host not in hosts or raw[1:].partition("/")[0].lower() in self._own[host == self._printed_host]:
            return None
        query = bytes(scope.get("query_string", b"")).decode("latin-1")
        address = f"https://{host}{raw.partition('?')[0]}{'?' if query else ''}{query}"
        return address if self._fits(address) else None
