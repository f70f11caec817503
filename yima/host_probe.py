"""Looks at the hosts that printed pages hand over to: does each answer, and is it this installation that does?

The host is what somebody typed into a form, so that this is a request of a stranger's choice: https only, public
addresses only, asked at the address that was judged and not at one that a second lookup gives; no redirect is
followed, a few bytes are read, a few seconds waited. What answers is shown to nobody, only a word about it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import Final

import structlog

from kernel.clock import now
from traceability import handover
from traceability.handover import Due
from yima.runtime import Runtime

log = structlog.get_logger(__name__)

WAIT_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 4_096
PATH: Final = "/health"
BODY: Final = b"ok"
PROBLEMS: Final = ("unresolved", "private", "unreachable", "certificate", "slow", "redirected", "refused", "foreign")


async def probe_due(opened: Runtime) -> int:
    """Look at the hosts that are due; returns how many."""
    at = now()
    async with opened.db.transaction() as tx:
        due = await handover.due(tx, at=at)
    if not due:
        return 0
    dev = opened.settings.dev
    secure = not dev or opened.settings.public_url.lower().startswith("https://")
    problems = await asyncio.gather(*(look(each.host, secure=secure, private=dev) for each in due))
    seen: dict[Due, str] = dict(zip(due, problems, strict=True))
    async with opened.db.transaction() as tx:
        await handover.record(tx, seen, at=now())
    for each, problem in seen.items():
        if problem:
            log.warning("host.unwell", brand_id=each.brand_id, problem=problem)
    return len(due)


async def look(
    host: str, *, secure: bool, private: bool, trust: ssl.SSLContext | None = None, wait_s: float = WAIT_S_MAX
) -> str:
    """What is wrong with a host, one of `PROBLEMS`; empty where it answers as this installation does.

    Args:
        host: its name, perhaps with a port.
        secure: whether it is asked over TLS.
        private: whether it may lie in a private network (development).
        trust: whose certificates are believed; the system's by default.
        wait_s: seconds that all of it may take.
    """
    name, _, port = host.partition(":")
    context = (trust or ssl.create_default_context()) if secure else None
    try:
        async with asyncio.timeout(wait_s):
            address = await _resolve(name, private=private)
            if address is None:
                return "private"
            answer = await _ask(address, int(port or (443 if secure else 80)), host, name, context)
    except TimeoutError:
        return "slow"
    except socket.gaierror:
        return "unresolved"
    except ssl.SSLError:
        return "certificate"
    except (OSError, EOFError):
        return "unreachable"
    return _judge(answer)


async def _resolve(name: str, *, private: bool) -> str | None:
    """An address of the name; None where any of them is no public one: a name of both kinds is a trick."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    if not private and not all(_is_public(each) for each in addresses):
        return None
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (inner is None or inner.is_global)


async def _ask(address: str, port: int, host: str, name: str, context: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(
        address, port, ssl=context, server_hostname=name if context is not None else None, limit=ANSWER_BYTES_MAX
    )
    try:
        head = (f"GET {PATH} HTTP/1.1", f"Host: {host}", "User-Agent: Yima", "Accept: text/plain", "Connection: close")
        writer.write("".join(f"{line}\r\n" for line in (*head, "")).encode("ascii"))
        await writer.drain()
        answer = b""
        while len(answer) < ANSWER_BYTES_MAX and (part := await reader.read(ANSWER_BYTES_MAX - len(answer))):
            answer += part
        return answer
    finally:
        writer.close()


def _judge(answer: bytes) -> str:
    """What an answer says: this installation's, somebody else's, or a way elsewhere (most blocks are one)."""
    head, _, body = answer.partition(b"\r\n\r\n")
    match head.split(b"\r\n", 1)[0].split(b" "):
        case [version, status, *_] if version.startswith(b"HTTP/1.") and len(status) == 3 and status.isdigit():
            code = int(status)
        case _:
            return "foreign"
    if 300 <= code < 400:
        return "redirected"
    if code != 200:
        return "refused"
    return "" if BODY in body.split(b"\r\n") else "foreign"
