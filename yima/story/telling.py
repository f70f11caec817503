"""What the person at the terminal is shown after the story."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import qrcode
from rich.console import Console
from rich.table import Table

from yima.story.manager import Login


@dataclass(frozen=True, slots=True)
class Summary:
    """The story's figures, and codes worth opening by what they show."""

    document: dict[str, Any]
    links: dict[str, str]


LINKS = (
    ("first.awarded", "a code whose reward is taken: what the next person is told"),
    ("copy.taken", "a code that was copied to a dozen cities"),
    ("early.inactive", "a code scanned before its activation, paid since"),
    ("forged.forged", "a forged code"),
)


def show(summary: Summary, login: Login, address: str, console: Console) -> None:
    """Print figures, links to open, how to sign in to the console, and a QR to scan."""
    document = summary.document
    table = Table(title="The story in figures", show_header=False, title_justify="left")
    for name in ("members", "scans", "units_seen", "claims_posted", "points_issued", "draw_entries", "prizes_won"):
        table.add_row(name.replace("_", " "), f"{document[name]:,}")
    for outcome, count in document["outcomes"].items():
        table.add_row(f"  {outcome}", f"{count:,}")
    for kind, count in document["unverified"].items():
        table.add_row(f"  {kind} (no code of ours)", f"{count:,}")
    console.print(table)
    console.print("Every figure was held against what the phones were told; the audit proves the rest.\n")
    console.print(f"Console        {address}/console", soft_wrap=True)
    console.print(f"               sign in as {login.email} with {login.password}", soft_wrap=True, highlight=False)
    console.print(f"Figures        {address}/story", soft_wrap=True)
    console.print(f"The draw       {address}/draws/{document['draw']}", soft_wrap=True)
    console.print(f"API            {address}/schema", soft_wrap=True)
    console.print(f"Labels         {document['this_run']['labels']['file']}", soft_wrap=True)
    for key, what in LINKS:
        if key in summary.links:
            console.print(f"{address}{urlsplit(summary.links[key]).path}   [dim]{what}[/]", soft_wrap=True)
    if "first.awarded" in summary.links:
        console.print("\nScan it with a phone that reaches this machine (set YIMA_BIND and YIMA_PUBLIC_URL for that):")
        console.print(_qr(summary.links["first.awarded"]), highlight=False)
    console.print("Ctrl-C stops everything.")


def _qr(link: str) -> str:
    code = qrcode.QRCode(border=2)
    code.add_data(link)
    out = io.StringIO()
    code.print_ascii(out=out, invert=True)
    return out.getvalue()
