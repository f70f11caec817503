"""The bundled basemap: land, borders and names drawn by the heatmap, built once at set-up by `web.basemap_build`.

Files bear a hash of their content in their names, so that a browser may keep them for good.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernel.errors import ConfigurationError

FOLDER: Final = Path(__file__).parent / "static" / "basemap"
INDEX: Final = "index.json"

FORMAT: Final = 1
"""Raised whenever what is in the files, or how they are made, changes."""

PREFIX: Final = "basemap/"
"""Where the files lie below `/static/`."""


@dataclass(frozen=True, slots=True)
class Basemap:
    """The files of the basemap.

    Attributes:
        source: names the data that it was built from.
        china: path below `/static/` of the provinces and cities.
        world: of the other countries.
        districts: of each province's districts, by the province's adcode.
    """

    source: str
    china: str
    world: str
    districts: dict[int, str]

    @property
    def names(self) -> list[str]:
        """All the files' names in the folder."""
        return [path.removeprefix(PREFIX) for path in (self.china, self.world, *self.districts.values())]


def load(folder: Path = FOLDER) -> Basemap:
    """Read the index.

    Raises:
        ConfigurationError: the basemap is not built, or is damaged.
    """
    try:
        index = json.loads((folder / INDEX).read_bytes())
        if index["format"] != FORMAT:
            raise ConfigurationError(
                f"The basemap in {folder} has format {index['format']} instead of {FORMAT}: run `make setup`."
            )
        districts = {int(code): PREFIX + name for code, name in index["districts"].items()}
        return Basemap(str(index["source"]), PREFIX + index["china"], PREFIX + index["world"], districts)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"The basemap is not built ({error.filename} is missing): run `make setup`."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"The basemap in {folder} is damaged ({error!r}): delete it and run `make setup`."
        ) from error
