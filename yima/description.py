"""The API's own description: OpenAPI under `/schema` as JSON and YAML, and as a page for people."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, cast

from litestar import MediaType, Request, Response
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

INTRODUCTION = """\
Scans, sign-in, the member's own view, draws that anyone may check, and the printing line.

Bodies are JSON in UTF-8, at most 64 kB (the line's: 1 MB). A field that a request does not have is refused by its name.
Every error is a problem document (RFC 9457, `application/problem+json`): `code` is stable, `detail` a sentence that
says what is wrong and where. 429 and 503 say in `Retry-After` when to come back. Writes that are not idempotent by
themselves take an `Idempotency-Key`; a scan has its `scan_id`.
"""


Show = Callable[[Request[Any, Any, Any], dict[str, Any]], Response[bytes]]
"""Makes a page of the description."""


class PagePlugin(OpenAPIRenderPlugin):
    """Shows the description to people.

    The framework's own viewers load scripts of other hosts into our origin.
    """

    def __init__(self, show: Show) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)
        self._show = show

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Make the page; the framework sends a whole response as well as its body."""
        return cast("bytes", self._show(request, openapi_schema))


def config(show: Show) -> OpenAPIConfig:
    """What the framework makes the description of; `show` makes its page."""
    return OpenAPIConfig(
        title="Yima 一码",
        version=version("yima"),
        description=INTRODUCTION,
        path="/schema",
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "member": SecurityScheme(
                    type="http", scheme="bearer", description="A member's token, from signing in; 90 days."
                ),
                "station": SecurityScheme(
                    type="http", scheme="bearer", description="A station's token, from the console; its brand's only."
                ),
            }
        ),
        tags=[
            Tag("scans", "A phone, a code, an answer."),
            Tag("members", "Sign-in, and what a member has."),
            Tag("draws", "Draws that anyone may check."),
            Tag("line", "The printing line: captures, print runs, states, cartons."),
        ],
        render_plugins=[
            PagePlugin(show),
            JsonRenderPlugin(path="/openapi.json"),
            YamlRenderPlugin(path=["/openapi.yaml", "/openapi.yml"]),
        ],
    )
