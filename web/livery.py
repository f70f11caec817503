"""How the consumer's pages of a brand look: its logo, colour, texts and the lines that law wants.

The colour comes as a style sheet of its own, for our pages allow no styles within; sheet and logo have
addresses that name their content, so that a browser may keep them for good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from litestar import Response

from traceability.brands import Line, Shown
from traceability.pictures import Picture
from web import colours
from web.texts import Language

FOREVER: Final = "public, max-age=31536000, immutable"

_HEADERS: Final = {"Cache-Control": FOREVER, "X-Content-Type-Options": "nosniff"}
_SHEET: Final = re.compile(rf"([0-9a-f]{{6}})-{colours.SHEET_FORMAT}\.css")
_LOGO: Final = re.compile(r"([0-9a-f]{16})\.(?:png|jpeg)")


@dataclass(frozen=True, slots=True)
class Livery:
    """What a page shows of its brand.

    Attributes:
        slug: of the brand.
        name: of the brand, in the page's language.
        sheet: address of the style sheet in its colour; empty for the house colour.
        logo: address of its logo; empty where there is none.
        header: address of the picture above its pages; empty where there is none.
        welcome: a sentence on the page behind a code.
        thanks: a sentence on the page after a scan.
        operator: who operates the page.
        lines: what law wants on each page.
        privacy_url: the privacy policy.
        service: a phone number or address, as people read it.
        service_url: where it leads.
        member_host: the member centre's host, where this one only verifies, tells and hands over.
    """

    slug: str
    name: str
    sheet: str
    logo: str
    header: str
    welcome: str
    thanks: str
    operator: str
    lines: tuple[Line, ...]
    privacy_url: str
    service: str
    service_url: str
    member_host: str

    def elsewhere(self, host: str) -> str:
        """The host to go on to from a page of this one; empty where the visitor is there already."""
        return "" if host.lower() == self.member_host else self.member_host


def of(shown: Shown, language: Language, *, logo: str = "") -> Livery:
    """The livery of a brand.

    Args:
        shown: the brand and its settings.
        language: of the page.
        logo: another address of the logo (a preview's).
    """
    kept = shown.settings
    chinese = language == "zh"
    return Livery(
        slug=shown.slug,
        name=shown.name if chinese else shown.name_en,
        sheet=f"/brand/{shown.slug}/{colours.sheet_name(kept.colour)}.css" if kept.colour else "",
        logo=logo or (f"/brand/{shown.slug}/{kept.logo_hash}.png" if kept.logo_hash else ""),
        header=picture_address(shown.slug, kept.header_hash),
        welcome=kept.welcome_zh if chinese else kept.welcome_en,
        thanks=kept.thanks_zh if chinese else kept.thanks_en,
        operator=kept.operator,
        lines=kept.lines,
        privacy_url=kept.privacy_url,
        service=kept.service.removeprefix("https://"),
        service_url=kept.service_url,
        member_host=kept.member_host if kept.hands_over else "",
    )


def picture_address(slug: str, content_hash: str) -> str:
    """The address of a picture of a brand's pages; empty where there is none."""
    return f"/brand/{slug}/{content_hash}.jpeg" if content_hash else ""


def serve_sheet(name: str) -> Response[bytes] | None:
    """The style sheet of a name; None where it is no sheet's."""
    match = _SHEET.fullmatch(name)
    if match is None:
        return None
    return Response(colours.sheet(f"#{match[1]}").encode(), media_type="text/css", headers=_HEADERS)


def serve_logo(picture: Picture) -> Response[bytes]:
    """A logo under the address that names its content."""
    return Response(picture.content, media_type=f"image/{picture.type}", headers=_HEADERS)


def logo_hash(name: str) -> str:
    """The hash in a logo's file name; empty where it is none."""
    match = _LOGO.fullmatch(name)
    return match[1] if match else ""
