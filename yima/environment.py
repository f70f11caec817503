"""Reads settings: from the environment itself, or from the file that `NAME_FILE` names (secrets of containers).

Problems are gathered, so that all of them are told at once. Values never appear in a problem's sentence where
they may hold a password.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FILE_BYTES_MAX = 65_536
ADDRESSES_KEPT_MAX = 4096
_SUFFIX = "_FILE"


class Environment:
    """Settings by name, and what is wrong with them.

    Args:
        values: names and values, as in `os.environ`.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: list[str] = []

    def get(self, name: str) -> str | None:
        """A setting's value: `NAME`, or what is in the file that `NAME_FILE` names; None where neither is set."""
        value = self._values.get(name, "").strip() or None
        path = self._values.get(name + _SUFFIX, "").strip()
        if not path:
            return value
        if value is not None:
            self.problems.append(f"{name} and {name}_FILE are both set: set one of them")
            return value
        return self._read(name, Path(path))

    def _read(self, name: str, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                raw = file.read(FILE_BYTES_MAX + 1)
            if len(raw) > FILE_BYTES_MAX:
                self.problems.append(f"{name}_FILE: {path} is larger than {FILE_BYTES_MAX:,} bytes")
                return None
            value = raw.decode().strip()
        except UnicodeDecodeError:
            self.problems.append(f"{name}_FILE: {path} is no text in UTF-8")
            return None
        except OSError as error:
            self.problems.append(f"{name}_FILE: {path} cannot be read: {error.strerror}")
            return None
        if not value:
            self.problems.append(f"{name}_FILE: {path} is empty")
            return None
        return value

    def is_set(self, name: str) -> bool:
        """Whether a setting is given, as itself or by a file."""
        return any(self._values.get(each, "").strip() for each in (name, name + _SUFFIX))

    def networks(self, name: str, default: str) -> tuple[Network, ...]:
        """Networks, or single addresses, separated by commas."""
        found: list[Network] = []
        for part in filter(None, (part.strip() for part in (self.get(name) or default).split(","))):
            try:
                found.append(ipaddress.ip_network(part))
            except ValueError:
                self.problems.append(f"{name} holds {part!r}, which is no network")
        return tuple(found)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of several words; the first where it is not set."""
        value = self.get(name) or choices[0]
        if value not in choices:
            self.problems.append(f"{name} is {' or '.join(choices)}, not {value!r}")
            return choices[0]
        return value

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number of a range."""
        text = self.get(name) or str(default)
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            self.problems.append(f"{name} is a whole number from {low:,} to {high:,}, not {text!r}")
            return default
        return int(text)

    def bind(self, name: str, default: str, port: int | None = None) -> tuple[str, int]:
        """Host and port to listen on; `port` overrides the port."""
        text = self.get(name) or default
        host, _, number = text.rpartition(":")
        good = number.isascii() and number.isdigit() and len(number) <= 5 and 1 <= int(number) <= 65535
        if not host or not good:
            self.problems.append(f"{name} is HOST:PORT, not {text!r}")
            return "127.0.0.1", 8000
        return host.strip("[]"), int(number) if port is None else port


@lru_cache(ADDRESSES_KEPT_MAX)
def within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks; a text that is no address lies in none."""
    try:
        found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
