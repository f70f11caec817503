"""How outbox messages leave: wired here, for only the composition root knows every kind.

One-time codes go to the gateway at `YIMA_SMS_URL` (a JSON post signed with HMAC-SHA256), or, in development
only, to a file under `YIMA_HOME`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path

import httpx

from kernel.errors import ConfigurationError
from kernel.outbox import Handler, Message
from yima.runtime import development_outbox
from yima.settings import Settings

GATEWAY_TIMEOUT_S = 10.0


def handlers(settings: Settings) -> Mapping[str, Handler]:
    """The handler of each kind of message."""

    async def sms(message: Message) -> None:
        if settings.sms_url is not None:
            await _post(settings, message)
        elif settings.dev:
            await asyncio.to_thread(_append, development_outbox(settings), message)
        else:
            raise ConfigurationError("YIMA_SMS_URL is not set: no text message can be sent.")

    return {"sms.code": sms}


async def _post(settings: Settings, message: Message) -> None:
    """Hand a text message to the gateway; the key lets it recognise a second delivery."""
    assert settings.sms_url is not None
    assert settings.sms_secret is not None
    signature = hmac.new(settings.sms_secret.encode(), message.key.encode() + b"\n" + message.body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": message.key,
        "Yima-Signature": signature.hexdigest(),
    }
    async with httpx.AsyncClient(timeout=GATEWAY_TIMEOUT_S) as client:
        response = await client.post(settings.sms_url, content=message.body, headers=headers)
    response.raise_for_status()


def _append(path: Path, message: Message) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(message.body + b"\n")


def read_development_codes(settings: Settings) -> dict[str, str]:
    """The latest one-time code by phone number, from development's file."""
    path = development_outbox(settings)
    if not settings.dev or not path.exists():
        return {}
    found = (json.loads(line) for line in path.read_text().splitlines())
    return {message["to"]: message["code"] for message in found}
