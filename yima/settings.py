"""Settings, read once from the environment (DESIGN §11). Every missing or wrong one is named at once."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from codegen import links
from kernel.custody import LABEL_CHARS_MAX, TokenSettings
from kernel.errors import ConfigurationError, YimaError
from kernel.rates import Rate
from members import signin
from scanapi import limits
from yima import mail
from yima.environment import Environment, Network

DEV_KEY_FILE = "secret.key"
ACCEPT_LOSS = "i-accept-that-a-crash-loses-acknowledged-scans"
"""What `YIMA_UNSAFE_DATABASE` must say for a database that loses what it acknowledged when its machine crashes."""
CODES_A_DAY_MAX = 1_000_000
_LOOPBACK = "127.0.0.0/8,::1"


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
        codes_per_brand_a_day_max: one-time codes that a brand sends within 24 hours at most.
        limit_rates: how often what may happen (`scanapi.limits.RATES`, some of them changed).
        ip_data: a file that locates network addresses (ip2region xdb or mmdb), or None.
        sms_url: where one-time codes are posted to in production, or None.
        sms_secret: signs those posts.
        trusted_proxies: networks whose X-Forwarded headers and X-Request-ID are believed.
        metrics_networks: networks that /metrics is shown to.
        metrics_bind: where each of several web processes of one launcher serves its own /metrics (port + number).
        otlp_url: where spans are sent to (OTLP over HTTP), or None.
        log_requests: `slow` (a second or more, or status 500 and above) or `all`.
        unsafe_database: a database that loses what it acknowledged in a crash (fsync off, say) is accepted.
        backup_folder: where base backups and archived WAL can be looked at, or None.
        smtp_url: where e-mail is handed in, or None.
        mail_from: the sender of e-mail, or None.
        key_custody: who seals new code keys: `environment` (the master secrets) or `pkcs11` (a token).
        pkcs11: the token; also set while keys that it sealed are moved back to the environment.
        wechat_url: in development only, an origin that stands for both of WeChat's; None for WeChat itself.
    """

    env: str
    home: Path
    database_url: str | None
    broker_url: str | None
    redis_url: str | None
    secret_keys: tuple[str, ...]
    bind: tuple[str, int]
    public_url: str
    limit_exempt: tuple[Network, ...]
    ip_data: Path | None
    sms_url: str | None
    sms_secret: str | None
    trusted_proxies: tuple[Network, ...] = ()
    metrics_networks: tuple[Network, ...] = ()
    metrics_bind: tuple[str, int] | None = None
    otlp_url: str | None = None
    log_requests: str = "slow"
    unsafe_database: bool = False
    backup_folder: Path | None = None
    smtp_url: str | None = None
    mail_from: str | None = None
    key_custody: str = "environment"
    pkcs11: TokenSettings | None = None
    codes_per_brand_a_day_max: int = signin.PER_BRAND_A_DAY_MAX
    limit_rates: Mapping[tuple[limits.Kind, limits.Scope], Rate] = field(default_factory=lambda: limits.RATES)
    wechat_url: str | None = None

    @property
    def dev(self) -> bool:
        """Whether this is a development installation."""
        return self.env == "dev"

    @property
    def base_url(self) -> str:
        """Where links in mails lead: the public address as browsers write it (codes bear it in upper case)."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def load(environment: Mapping[str, str] | None = None, *, port: int | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: `os.environ` by default.
        port: overrides the port of `YIMA_BIND`.

    Raises:
        ConfigurationError: the sentence names every setting that is missing or wrong.
    """
    given = Environment(os.environ if environment is None else environment)
    get, problems = given.get, given.problems
    env = given.choice("YIMA_ENV", ("production", "dev"))
    home = Path(get("YIMA_HOME") or ".yima").absolute()
    keys = tuple(filter(None, re.split(r"[,\s]+", get("YIMA_SECRET_KEYS") or "")))
    if not keys and env == "dev":
        keys = (_dev_key(home),)
    if not given.is_set("YIMA_SECRET_KEYS") and not keys:
        problems.append("YIMA_SECRET_KEYS is missing (one or more secrets of 16 bytes or more, the newest last)")
    if any(len(key.encode()) < 16 for key in keys):
        problems.append("YIMA_SECRET_KEYS holds a secret of fewer than 16 bytes")
    bind = given.bind("YIMA_BIND", "127.0.0.1:8000", port)
    exempt = given.networks("YIMA_LIMIT_EXEMPT", _LOOPBACK if env == "dev" else "")
    rates = _rates(get("YIMA_LIMIT_RATES"), problems)
    trusted = given.networks("YIMA_TRUSTED_PROXIES", "")
    watchers = given.networks("YIMA_METRICS_NETWORKS", "0.0.0.0/0,::/0" if env == "dev" else _LOOPBACK)
    metrics_bind = given.bind("YIMA_METRICS_BIND", "") if given.is_set("YIMA_METRICS_BIND") else None
    otlp_url = _otlp_url(get("YIMA_OTLP_URL"), problems)
    log_requests = given.choice("YIMA_LOG_REQUESTS", ("slow", "all"))
    unsafe = get("YIMA_UNSAFE_DATABASE")
    if unsafe not in (None, ACCEPT_LOSS):
        problems.append(f"YIMA_UNSAFE_DATABASE is unset or says {ACCEPT_LOSS!r}")
    backups = get("YIMA_BACKUP_FOLDER")
    broker_url, redis_url = get("YIMA_BROKER_URL"), get("YIMA_REDIS_URL")
    sms_url, sms_secret = get("YIMA_SMS_URL"), get("YIMA_SMS_SECRET")
    if sms_url and not sms_secret:
        problems.append("YIMA_SMS_SECRET is missing (YIMA_SMS_URL is set)")
    smtp_url, mail_from = _mail(get("YIMA_SMTP_URL"), get("YIMA_MAIL_FROM"), problems)
    codes_a_day = given.whole("YIMA_CODES_PER_BRAND_A_DAY", signin.PER_BRAND_A_DAY_MAX, low=1, high=CODES_A_DAY_MAX)
    custody = given.choice("YIMA_KEY_CUSTODY", ("environment", "pkcs11"))
    token = _token(given, needed=custody == "pkcs11")
    wechat_url = _wechat_url(get("YIMA_WECHAT_URL"), env, problems)
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
        broker_url=broker_url,
        redis_url=redis_url,
        secret_keys=keys,
        bind=bind,
        public_url=public_url,
        limit_exempt=exempt,
        ip_data=None if ip_data is None else Path(ip_data),
        sms_url=sms_url,
        sms_secret=sms_secret,
        trusted_proxies=trusted,
        metrics_networks=watchers,
        metrics_bind=metrics_bind,
        otlp_url=otlp_url,
        log_requests=log_requests,
        unsafe_database=unsafe == ACCEPT_LOSS,
        backup_folder=None if backups is None else Path(backups),
        smtp_url=smtp_url,
        mail_from=mail_from,
        key_custody=custody,
        pkcs11=token,
        codes_per_brand_a_day_max=codes_a_day,
        limit_rates=rates,
        wechat_url=wechat_url,
    )


