"""The front end's bundle: read once at start, served compressed from memory under hashed names."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from kernel.errors import ConfigurationError

DIST: Final = Path(__file__).parent / "static" / "dist"
ENTRY: Final = "src/main.ts"
ICON: Final = "src/icon.svg"
URL: Final = "/static/"

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the bundle: its media type, its bytes, and the same compressed."""

    media_type: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """The bundle.

    Attributes:
        files: by path below `/static/`.
        script: address of the script.
        styles: addresses of the style sheets.
        icon: address of the icon.
    """

    files: dict[str, Asset]
    script: str
    styles: tuple[str, ...]
    icon: str


def load(dist: Path = DIST) -> Assets:
    """Read the bundle that the front end's build wrote.

    Raises:
        ConfigurationError: it is not there or not whole.
    """
    try:
        manifest = json.loads((dist / "manifest.json").read_bytes())
        entry = manifest[ENTRY]
        styles = tuple(entry["css"])
        icon = manifest[ICON]["file"]
        names = {name for each in manifest.values() for name in (each["file"], *each.get("css", ()))}
        files = {name: _read(dist, name) for name in sorted(names)}
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"The front end is not built ({error.filename} is missing): run `make setup`."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"The front end in {dist} is damaged ({error!r}): delete it and run `make setup`."
        ) from error
    return Assets(files, URL + entry["file"], tuple(URL + name for name in styles), URL + icon)


def _read(dist: Path, name: str) -> Asset:
    plain = (dist / name).read_bytes()
    return Asset(_MEDIA_TYPES[Path(name).suffix], plain, gzip.compress(plain, mtime=0))


def static_route(assets: Assets) -> HTTPRouteHandler:
    """The route that serves the bundle. Names bear a hash of the content, so a browser may keep them for good."""

    @route(
        URL + "{name:path}",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        include_in_schema=False,
        sync_to_thread=False,
    )
    def serve(request: Request[Any, Any, Any], name: FromPath[Path]) -> Response[bytes]:
        asset = assets.files.get(name.as_posix().lstrip("/"))
        if asset is None:
            raise NotFoundException("There is no such file.")
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if not accepts_gzip(request):
            return Response(asset.plain, media_type=asset.media_type, headers=headers)
        return Response(asset.packed, media_type=asset.media_type, headers=headers | {"Content-Encoding": "gzip"})

    return serve


def accepts_gzip(request: Request[Any, Any, Any]) -> bool:
    """Whether the client names gzip among the encodings it reads."""
    return "gzip" in request.headers.get("accept-encoding", "").lower()
