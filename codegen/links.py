"""The URLs that are printed: what stands before a code in each of its two forms.

All upper case, because QR alphanumeric mode has no small letters; that is also why only hosts that it can
hold are accepted. Reading URLs is the business of `codegen.scheme.parse`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from codegen.gs1 import parse_gtin
from kernel.errors import ConfigurationError, InvalidInput

# RFC 1123 labels, in ASCII: QR alphanumeric mode has neither "_" nor the brackets of an IPv6 address.
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
HOST_CHARS_MAX: Final = 80
"""Of an order's own host with its scheme: a longer one makes no symbol that is worth printing."""
_PRINTABLE_ASCII: Final = re.compile("[!-~]*")


def short_prefix(public_url: str) -> str:
    """Return what precedes the code in the short form: `HTTPS://HOST/Q/`.

    Args:
        public_url: The setting `YIMA_PUBLIC_URL`: scheme, host and perhaps a port, nothing else.

    Raises:
        ConfigurationError: it is something else; the sentence says what.
    """
    return f"{_origin(public_url)}/Q/"


def gs1_prefix(public_url: str, gtin: str) -> str:
    """Return what precedes the code in a GS1 Digital Link: `HTTPS://HOST/01/GTIN/21/`.

    Args:
        public_url: The setting `YIMA_PUBLIC_URL`, as for `short_prefix`.
        gtin: The product's GTIN with 8, 12, 13 or 14 digits; written with 14.

    Raises:
        ConfigurationError: `public_url` is more or less than scheme, host and port.
        InvalidInput: `gtin` is none.
    """
    return f"{_origin(public_url)}/01/{parse_gtin(gtin)}/21/"


def parse_host(given: str) -> str:
    """Return scheme, host and port of an order's own printed host, as `short_prefix` takes them.

    Args:
        given: A host, or a URL of scheme, host and perhaps a port; without a scheme it is `https`.

    Raises:
        InvalidInput: it is something else, or longer than `HOST_CHARS_MAX`.
    """
    text = given.strip()
    text = text if "://" in text else f"https://{text}"
    if len(text) > HOST_CHARS_MAX:
        raise InvalidInput(f"A printed host has at most {HOST_CHARS_MAX} characters.", field="printed_host")
    try:
        return _origin(text)
    except ConfigurationError as error:
        raise InvalidInput(f"The printed host {error.details['why']}.", field="printed_host") from None


def link(prefix: str, code: str) -> str:
    """Return the URL of `code`, 20 canonical symbols, under a prefix of this module."""
    return prefix + code


def _origin(public_url: str) -> str:
    """Return scheme, host and port in capitals."""
    if not _PRINTABLE_ASCII.fullmatch(public_url):
        raise _wrong(public_url, "has characters other than printable ASCII (write the host as xn--…)")
    try:
        parts = urlsplit(public_url)
        port = parts.port
    except ValueError as error:
        raise _wrong(public_url, f"cannot be read: {error}") from None
    if parts.scheme not in {"http", "https"}:
        raise _wrong(public_url, "does not begin with http:// or https://")
    if "@" in parts.netloc:
        # Not repeated: there may be a password before the @.
        why = "has a user name or password; leave it out"
        raise ConfigurationError(f"The public URL (YIMA_PUBLIC_URL) {why}.", why=why)
    if parts.path not in {"", "/"}:
        raise _wrong(public_url, "has a path; codes are printed right below the host")
    if "?" in public_url or "#" in public_url:
        raise _wrong(public_url, "has a query or a fragment")
    if not _HOST.fullmatch(parts.hostname or ""):
        raise _wrong(public_url, "has no host of letters, digits, hyphens and dots")
    if port == 0 or parts.netloc.endswith(":"):
        raise _wrong(public_url, "has no port after its colon")
    return f"{parts.scheme}://{parts.netloc}".upper()


def _wrong(public_url: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The public URL {public_url!r} (YIMA_PUBLIC_URL) {why}.", why=why)