_TOKEN_SETTINGS: Final = {
    "YIMA_PKCS11_MODULE": "the vendor's library, such as /usr/lib/softhsm/libsofthsm2.so",
    "YIMA_PKCS11_TOKEN": "the token's label",
    "YIMA_PKCS11_PIN": "its user's PIN, or YIMA_PKCS11_PIN_FILE",
    "YIMA_PKCS11_KEY": "labels of wrapping keys in it, the newest last",
}


def _token(given: Environment, *, needed: bool) -> TokenSettings | None:
    """The token's four settings: all of them or none."""
    values = {name: given.get(name) for name in _TOKEN_SETTINGS}
    if not needed and not any(values.values()):
        return None
    missing = [name for name, value in values.items() if value is None]
    why = "YIMA_KEY_CUSTODY is pkcs11" if needed else "the other settings of the token are set"
    given.problems += [f"{name} is missing ({_TOKEN_SETTINGS[name]}; {why})" for name in missing]
    if missing:
        return None
    module, token, pin, keys = (value or "" for value in values.values())
    labels = tuple(filter(None, re.split(r"[,\s]+", keys)))
    if len(labels) != len(set(labels)) or any(len(label) > LABEL_CHARS_MAX for label in labels):
        given.problems.append(f"YIMA_PKCS11_KEY names a key twice, or one of more than {LABEL_CHARS_MAX} characters")
    return TokenSettings(Path(module), token, pin, labels)


def _rates(text: str | None, problems: list[str]) -> Mapping[tuple[limits.Kind, limits.Scope], Rate]:
    try:
        return limits.parse_rates(text or "")
    except ValueError as error:
        problems.append(f"YIMA_LIMIT_RATES: {error}")
        return limits.RATES


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


def _otlp_url(text: str | None, problems: list[str]) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        problems.append("YIMA_OTLP_URL is no address of a collector (http://HOST:4318/v1/traces)")
        return None
    return text


def _wechat_url(text: str | None, env: str, problems: list[str]) -> str | None:
    """An origin of a development's own: brands' secrets are sent there, so that production knows WeChat's only."""
    if text is None:
        return None
    if env != "dev":
        problems.append("YIMA_WECHAT_URL is for development: production asks WeChat's own servers")
    try:
        parts = urlsplit(text)
        bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
        good = bare and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        problems.append("YIMA_WECHAT_URL is no origin (http://HOST:PORT)")
        return None
    return text.rstrip("/")


def _mail(url: str | None, sender: str | None, problems: list[str]) -> tuple[str | None, str | None]:
    """The two settings of e-mail: both or neither."""
    for value, parse in ((url, mail.parse_server), (sender, mail.parse_sender)):
        try:
            if value is not None:
                parse(value)
        except ConfigurationError as error:
            problems.append(error.message.rstrip("."))
    if url is not None and sender is None:
        problems.append("YIMA_MAIL_FROM is missing (YIMA_SMTP_URL is set)")
    return url, sender


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
