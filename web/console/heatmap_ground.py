"""What lies under the hexagons: the bundled basemap, the customer's own, or plain ground.

Maps shown to the public in China need an approval number (审图号). The bundled basemap has none, so that outside
development it stays off until the brand enters a number or says why there need be none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from traceability.brands import Settings
from web.assets import URL
from web.basemap import Basemap
from web.console.desk import CONTENT_SECURITY_POLICY

Kind = Literal["bundled", "style", "tiles", "none"]

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ground:
    """What the map draws under the hexagons.

    Attributes:
        kind: `bundled`; a `style` or raster `tiles` of the customer's; `none`.
        withheld: whether the bundled basemap is off for want of an approval number or a waiver.
        url: of the customer's style or tiles.
        attribution: what the map says of its sources.
        approval: the approval number, shown on the map where there is one.
        policy: content security policy of the page, which lets the customer's own host in where it is another.
    """

    kind: Kind
    withheld: bool
    url: str
    attribution: str
    approval: str
    policy: str


def choose(settings: Settings, *, dev: bool, basemap: Basemap) -> Ground:
    """The ground of a brand's map."""
    cleared = bool(settings.map_approval or settings.map_waiver)
    kind: Kind = "none"
    if settings.basemap == "custom" and settings.basemap_url:
        kind = "tiles" if "{z}" in settings.basemap_url else "style"
    elif settings.basemap == "bundled" and (dev or cleared):
        kind = "bundled"
    attribution = settings.basemap_attribution
    if kind == "bundled" and not attribution:
        attribution = basemap.source.partition(" format")[0]
    return Ground(
        kind=kind,
        withheld=settings.basemap == "bundled" and not (dev or cleared),
        url=settings.basemap_url if kind in {"style", "tiles"} else "",
        attribution=attribution if kind != "none" else "",
        approval=settings.map_approval,
        policy=_policy(settings.basemap_url if kind in {"style", "tiles"} else ""),
    )


def files(basemap: Basemap) -> dict[str, object]:
    """Addresses of the bundled basemap's files, as the page's script reads them."""
    return {
        "china": URL + basemap.china,
        "world": URL + basemap.world,
        "districts": {str(code): URL + path for code, path in basemap.districts.items()},
    }


def _policy(url: str) -> str:
    """The console's policy, with the host of the customer's basemap let in for data and pictures."""
    parts = urlsplit(url)
    if parts.scheme != "https" or _HOST.fullmatch(parts.netloc) is None:
        return CONTENT_SECURITY_POLICY
    host = f"https://{parts.netloc}"
    return CONTENT_SECURITY_POLICY.replace(
        "img-src 'self' data: blob:", f"img-src 'self' data: blob: {host}; connect-src 'self' {host}"
    )
