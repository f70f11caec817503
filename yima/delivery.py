"""How outbox messages leave: wired here, for only the composition root knows every kind.

One-time codes go to the gateway at `YIMA_SMS_URL` (a JSON post signed with HMAC-SHA256), mails to the server at
`YIMA_SMTP_URL`, or, in development only, both to files under `YIMA_HOME`.
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
from staff import mails, resets
from yima import mail
from yima.runtime import Runtime, development_mails, development_outbox
from yima.settings import Settings

GATEWAY_TIMEOUT_S = 10.0


def handlers(opened: Runtime) -> Mapping[str, Handler]:
    """The handler of each kind of message."""
    settings = opened.settings

    async def sms(message: Message) -> None:
        if settings.sms_url is not None:
            await _post(settings, message)
        elif settings.dev:
            await asyncio.to_thread(_append, development_outbox(settings), message)
        else:
            raise ConfigurationError("YIMA_SMS_URL is not set: no text message can be sent.")

    async def mail_out(message: Message) -> None:
        if settings.smtp_url is not None:
            await _mail(settings, message)
        elif settings.dev:
            await asyncio.to_thread(_append, development_mails(settings), message)
        else:
            raise ConfigurationError("YIMA_SMTP_URL is not set: no e-mail can be sent.")

    async def reset(message: Message) -> None:
        await resets.answer(opened.db, opened.vault, opened.index, message, base_url=settings.base_url)

    return {"sms.code": sms, mails.KIND: mail_out, resets.KIND: reset}


async def _mail(settings: Settings, message: Message) -> None:
    """Hand a mail in; its Message-ID is made from the key, so that a second delivery can be recognised."""
    assert settings.smtp_url is not None
    assert settings.mail_from is not None
    body = json.loads(message.body)
    sender = mail.parse_sender(settings.mail_from)
    letter = mail.compose(
        sender=sender, to=body["to"], subject=body["subject"], text=body["text"], key=message.key
    )  # fmt: skip
    await mail.send(mail.parse_server(settings.smtp_url), letter)


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
