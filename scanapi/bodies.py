"""What a body of the API says of itself: JSON, as it is, in UTF-8. Anything else is refused before it is read."""

from __future__ import annotations

from typing import Any

from litestar import Request

from kernel.errors import UnsupportedMedia

JSON = "application/json"


def judge(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that says that it is something else; one that says nothing is taken for JSON.

    A compressed body is not expanded: a few bytes of it could become all the memory there is.

    Raises:
        UnsupportedMedia: the sentence names the header.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMedia("Content-Encoding: a request's body is sent as it is here, not compressed.")
    said = request.headers.get("content-type")
    if said is None or said == JSON:
        return
    kind, _, more = said.partition(";")
    if kind.strip().lower() != JSON:
        raise UnsupportedMedia(f"Content-Type: the body is {JSON} here.")
    name, _, value = more.partition("=")
    if name.strip().lower() == "charset" and value.strip(' "').lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("Content-Type: JSON is UTF-8, whatever charset is named.")
