"""Writes of the API under an Idempotency-Key: sent again, they get the first answer, and are not done again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.params import HeaderParameter

from kernel import idempotency
from kernel.db import Tx
from kernel.idempotency import KEPT_HOURS, KEY_CHARS_MAX, Asked

Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description=(
            f"Made up by the client for each write, 1 to {KEY_CHARS_MAX} printable characters. Sent again within "
            f"{KEPT_HOURS} hours with the same body, the write is not done again and its first answer comes back. "
            "With another body it is a 409 (`idempotency_key_reused`), and so is the same one at the same time for "
            "longer than some seconds (`idempotency_key_in_use`): then ask again."
        ),
        required=False,
    ),
]


async def write(
    tx: Tx,
    request: Request[Any, Any, Any],
    use: Callable[[], Awaitable[msgspec.Struct]],
    *,
    key: str | None,
    brand_id: int,
    holder: str,
) -> Response[bytes]:
    """Do a write in the caller's transaction, once where the request bears a key.

    Args:
        tx: the transaction that `use` writes in.
        request: whose method, path and body count.
        use: the write; gives its answer.
        key: the Idempotency-Key, or None.
        brand_id: whose data it changes.
        holder: who asks.

    Raises:
        InvalidInput: the key is none.
        Conflict: the key was used for something else, or is in use.
    """
    if key is None:
        return _answer(msgspec.json.encode(await use()))
    asked = Asked(brand_id, holder, f"{request.method} {request.url.path}"[:200], key, await request.body())
    first = await idempotency.take(tx, asked)
    if first is None:
        first = msgspec.json.encode(await use())
        await idempotency.keep(tx, asked, first)
    return _answer(first)


def _answer(body: bytes) -> Response[bytes]:
    return Response(body, media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})
