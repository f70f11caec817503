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
from web import basemap
from web.basemap import Basemap

DIST: Final = Path(__file__).parent / "static" / "dist"
ENTRY: Final = "src/main.ts"
CONSOLE_ENTRY: Final = "src/console/main.ts"
ICON: Final = "src/icon.svg"
SOLVER: Final = "src/solver.ts"
URL: Final = "/static/"

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(slots=True)
class Asset:
    """A file of the bundle: its media type and its bytes; the same compressed once somebody asks for that."""

    media_type: str
    plain: bytes
    _packed: bytes | None = None

    @property
    def packed(self) -> bytes:
        """The bytes compressed; all of them at once would take seconds of every start."""
        if self._packed is None:
            self._packed = gzip.compress(self.plain, mtime=0)
        return self._packed


@dataclass(frozen=True, slots=True)
class Entry:
    """What a page loads: the addresses of its script and style sheets."""

    script: str
    styles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assets:
    """The bundle.

    Attributes:
        files: by path below `/static/`.
        page: what a consumer's page loads.
        console: what a page of the console loads; it fetches charts and map when it needs them.
        icon: address of the icon.
        solver: address of the worker that does work for whoever is asked for it.
        basemap: which of the files the bundled basemap is.
    """

    files: dict[str, Asset]
    page: Entry
    console: Entry
    icon: str
    solver: str
    basemap: Basemap


def load(dist: Path = DIST) -> Assets:
    """Read the bundle that the front end's build wrote, and the basemap.

    Raises:
        ConfigurationError: it is not there or not whole.
    """
    try:
        manifest = json.loads((dist / "manifest.json").read_bytes())
        page, console = (_entry(manifest[name]) for name in (ENTRY, CONSOLE_ENTRY))
        icon, solver = manifest[ICON]["file"], manifest[SOLVER]["file"]
        names = {
            name for each in manifest.values() for name in (each["file"], *each.get("css", ()), *each.get("assets", ()))
        }
        files = {name: _read(dist, name) for name in sorted(names)}
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"The front end is not built ({error.filename} is missing): run `make setup`."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"The front end in {dist} is damaged ({error!r}): delete it and run `make setup`."
        ) from error
    ground = basemap.load()
    files |= {basemap.PREFIX + name: _read(basemap.FOLDER, name) for name in ground.names}
    return Assets(files, page, console, URL + icon, URL + solver, ground)


def _entry(found: dict[str, Any]) -> Entry:
    return Entry(URL + found["file"], tuple(URL + name for name in found["css"]))


def _read(dist: Path, name: str) -> Asset:
    plain = (dist / name).read_bytes()
    return Asset(_MEDIA_TYPES[Path(name).suffix], plain)


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
