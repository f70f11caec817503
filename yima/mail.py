"""E-mail: the server that `YIMA_SMTP_URL` names, and how a message reaches it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from kernel.clock import now
from kernel.errors import ConfigurationError, InvalidInput
from kernel.outbox import Undeliverable
from staff import emails

TIMEOUT_S = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
_SHAPE = (
    "YIMA_SMTP_URL is smtp://USER:PASSWORD@HOST:587 (STARTTLS wanted; ?starttls=0 for none) "
    "or smtps://USER:PASSWORD@HOST:465"
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in.

    Attributes:
        tls: from the first byte (`smtps`).
        starttls: turned on before anything is said; without it nothing is sent.
    """

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool
    starttls: bool


def parse_server(url: str) -> Server:
    """The server of a URL.

    Raises:
        ConfigurationError: it is none; the sentence does not repeat it, for it holds a password.
    """
    problem = ConfigurationError(f"{_SHAPE}.")
    try:
        parts = urlsplit(url)
        port = parts.port
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=4))
    except ValueError:
        raise problem from None
    starttls = options.pop("starttls", "1")
    good = parts.scheme in _PORTS and parts.hostname and port != 0 and parts.path in ("", "/") and not parts.fragment
    if not good or options or starttls not in ("0", "1") or (parts.username is None) != (parts.password is None):
        raise problem
    assert parts.hostname is not None
    return Server(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        tls=parts.scheme == "smtps",
        starttls=parts.scheme == "smtp" and starttls == "1",
    )


def parse_sender(text: str) -> Address:
    """The sender of all mails: `name@example.com`, or `Name <name@example.com>`.

    Raises:
        ConfigurationError: not an address.
    """
    name, address = parseaddr(text)
    try:
        return Address(name, addr_spec=emails.parse(address))  # refuses line breaks itself
    except (InvalidInput, ValueError, IndexError) as error:
        raise ConfigurationError(
            "YIMA_MAIL_FROM is an address: name@example.com or Name <name@example.com>."
        ) from error


def compose(*, sender: Address, to: str, subject: str, text: str, key: str) -> EmailMessage:
    """A message; a header with a line break in it is refused by the library, so nobody can add one.

    Raises:
        Undeliverable: the recipient or subject cannot be a header.
    """
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = Address(addr_spec=to)
        message["Subject"] = subject
    except (ValueError, IndexError) as error:
        raise Undeliverable("The mail's recipient or subject cannot stand in a header.") from error
    message["Date"] = format_datetime(now())
    # the outbox delivers at least once; the same id lets the receiver's server see that it is the same mail
    message["Message-ID"] = f"<{key.replace('/', '.')}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="base64")
    return message


async def send(server: Server, message: EmailMessage) -> None:
    """Hand a message in.

    Raises:
        Undeliverable: the server refuses it for good (5xx for the recipient, the sender or the content).
        Exception: anything else, after which trying again is right: no connection, 4xx, wrong credentials.
    """
    try:
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.starttls,
            tls_context=ssl.create_default_context() if server.tls or server.starttls else None,
            timeout=TIMEOUT_S,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        if all(_for_good(each.code) for each in error.recipients):
            raise Undeliverable("The mail server refuses the recipient.") from None
        raise
    except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
        if _for_good(error.code):
            raise Undeliverable("The mail server refuses the message.") from None
        raise


def _for_good(code: int) -> bool:
    """Whether a reply is final (RFC 5321 §4.2.1); 530 to 538 are about our credentials, which can be mended."""
    return 500 <= code <= 599 and not 530 <= code <= 538
