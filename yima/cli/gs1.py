"""`yima gs1`: GS1 Digital Links, read and made. Neither needs a database or settings."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import click

from codegen import digital_link
from codegen.digital_link import InvalidLink
from kernel.errors import InvalidInput
from yima.cli.common import json_option, say

LINE_BYTES_MAX: Final = 65_536
"""Of a longer line only so much is kept; a Digital Link is far shorter, so that it is refused all the same."""

_BRACKETED: Final = re.compile(r"\(([0-9]{2,4})\)((?:[^(\\]|\\.)*)")
_PAIR: Final = re.compile("([0-9]{2,4})=(.*)", re.DOTALL)


@click.group()
def gs1() -> None:
    """GS1 Digital Links: read them, make them."""


@gs1.command("parse")
@click.argument("uris", nargs=-1)
@click.option("--strict", is_flag=True, help="Exit code 1 if any is refused; otherwise a refusal is a result.")
@click.option("--short-gtins", is_flag=True, help="Also take GTINs of 8, 12 or 13 digits, as older links have them.")
@json_option
def parse_links(*, uris: tuple[str, ...], strict: bool, short_gtins: bool, as_json: bool) -> None:
    """Judge Digital Links, given as arguments or one a line on standard input; one JSON object a line.

    {"uri", "accept", "ais": [["01", "…"], …], "error"}: whether it is right, what it holds, or what is wrong and where.
    """
    del as_json  # it is always JSON
    given: Iterable[str] = map(_text, uris) if uris else _lines(sys.stdin.buffer)
    leniency = digital_link.Leniency(short_gtins=short_gtins)
    all_right = True
    for uri in given:
        judged = _judge(uri, leniency)
        all_right &= judged["accept"]
        # In ASCII, so that it can be printed wherever it goes; at once, for who feeds us line by line.
        sys.stdout.write(json.dumps(judged) + "\n")
        sys.stdout.flush()
    if strict and not all_right:
        sys.exit(1)


@gs1.command("build")
@click.argument("elements", nargs=-1, required=True)
@click.option("--stem", default=digital_link.CANONICAL_STEM, show_default=True, help="What stands before the AIs.")
@json_option
def build_link(*, elements: tuple[str, ...], stem: str, as_json: bool) -> None:
    r"""Make a Digital Link of AIs: 01=09520123456788 21=12345, or '(01)09520123456788(21)12345'.

    In the second form a bracket in a value is written \(.
    """
    uri = digital_link.build([pair for each in elements for pair in _pairs(each)], stem)
    say({"uri": uri}, as_json=as_json, text=uri)


def _judge(uri: str, leniency: digital_link.Leniency) -> dict[str, Any]:
    try:
        link = digital_link.parse(uri, leniency)
    except InvalidLink as error:
        return {"uri": uri, "accept": False, "ais": [], "error": error.message}
    return {"uri": uri, "accept": True, "ais": [[each.ai, each.value] for each in link.elements], "error": None}


def _text(argument: str) -> str:
    """An argument as text: what was no UTF-8 becomes U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a stream, whatever its bytes, each cut where it is too long; a mark at its head is no part of it."""
    mark = codecs.BOM_UTF8
    while piece := stream.readline(LINE_BYTES_MAX).removeprefix(mark):
        mark = b""
        ended = piece.endswith(b"\n")
        yield piece.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
        while not ended:
            rest = stream.readline(LINE_BYTES_MAX)
            ended = not rest or rest.endswith(b"\n")


def _pairs(text: str) -> list[tuple[str, str]]:
    if (pair := _PAIR.fullmatch(text)) is not None:
        return [(pair[1], pair[2])]
    found = list(_BRACKETED.finditer(text))
    if not found or "".join(each[0] for each in found) != text:
        raise InvalidInput(f"{text!r} is neither AI=VALUE nor AIs in brackets with their values.")
    return [(each[1], re.sub(r"\\(.)", r"\1", each[2])) for each in found]
