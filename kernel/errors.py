"""The errors that people see.

Every error a user can cause is a `YimaError`: a stable `code`, an HTTP `status`, and one sentence that names
what is wrong and where. The command line prints the sentence and exits 1; the API answers problem details
(RFC 9457). Anything else that is raised is a defect of ours.
"""

from __future__ import annotations

from typing import ClassVar


class YimaError(Exception):
    """An error with a sentence for the person who caused it."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(YimaError):
    """The request or argument cannot be understood or lies outside its limits."""

    code = "invalid_input"
    status = 400


class NotAuthenticated(YimaError):
    """No credential, or one that is expired, forged or withdrawn."""

    code = "not_authenticated"
    status = 401


class Forbidden(YimaError):
    """The credential is good, but not for this."""

    code = "forbidden"
    status = 403


class NotFound(YimaError):
    """The thing named does not exist, or not for this brand."""

    code = "not_found"
    status = 404


class Conflict(YimaError):
    """The request contradicts something that is already recorded."""

    code = "conflict"
    status = 409


class UnsupportedMedia(YimaError):
    """The body is in a form that is not read here: another type, or compressed."""

    code = "unsupported_media_type"
    status = 415


class TooMany(YimaError):
    """A rate or attempt limit is reached; `retry_after_s` in the details says when to come back."""

    code = "too_many"
    status = 429


class Unavailable(YimaError):
    """The service cannot answer now; asking again later is right."""

    code = "unavailable"
    status = 503


class ConfigurationError(YimaError):
    """The installation is wrong or incomplete; the sentence names every setting concerned."""

    code = "configuration"
    status = 500
