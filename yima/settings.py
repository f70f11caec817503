"""Settings, read once from the environment (DESIGN §11). Every missing or wrong one is named at once."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from codegen import links
from kernel.errors import ConfigurationError, YimaError

DEV_KEY_FILE = "secret.key"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides.

    Attributes:
        env: `production` or `dev`.
        home: where the embedded database and development's files live.
        database_url: None for the embedded PostgreSQL under `home`.
        broker_url: None for Celery over the database.
        redis_url: None where there is none.
        secret_keys: master secrets, the newest last.
        bind: host and port that the web server listens on.
        public_url: what is printed in codes.
        limit_exempt: networks free of rate limits.
        ip_data: a file that locates network addresses (ip2region xdb or mmdb), or None.
        sms_url: where one-time codes are posted to in production, or None.
        sms_secret: signs those posts.
    """

    env: str
    home: Path
    database_url: str | None
    broker_url: str | None
    redis_url: str | None
    secret_keys: tuple[str, ...]
    bind: tuple[str, int]
    public_url: str
    limit_exempt: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    ip_data: Path | None
    sms_url: str | None
    sms_secret: str | None

    @property
    def dev(self) -> bool:
        """Whether this is a development installation."""
        return self.env == "dev"


def load(environment: Mapping[str, str] | None = None, *, port: int | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: `os.environ` by default.
        port: overrides the port of `YIMA_BIND`.

    Raises:
        ConfigurationError: the sentence names every setting that is missing or wrong.
    """
    values = os.environ if environment is None else environment
    problems: list[str] = []

    def get(name: str) -> str | None:
        return values.get(name, "").strip() or None

    env = get("YIMA_ENV") or "production"
    if env not in ("production", "dev"):
        problems.append(f"YIMA_ENV is production or dev, not {env!r}")
    home = Path(get("YIMA_HOME") or ".yima").absolute()
    keys = tuple(key.strip() for key in (get("YIMA_SECRET_KEYS") or "").split(",") if key.strip())
    if not keys and env == "dev":
        keys = (_dev_key(home),)
    if not keys:
        problems.append("YIMA_SECRET_KEYS is missing (one or more secrets of 16 bytes or more, the newest last)")
    if any(len(key.encode()) < 16 for key in keys):
        problems.append("YIMA_SECRET_KEYS holds a secret of fewer than 16 bytes")
    bind = _bind(get("YIMA_BIND") or "127.0.0.1:8000", port, problems)
    exempt = _networks(get("YIMA_LIMIT_EXEMPT") or ("127.0.0.0/8,::1" if env == "dev" else ""), problems)
    sms_url, sms_secret = get("YIMA_SMS_URL"), get("YIMA_SMS_SECRET")
    if sms_url and not sms_secret:
        problems.append("YIMA_SMS_SECRET is missing (YIMA_SMS_URL is set)")
    ip_data = get("YIMA_IP_DATA")
    database_url = _database_url(get("YIMA_DATABASE_URL"), problems)
    public_url = get("YIMA_PUBLIC_URL") or f"http://{_authority(bind)}"
    try:
        links.short_prefix(public_url)
    except YimaError as error:
        problems.append(f"YIMA_PUBLIC_URL: {error.message}")
    if problems:
        raise ConfigurationError("Settings: " + "; ".join(problems) + ".")
    return Settings(
        env=env,
        home=home,
        database_url=database_url,
        broker_url=get("YIMA_BROKER_URL"),
        redis_url=get("YIMA_REDIS_URL"),
        secret_keys=keys,
        bind=bind,
        public_url=public_url,
        limit_exempt=exempt,
        ip_data=None if ip_data is None else Path(ip_data),
        sms_url=sms_url,
        sms_secret=sms_secret,
    )


def _bind(text: str, port: int | None, problems: list[str]) -> tuple[str, int]:
    host, _, number = text.rpartition(":")
    good = number.isascii() and number.isdigit() and len(number) <= 5 and 1 <= int(number) <= 65535
    if not host or not good:
        problems.append(f"YIMA_BIND is HOST:PORT, not {text!r}")
        return "127.0.0.1", 8000
    return host.strip("[]"), int(number) if port is None else port


def _database_url(text: str | None, problems: list[str]) -> str | None:
    if text is None:
        return None
    try:
        backend = make_url(text).get_backend_name()
    except (ArgumentError, ValueError):  # its text would repeat a password
        backend = ""
    if backend not in ("postgresql", "postgres"):
        problems.append("YIMA_DATABASE_URL is no URL of a PostgreSQL database (postgresql://USER:PASSWORD@HOST/NAME)")
    return text


def _authority(bind: tuple[str, int]) -> str:
    host = f"[{bind[0]}]" if ":" in bind[0] else bind[0]
    return f"{host}:{bind[1]}"


def _networks(text: str, problems: list[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            problems.append(f"YIMA_LIMIT_EXEMPT holds {part!r}, which is no network")
    return tuple(found)


def _dev_key(home: Path) -> str:
    """Development's own secret, made once and kept in the home folder; production never gets here."""
    path = home / DEV_KEY_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read_key(path)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        return _read_key(path)
    except OSError as error:
        raise ConfigurationError(f"YIMA_HOME: cannot write {path}: {error.strerror}.") from error


def _read_key(path: Path) -> str:
    key = path.read_text().strip()
    if not key:
        raise ConfigurationError(f"{path} is empty; remove it to have a new one made (old data stays sealed).")
    return key
