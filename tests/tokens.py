"""Tokens of SoftHSM for tests: each in a folder of its own, made and thrown away."""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pkcs11

from kernel.custody import TokenSettings
from kernel.pkcs11 import Token

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
_numbers = itertools.count(1)


@dataclass
class SoftToken:
    """A token with one wrapping key."""

    folder: Path
    settings: TokenSettings

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use it."""
        return {
            "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
            "YIMA_KEY_CUSTODY": "pkcs11",
            "YIMA_PKCS11_MODULE": str(self.settings.module),
            "YIMA_PKCS11_TOKEN": self.settings.token,
            "YIMA_PKCS11_PIN": self.settings.pin,
            "YIMA_PKCS11_KEY": ",".join(self.settings.keys),
        }

    def custodian(self, *keys: str, **changes: str) -> Token:
        """A custodian over it; `keys` or other settings in the place of its own."""
        self.plug()
        return Token(replace(self.settings, keys=keys or self.settings.keys, **changes))

    def plug(self) -> None:
        """Point this process's library to it."""
        wanted = str(self.folder / "softhsm2.conf")
        if os.environ.get("SOFTHSM2_CONF") != wanted:
            os.environ["SOFTHSM2_CONF"] = wanted
            pkcs11.lib(str(MODULE)).reinitialize()

    def unplug(self) -> None:
        """As if it were gone: the library knows of no token any more."""
        (self.folder / "tokens").rename(self.folder / "unplugged")
        (self.folder / "tokens").mkdir()
        pkcs11.lib(str(MODULE)).reinitialize()


def make(folder: Path) -> SoftToken:
    """A token in a folder; the process's library is pointed to it."""
    label, pin = f"yima-test-{os.getpid()}-{next(_numbers)}", secrets.token_hex(6)
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", secrets.token_hex(6), "--pin", pin],
        check=True, capture_output=True, env=os.environ | {"SOFTHSM2_CONF": str(configuration)},
    )  # fmt: skip
    made = SoftToken(folder, TokenSettings(MODULE, label, pin, ("wrap-1",)))
    made.custodian().make_wrapping_key("wrap-1")
    return made
