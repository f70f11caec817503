"""Bodies of the API: JSON as it is, in UTF-8, read strictly into what the handler asks for.

Anything else is refused, with the name and the place of what is wrong. The framework would read a body twice (into
dictionaries, then into the type), take "30" for a number on the way, and fail on text that is no UTF-8 or nests deep.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException

from kernel.errors import UnsupportedMedia

Wanted = TypeVar("Wanted")

JSON: Final = b"application/json"
IDENTITY: Final = b"identity"
MESSAGE_CHARS_MAX: Final = 300
"""Of what the decoder says, which may repeat a name that a client made up."""

_AT: Final = re.compile(r" - at `(?:key in )?\$\.?(.*)`$", re.DOTALL)


def judge(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that says that it is something else.

    Raises:
        UnsupportedMedia: the sentence names the header.
    """
    encoding, kind = request.headers.get("content-encoding"), request.headers.get("content-type")
    judge_headers(*(None if said is None else said.encode("latin-1") for said in (encoding, kind)))


def judge_headers(encoding: bytes | None, kind: bytes | None) -> None:
    """Refuse a body by what its headers say; one that says nothing is taken for JSON.

    A compressed body is not expanded: a few bytes of it could become all the memory there is.

    Raises:
        UnsupportedMedia: the sentence names the header.
    """
    if encoding is not None and encoding.strip().lower() != IDENTITY:
        raise UnsupportedMedia("Content-Encoding: a request's body is sent as it is here, not compressed.")
    if kind is None or kind == JSON:
        return
    said, _, more = kind.decode("latin-1").partition(";")
    if said.strip().lower().encode("latin-1") != JSON:
        raise UnsupportedMedia(f"Content-Type: the body is {JSON.decode()} here.")
    name, _, value = more.partition("=")
    if name.strip().lower() == "charset" and value.strip(' "').lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("Content-Type: JSON is UTF-8, whatever charset is named.")


def read(decoder: msgspec.json.Decoder[Wanted], body: bytes) -> Wanted:
    """A body as what the decoder reads.

    Raises:
        ValidationException: it is no JSON, or not of that type; the sentence says what is wrong where.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        said = str(error)
        at = _AT.search(said)
        raise _wrong(said[: at.start()] if at else said, at[1] if at else "") from error
    except msgspec.DecodeError as error:
        raise _wrong(str(error), "") from error
    except UnicodeDecodeError as error:
        raise _wrong(f"JSON is UTF-8, and byte {error.start} of a text of this is not", "") from error
    except RecursionError as error:
        raise _wrong("this JSON nests too deep", "") from error


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is read at one blow into the type of its handler's `data`."""

    async def json(self) -> Any:  # noqa: ANN401 (the handler's type)
        """The body.

        Raises:
            ValidationException: it is no JSON, or not of the handler's type; the sentence says what is wrong where.
        """
        wanted = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        return read(_decoder(wanted), await self.body())


@lru_cache(64)
def _decoder(wanted: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


def _wrong(said: str, at: str) -> ValidationException:
    clipped = said if len(said) <= MESSAGE_CHARS_MAX else f"{said[:MESSAGE_CHARS_MAX]}…"
    return ValidationException("The body cannot be read.", extra=[{"key": at or "body", "message": clipped}])
