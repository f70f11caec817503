"""A custodian inside a token: PKCS#11, such as a hardware security module, a cloud's, or SoftHSM.

The wrapping key (AES-256) is made in the token, is sensitive and cannot be extracted; keys are encrypted and decrypted
by the token itself with AES-GCM, the context as additional authenticated data (PKCS#11 3.0, CKM_AES_GCM). AES-KEY-WRAP
would bind no context, and its unwrapped key would have to be read out of the token anyway.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Sequence
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass, exceptions
from pkcs11.mechanisms import GCMParams, Mechanism

from kernel.custody import LABEL_CHARS_MAX, TokenSettings
from kernel.errors import ConfigurationError, Conflict, InvalidInput, Unavailable, YimaError

_FORM: Final = b"\x02"
_NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128
_HEAD_BYTES: Final = 1 + 4 + _NONCE_BYTES
_AWAY: Final = (
    exceptions.SessionHandleInvalid, exceptions.SessionClosed, exceptions.DeviceRemoved, exceptions.DeviceError,
    exceptions.TokenNotPresent, exceptions.UserNotLoggedIn, exceptions.KeyHandleInvalid,
    exceptions.ObjectHandleInvalid,
)  # fmt: skip
_PIN_REFUSED: Final = (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange, exceptions.PinLocked)


class Token:
    """A custodian over a token; opened at the first question, and again after it was away.

    A PIN that the token refused is not tried again in this process: tokens lock themselves after a few.
    """

    name = "pkcs11"
    form = _FORM

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._labels = {_mark(label): label for label in settings.keys}
        self._lock = threading.Lock()
        self._session: Any = None
        self._keys: dict[str, Any] = {}
        self._process = os.getpid()
        self._refused: ConfigurationError | None = None

    def __repr__(self) -> str:
        return f"Token({self._settings.token!r})"

    @property
    def marks(self) -> Sequence[bytes]:
        """Marks of the wrapping keys that are configured, the one that seals last."""
        return [_mark(label) for label in self._settings.keys]

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt within the token."""
        label, nonce = self._settings.keys[-1], secrets.token_bytes(_NONCE_BYTES)
        return _FORM + _mark(label) + nonce + self._run(label, "encrypt", plain, nonce, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt within the token.

        Raises:
            ConfigurationError: another wrapping key, altered, cut off; or the token is set wrongly.
            Unavailable: the token is away.
        """
        if len(sealed) <= _HEAD_BYTES + _TAG_BITS // 8 or sealed[:1] != _FORM:
            raise ConfigurationError("it is cut off: no token sealed it like this.")
        label = self._labels.get(sealed[1:5])
        if label is None:
            raise ConfigurationError(
                f"it is sealed under a wrapping key (mark {sealed[1:5].hex()}) that YIMA_PKCS11_KEY does not name; "
                "put its label back in front of the newest."
            )
        return self._run(label, "decrypt", sealed[_HEAD_BYTES:], sealed[5:_HEAD_BYTES], context)

    def make_wrapping_key(self, label: str) -> None:
        """Make a wrapping key inside the token: AES-256, sensitive, not to be extracted.

        Raises:
            InvalidInput: the label is empty, too long, or holds a comma or white space.
            Conflict: the token has a key of this label already.
            ConfigurationError: the token is set wrongly, or refuses.
            Unavailable: the token is away.
        """
        if not 1 <= len(label) <= LABEL_CHARS_MAX or not label.isprintable() or set(label) & set(", "):
            raise InvalidInput(f"A label has 1 to {LABEL_CHARS_MAX} characters, no space and no comma.", field="label")
        with self._lock:
            session = self._open_session()
            if any(True for _ in session.get_objects(_template(label))):
                raise Conflict(f"Token {self._settings.token!r} has a key {label!r} already.", field="label")
            try:
                session.generate_key(
                    KeyType.AES, 256, label=label, store=True,
                    capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                    template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
                )  # fmt: skip
            except pkcs11.PKCS11Error as error:
                raise ConfigurationError(
                    f"Token {self._settings.token!r} makes no AES-256 key ({type(error).__name__})."
                ) from error

    def _run(self, label: str, verb: str, data: bytes, nonce: bytes, context: str) -> bytes:
        """Encrypt or decrypt; a session that was lost is opened once more."""
        params = GCMParams(nonce, context.encode(), _TAG_BITS)
        with self._lock:
            for last in (False, True):
                key = self._key(label)
                try:
                    found = getattr(key, verb)(data, mechanism=Mechanism.AES_GCM, mechanism_param=params)
                    return bytes(found)
                except _AWAY as error:
                    self._forget()
                    if last:
                        raise self._away(error) from error
                except pkcs11.PKCS11Error as error:
                    raise ConfigurationError(
                        f"{context!r} was altered, belongs elsewhere, or the token's key {label!r} is another one "
                        f"({type(error).__name__})."
                    ) from error
        raise AssertionError  # the second try returns or raises

    def _key(self, label: str) -> Any:  # noqa: ANN401 (python-pkcs11 has no type for it)
        session = self._open_session()
        if label in self._keys:
            return self._keys[label]
        try:
            found = list(session.get_objects(_template(label)))
        except pkcs11.PKCS11Error as error:
            self._forget()
            raise self._away(error) from error
        if len(found) != 1:
            count = "no" if not found else f"{len(found)}"
            raise ConfigurationError(
                f"Token {self._settings.token!r} has {count} AES key {label!r} (YIMA_PKCS11_KEY); "
                f"`yima keys wrapping-key --label {label}` makes one."
            )
        [key] = found
        if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE] or key.key_length != 256:
            raise ConfigurationError(
                f"Key {label!r} of token {self._settings.token!r} is not AES-256 or can be taken out of it: "
                "make one that is sensitive and not extractable."
            )
        self._keys[label] = key
        return key

    def _open_session(self) -> Any:  # noqa: ANN401 (python-pkcs11 has no type for it)
        if self._process != os.getpid():  # a session is its process's own
            self._forget()
            self._process = os.getpid()
        if self._refused is not None:
            raise self._refused
        if self._session is not None:
            return self._session
        settings = self._settings
        try:
            library = pkcs11.lib(str(settings.module))
        except pkcs11.PKCS11Error as error:
            raise ConfigurationError(
                f"YIMA_PKCS11_MODULE: {settings.module} is missing or no PKCS#11 module."
            ) from error
        try:
            self._session = self._log_in(library)
        except exceptions.NoSuchToken as error:
            raise Unavailable(
                f"YIMA_PKCS11_TOKEN: there is no token {settings.token!r} in {settings.module}, or it is away."
            ) from error
        except exceptions.MultipleTokensReturned as error:
            raise ConfigurationError(f"YIMA_PKCS11_TOKEN: several tokens are called {settings.token!r}.") from error
        except _PIN_REFUSED as error:
            locked = isinstance(error, exceptions.PinLocked)
            said = "is locked" if locked else "refuses the PIN (it is not tried again before the next start)"
            self._refused = ConfigurationError(f"YIMA_PKCS11_PIN: token {settings.token!r} {said}.")
            raise self._refused from error
        except pkcs11.PKCS11Error as error:
            raise self._away(error) from error
        return self._session

    def _log_in(self, library: Any) -> Any:  # noqa: ANN401 (python-pkcs11 has no type for it)
        settings = self._settings
        try:
            token = library.get_token(token_label=settings.token)
        except exceptions.NoSuchToken:
            library.reinitialize()  # a token that was plugged in since is seen only then
            token = library.get_token(token_label=settings.token)
        try:
            return token.open(rw=True, user_pin=settings.pin)
        except exceptions.UserAlreadyLoggedIn:  # by another session of this process, which all share
            return token.open(rw=True)

    def _forget(self) -> None:
        self._session, self._keys = None, {}

    def _away(self, error: Exception) -> YimaError:
        return Unavailable(f"Token {self._settings.token!r} is away ({type(error).__name__}).")


def _mark(label: str) -> bytes:
    return hashlib.sha256(f"yima/pkcs11/{label}".encode()).digest()[:4]


def _template(label: str) -> dict[Attribute, Any]:
    return {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES, Attribute.LABEL: label}
