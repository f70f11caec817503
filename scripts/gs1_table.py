#!/usr/bin/env python3
"""Make `codegen/gs1_ais.json` from the GS1 Barcode Syntax Dictionary: its facts, an AI a line.

    .venv/bin/python scripts/gs1_table.py ../shared/vectors/digital_link/gs1-syntax-dictionary.txt

What a line holds is told in `codegen/gs1_ais.py`, which reads the file. Ranges (3100-3105) are written out.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "codegen" / "gs1_ais.json"

_FLAGS = re.compile(r"[*!?\"$%&'()+,\-./:;<=>@\[\\\]^_`{|}~]+")
_PART = re.compile(r"(?P<open>\[?)(?P<set>[NXYZ])(?P<upto>\.\.)?(?P<most>[0-9]+)\]?(?P<linters>(?:,[a-z0-9]+)*)")
_AIS = re.compile(r"(?P<first>[0-9]{2,4})(?:-(?P<last>[0-9]{2,4}))?")


def read(dictionary: str) -> list[dict[str, Any]]:
    """Every AI of the dictionary's text, by number.

    Raises:
        ValueError: a line is not as the dictionary describes itself; the sentence names the line.
    """
    found: list[dict[str, Any]] = []
    for number, line in enumerate(dictionary.splitlines(), start=1):
        spec, _, title = line.partition("#")
        if not spec.strip():
            continue
        try:
            found += _entries(spec.split(), title.strip())
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return sorted(found, key=lambda entry: entry["ai"])


def _entries(tokens: list[str], title: str) -> list[dict[str, Any]]:
    ais = _AIS.fullmatch(tokens[0])
    if ais is None:
        raise ValueError(f"{tokens[0]!r} is no AI and no range of them")
    rest = tokens[1:]
    flags = rest.pop(0) if rest and _FLAGS.fullmatch(rest[0]) else ""
    entry: dict[str, Any] = {"ai": "", "fixed": "*" in flags, "attribute": "?" in flags}
    entry |= {"parts": [], "req": [], "ex": [], "keys": None, "title": title}
    for token in rest:
        part = _PART.fullmatch(token)
        if part is not None:
            entry["parts"].append(_part(part))
            continue
        name, _, value = token.partition("=")
        if name == "req":
            entry["req"].append([group.split("+") for group in value.split(",")])
        elif name == "ex":
            entry["ex"] += value.split(",")
        elif name == "dlpkey":
            entry["keys"] = [way.split(",") for way in value.split("|")] if value else [[]]
        else:
            raise ValueError(f"{token!r} is neither a part of the format nor a known attribute")
    if not entry["parts"]:
        raise ValueError(f"AI {tokens[0]} has no format")
    first, last = ais["first"], ais["last"] or ais["first"]
    return [entry | {"ai": f"{ai:0{len(first)}}"} for ai in range(int(first), int(last) + 1)]


def _part(part: re.Match[str]) -> dict[str, Any]:
    most = int(part["most"])
    return {
        "set": part["set"],
        "least": 1 if part["upto"] else most,
        "most": most,
        "optional": bool(part["open"]),
        "linters": part["linters"].split(",")[1:],
    }


def write(entries: list[dict[str, Any]]) -> str:
    """The file's text: a JSON array, an entry a line."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries)
    return f"[\n{lines}\n]\n"


def main(arguments: list[str]) -> int:
    """Read the dictionary named, write the table."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: scripts/gs1_table.py gs1-syntax-dictionary.txt\n")
        return 2
    try:
        entries = read(Path(arguments[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    OUT.write_text(write(entries), encoding="utf-8")
    sys.stdout.write(f"{len(entries)} AIs written to {OUT}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
