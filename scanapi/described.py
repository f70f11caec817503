"""How the API's description (OpenAPI) tells of problems: what each status means, in which form, with an example."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from scanapi import problems


class ProblemDocument(msgspec.Struct):
    """Problem details (RFC 9457): `code` is stable, `detail` a sentence that says what is wrong and where.

    Some kinds have further members, such as `retry_after_s` or `field`.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str


_SAID: Final = {
    400: "The request cannot be understood, or a value lies outside its limits; the sentence names it.",
    401: "No credential, or one that is expired, forged or withdrawn.",
    403: "The credential is good, but not for this.",
    404: "There is no such thing, or not for this brand.",
    405: "The path has other methods; `Allow` names them.",
    408: "The request did not come whole in time.",
    409: "The request contradicts something that is already recorded.",
    413: "The body is larger than this route takes.",
    415: "The body is no JSON, or compressed.",
    429: "Too many from here; `Retry-After` says when to come back.",
    500: "A defect of ours; it is logged.",
    503: "No answer just now; ask again after `Retry-After` seconds.",
}


def responses(*statuses: int, said: Mapping[int, str] | None = None) -> dict[int, ResponseSpec]:
    """Problems of an operation, for its description: those named, and those that any may have.

    Args:
        statuses: of the operation's own.
        said: what they mean there, where that is more than what they mean everywhere.
    """
    sentences = {**_SAID, **(said or {})}
    every = {*statuses, *(said or {}), 400, 405, 408, 500, 503}
    return {
        status: ResponseSpec(
            data_container=ProblemDocument, description=sentences[status], media_type=problems.MEDIA_TYPE,
            generate_examples=False,
            examples=[_example(status)],
        )
        for status in sorted(every)
    }  # fmt: skip


def _example(status: int) -> Example:
    phrase = HTTPStatus(status).phrase
    code = phrase.lower().replace(" ", "_")
    return Example(summary=phrase, value=problems.document(status, code, _SAID[status]))
