"""What the pages of layouts and of label templates have in common: a page in a frame as their preview."""

from __future__ import annotations

import html
from typing import Final

from litestar import Response

from codegen.columns import DataLayout
from codegen.labels import LabelTemplate
from kernel.errors import YimaError
from web.console import forms, sentences
from web.console.desk import SECURITY_HEADERS, Desk
from web.console.guard import Form
from web.console.seat import Seat
from web.console.texts import say

HEADERS: Final = SECURITY_HEADERS | {
    # Nothing in a preview runs or leads anywhere, whatever was typed into it.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox allow-same-origin"
    ),
}
_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:0;padding:12px;background:#fff;color:#1c1c1c}"
    "pre{font:12px/1.5 ui-monospace,monospace;margin:0;white-space:pre;overflow:auto;tab-size:8}"
    "h3{font-size:13px;margin:16px 0 6px;font-weight:600}p{margin:0 0 8px;color:#555}"
    "img{max-width:100%;border:1px solid #bbb;display:block}.bad{color:#a4161a;font-weight:600}"
)


def frame(desk: Desk, seat: Seat, body: str) -> Response[bytes]:
    """The preview's page; `body` is HTML of ours, everything in it escaped."""
    title = html.escape(say("design.preview", seat.visit.language))
    page = (
        f'<!doctype html><html lang="{seat.visit.language}"><meta charset="utf-8"><title>{title}</title>'
        f'<style>{_STYLE}</style><body tabindex="0">{body}'
    )
    return desk.answer(seat.visit, page.encode("utf-8", "replace"), media_type="text/html", headers=HEADERS)


def refusal(desk: Desk, seat: Seat, error: YimaError) -> Response[bytes]:
    """The preview of what cannot be: why."""
    return frame(desk, seat, f'<p class="bad">{html.escape(sentence(error, seat))}</p>')


def sentence(error: YimaError, seat: Seat) -> str:
    """Why something was refused, with its numbers; the rare one that is not known in Chinese follows a general word."""
    if seat.visit.language == "en":
        return error.message
    return sentences.in_chinese(error.message) or f"{say('design.refused', 'zh')}{error.message}"


def note_of(design: DataLayout | LabelTemplate, seat: Seat, *, house: bool) -> str:
    """What it is for; of the house's in the page's language."""
    return sentences.told(design.note, seat.visit.language) if house and design.note else design.note


def refusals(error: YimaError, seat: Seat) -> forms.Refusals:
    """A form's refusal beside its field, with its numbers in both languages."""
    field = error.details.get("field")
    return forms.Refusals({field if isinstance(field, str) else "": sentence(error, seat)})


def version_of(form: Form) -> int:
    """The version that the person saw; 0 for something new."""
    return form.number("version", low=0, high=forms.VERSION_MAX)
