"""Mails as a real SMTP server gets them: with and without STARTTLS and sign-in, refused for now and for good."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from kernel import outbox
from kernel.errors import ConfigurationError
from kernel.outbox import Message, Undeliverable
from tests.yima.conftest import free_port
from yima import delivery, doctor, mail, settings
from yima.mail import Server
from yima.runtime import Runtime, development_mails

BODY = {
    "to": "lin@example.com",
    "subject": "重设一码管理台的密码",
    "text": "打开 https://t.yima.cn/x\n.\nOK\n",
    "language": "zh",
}


class Receiver:
    """What the server was told; `answers` are given to the next messages in turn."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.answers: list[str] = []
        self.secure: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802, ARG002 (the library's)
        if self.answers:
            return self.answers.pop(0)
        self.got.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802, ARG002 (the library's)
        if address == "nobody@example.com":
            return "550 No such user"
        if address == "full@example.com":
            return "452 Mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"


Serve = Callable[..., AbstractContextManager[tuple[Receiver, int]]]


@pytest.fixture
def serve() -> Serve:
    """A real SMTP server on a free port."""

    @contextmanager
    def running(**options: Any) -> Iterator[tuple[Receiver, int]]:
        receiver = Receiver()
        controller = Controller(receiver, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        try:
            yield receiver, controller.port
        finally:
            controller.stop(no_assert=True)

    return running


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate of 127.0.0.1 that this process trusts, as an operator's own authority is made known."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _over(opened: Runtime, url: str | None, *, env: str = "production") -> Runtime:
    sender = None if url is None else "一码 <no-reply@yima.example>"
    return dataclasses.replace(
        opened, settings=dataclasses.replace(opened.settings, env=env, smtp_url=url, mail_from=sender)
    )


async def _put(opened: Runtime, key: str = "mail/reset/1", **more: str) -> None:
    async with opened.db.transaction() as tx:
        body = json.dumps({**BODY, **more}).encode()
        await outbox.put(tx, opened.vault, [Message(kind="mail", key=key, body=body)])


async def _relay(opened: Runtime) -> dict[str, int]:
    async with opened.db.transaction() as tx:
        await tx.execute(text("UPDATE outbox_message SET due_at = now() WHERE state = 'due'"))
    return await outbox.relay(opened.db, opened.vault, delivery.handlers(opened))


async def test_a_mail_arrives_as_it_was_written(opened: Runtime, serve: Serve) -> None:
    with serve() as (receiver, port):
        over = _over(opened, f"smtp://127.0.0.1:{port}?starttls=0")
        await _put(over)
        assert await _relay(over) == {"sent": 1, "failed": 0, "dead": 0}
    [envelope] = receiver.got
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@yima.example", ["lin@example.com"])
    assert isinstance(envelope.content, bytes)
    letter = message_from_bytes(envelope.content, policy=policy.default)
    assert letter["Subject"] == BODY["subject"]
    assert letter["From"] == "一码 <no-reply@yima.example>"
    assert letter["Message-ID"] == "<mail.reset.1@yima.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().replace("\r\n", "\n") == BODY["text"]


def _authenticator(_: Any, __: Any, ___: Any, ____: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"user@x", b"p:a/ss")
    return AuthResult(success=good, handled=good)


async def test_starttls_comes_before_the_password(opened: Runtime, serve: Serve, certificate: ssl.SSLContext) -> None:
    options = {"tls_context": certificate, "authenticator": _authenticator, "auth_required": True}
    with serve(**options) as (receiver, port):
        over = _over(opened, f"smtp://user%40x:p%3Aa%2Fss@127.0.0.1:{port}?starttls=1")
        await _put(over)
        assert await _relay(over) == {"sent": 1, "failed": 0, "dead": 0}
        assert receiver.secure == [True]
        wrong = _over(opened, f"smtp://user%40x:wrong@127.0.0.1:{port}")
        await _put(wrong, "mail/reset/2")
        # wrong credentials are ours to mend: the mail waits
        assert await _relay(wrong) == {"sent": 0, "failed": 1, "dead": 0}


async def test_nothing_is_said_to_a_server_that_cannot_encrypt_or_that_nobody_vouches_for(
    opened: Runtime, serve: Serve, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as (receiver, port):
        over = _over(opened, f"smtp://127.0.0.1:{port}")  # STARTTLS is wanted unless switched off
        await _put(over)
        assert await _relay(over) == {"sent": 0, "failed": 1, "dead": 0}
        assert receiver.got == []
    monkeypatch.delenv("SSL_CERT_FILE")
    with serve(tls_context=certificate) as (receiver, port):
        over = _over(opened, f"smtp://127.0.0.1:{port}")
        assert await _relay(over) == {"sent": 0, "failed": 1, "dead": 0}
        assert receiver.got == []


async def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_not(opened: Runtime, serve: Serve) -> None:
    with serve() as (receiver, port):
        over = _over(opened, f"smtp://127.0.0.1:{port}?starttls=0")
        receiver.answers = ["451 Try again later"]
        await _put(over)
        assert await _relay(over) == {"sent": 0, "failed": 1, "dead": 0}
        assert await _relay(over) == {"sent": 1, "failed": 0, "dead": 0}
        receiver.answers = ["554 Spam"]
        await _put(over, "mail/2")
        await _put(over, "mail/3", to="nobody@example.com")
        assert await _relay(over) == {"sent": 0, "failed": 0, "dead": 2}
        await _put(over, "mail/4", to="full@example.com")
        assert await _relay(over) == {"sent": 0, "failed": 1, "dead": 0}
        assert await _relay(over) == {"sent": 0, "failed": 1, "dead": 0}
        assert len(receiver.got) == 1


async def test_a_server_that_is_away_is_tried_again(opened: Runtime, serve: Serve) -> None:
    with serve() as (_, port):
        pass
    over = _over(opened, f"smtp://127.0.0.1:{port}?starttls=0")
    await _put(over)
    assert await _relay(over) == {"sent": 0, "failed": 1, "dead": 0}


@pytest.mark.parametrize(
    "more",
    [
        {"subject": "Hello\r\nBcc: all@example.com"}, {"subject": "Hello\nX: y"},
        {"to": "lin@example.com\r\nBcc: all@example.com"}, {"to": "lin@example.com, all@example.com"},
    ],
)  # fmt: skip
async def test_nobody_adds_a_header_or_a_recipient(opened: Runtime, serve: Serve, more: dict[str, str]) -> None:
    with serve() as (receiver, port):
        over = _over(opened, f"smtp://127.0.0.1:{port}?starttls=0")
        await _put(over, **more)
        assert await _relay(over) == {"sent": 0, "failed": 0, "dead": 1}
        assert receiver.got == []


def test_a_text_cannot_end_the_mail_or_start_headers() -> None:
    letter = mail.compose(
        sender=mail.parse_sender("a@example.com"), to="b@example.com", subject="x", key="k",
        text="line\r\n.\r\nMAIL FROM:<x>\r\nBcc: all@example.com",
    )  # fmt: skip
    assert letter["Bcc"] is None
    assert b"MAIL FROM" not in letter.as_bytes()  # base64


def test_a_recipient_that_cannot_be_a_header_is_refused() -> None:
    with pytest.raises(Undeliverable):
        mail.compose(sender=mail.parse_sender("a@example.com"), to="b\r\n@example.com", subject="x", text="", key="k")


async def test_development_writes_mails_to_a_file_and_production_does_not(opened: Runtime) -> None:
    await _put(opened)
    production = _over(opened, None)
    assert await _relay(production) == {"sent": 0, "failed": 1, "dead": 0}
    assert not development_mails(opened.settings).exists()
    assert await _relay(opened) == {"sent": 1, "failed": 0, "dead": 0}
    path = development_mails(opened.settings)
    assert json.loads(path.read_text()) == BODY
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_doctor_says_what_becomes_of_mails(opened: Runtime) -> None:
    said = {
        url: doctor._mail(_over(opened, url, env=env).settings)
        for url, env in ((None, "production"), ("smtp://u:secret@mail.example:25?starttls=0", "production"))
    }
    assert not said[None].ok
    other = said["smtp://u:secret@mail.example:25?starttls=0"]
    assert (other.ok, other.said) == (True, "handed to mail.example:25, no encryption")
    assert doctor._mail(opened.settings).ok


def test_a_server_is_read_from_its_url() -> None:
    plain = {"user": None, "password": None, "tls": False, "starttls": True}
    assert mail.parse_server("smtp://mail.example") == Server("mail.example", 587, **plain)  # type: ignore[arg-type]
    assert mail.parse_server("smtps://u:p%40@mail.example") == Server(
        "mail.example", 465, user="u", password="p@", tls=True, starttls=False
    )
    assert "secret" not in repr(mail.parse_server("smtps://u:secret@mail.example"))


@pytest.mark.parametrize(
    "url",
    [
        "mail.example", "http://mail.example", "smtp://", "smtp://u@mail.example", "smtp://mail.example:0",
        "smtp://mail.example:99999", "smtp://mail.example?starttls=2", "smtp://mail.example?tls=1",
        "smtp://mail.example/path", "smtp://u:secret@mail.example?x",
    ],
)  # fmt: skip
def test_settings_of_mail_that_cannot_be_are_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="YIMA_SMTP_URL") as refused:
        settings.load({"YIMA_SECRET_KEYS": "x" * 16, "YIMA_SMTP_URL": url, "YIMA_MAIL_FROM": "nobody"})
    assert "YIMA_MAIL_FROM" in refused.value.message
    assert "secret" not in refused.value.message


def test_a_server_needs_a_sender() -> None:
    values = {"YIMA_SECRET_KEYS": "x" * 16, "YIMA_SMTP_URL": "smtp://mail.example"}
    with pytest.raises(ConfigurationError, match="YIMA_MAIL_FROM is missing"):
        settings.load(values)
    found = settings.load(values | {"YIMA_MAIL_FROM": "Yima <a@example.com>"})
    assert (found.smtp_url, found.mail_from) == ("smtp://mail.example", "Yima <a@example.com>")
