"""What a page reads of its address: every value judged, every refusal a sentence beside its field.

Times are China's, as everywhere in the console; an address holds them as `2026-11-22T14:05` (seconds if needed).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from web.console.texts import say
from web.texts import Language

CHINA: Final = timezone(timedelta(hours=8))
FIELDS_MAX: Final = 60
VALUE_CHARS_MAX: Final = 200
YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2100

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOMENT: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?", re.ASCII
)
_CURSOR: Final = re.compile(r"(?P<at>[0-9]{1,16})\.(?P<id>[0-9a-f]{32}|[0-9]{1,18})", re.ASCII)


class Query:
    """The values of an address; `problems` gathers sentences by field as values are read.

    Args:
        raw: the query string.
        language: of the sentences.
    """

    def __init__(self, raw: str, language: Language) -> None:
        self._language = language
        self.problems: dict[str, str] = {}
        try:
            pairs = parse_qsl(raw, max_num_fields=FIELDS_MAX)
        except ValueError:
            pairs = []
            self.problems["query"] = say("query.value.many", language, n=FIELDS_MAX)
        self.pairs: list[tuple[str, str]] = []
        for name, value in pairs:
            given = value.strip()
            if len(given) > VALUE_CHARS_MAX:
                self.problems[name[:40]] = say("query.value.long", language, n=VALUE_CHARS_MAX)
            elif not given.isprintable() or "\ufffd" in given:
                self.problems[name[:40]] = say("query.value.unreadable", language)
            elif given:
                self.pairs.append((name, given))

    def text(self, name: str) -> str:
        """A field's last value, or empty."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """A field's values, each once."""
        return tuple(dict.fromkeys(value for key, value in self.pairs if key == name))

    def refuse(self, name: str, key: str, **values: object) -> None:
        """Note what is wrong with a field."""
        self.problems[name] = say(key, self._language, **values)

    def choice(self, name: str, options: Collection[str]) -> str | None:
        """One of the options, or None where the field is empty or names none of them."""
        given = self.text(name)
        if given and given not in options:
            self.refuse(name, "query.value.choice")
            return None
        return given or None

    def choices(self, name: str, options: Collection[str]) -> tuple[str, ...]:
        """Several of the options."""
        given = self.all(name)
        if any(value not in options for value in given):
            self.refuse(name, "query.value.choice")
        return tuple(value for value in given if value in options)

    def number(self, name: str, *, low: int, high: int) -> int | None:
        """A whole number of a range, or None."""
        given = self.text(name)
        if not given:
            return None
        if not (given.isascii() and given.isdigit() and len(given) <= 19 and low <= int(given) <= high):
            self.refuse(name, "query.value.number", low=low, high=high)
            return None
        return int(given)

    def uuid(self, name: str) -> UUID | None:
        """A UUID, or None."""
        given = self.text(name)
        if not given:
            return None
        found = parse_uuid(given)
        if found is None:
            self.refuse(name, "query.value.uuid")
        return found

    def moment(self, name: str) -> datetime | None:
        """A moment in China, or None; a day alone is its midnight."""
        given = self.text(name)
        if not given:
            return None
        form = _MOMENT.fullmatch(given)
        try:
            local = None if form is None else datetime.fromisoformat(f"{form['day']}T{form['time'] or '00:00'}")
        except ValueError:  # the 31st of April, 25:00
            local = None
        if local is None:
            self.refuse(name, "query.value.moment")
            return None
        if not YEAR_MIN <= local.year < YEAR_MAX:
            self.refuse(name, "query.value.year", low=YEAR_MIN, high=YEAR_MAX - 1)
            return None
        return local.replace(tzinfo=CHINA).astimezone(UTC)

    def moment_text(self, name: str) -> str:
        """A moment as a `datetime-local` field takes it; what is none stays away, for the field would drop it."""
        form = _MOMENT.fullmatch(self.text(name))
        return "" if form is None else f"{form['day']}T{form['time'] or '00:00'}"

    def day(self, name: str) -> date | None:
        """A day, or None."""
        given = self.text(name)
        if not given:
            return None
        found = None
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given, re.ASCII):
            with suppress(ValueError):  # the 31st of April
                found = date.fromisoformat(given)
        if found is None:
            self.refuse(name, "query.value.moment")
        elif not YEAR_MIN <= found.year < YEAR_MAX:
            self.refuse(name, "query.value.year", low=YEAR_MIN, high=YEAR_MAX - 1)
            return None
        return found

    def cursor(self, name: str = "after") -> tuple[datetime, str] | None:
        """Where a page begins, as `pack_cursor` wrote it; None for the first page."""
        given = self.text(name)
        if not given:
            return None
        form = _CURSOR.fullmatch(given)
        if form is None:
            self.refuse(name, "query.value.cursor")
            return None
        return _EPOCH + int(form["at"]) * _MICROSECOND, form["id"]

    def address(self, path: str, changes: Mapping[str, object] | None = None) -> str:
        """The address of the same page with some fields changed; None or empty leaves a field out."""
        return address(path, self.pairs, changes)


def address(path: str, pairs: Iterable[tuple[str, str]], changes: Mapping[str, object] | None = None) -> str:
    """A path with a query string."""
    changed = dict(changes or {})
    kept = [(name, value) for name, value in pairs if name not in changed]
    for name, value in changed.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        kept += [(name, str(each)) for each in values if each is not None and each != ""]
    return f"{path}?{urlencode(kept)}" if kept else path


def parse_uuid(given: str) -> UUID | None:
    """A UUID as it is usually written, or None."""
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", given, re.ASCII) is None:
        return None
    return UUID(given)


def pack_moment(at: datetime) -> str:
    """A moment to the microsecond, as the address of a scan's story holds it."""
    return str((at - _EPOCH) // _MICROSECOND)


def parse_moment(given: str) -> datetime | None:
    """The moment that `pack_moment` wrote, or None."""
    if re.fullmatch(r"[0-9]{1,16}", given, re.ASCII) is None:
        return None
    return _EPOCH + int(given) * _MICROSECOND


def pack_cursor(at: datetime, key: UUID | int) -> str:
    """Where the next page begins: after this row."""
    return f"{pack_moment(at)}.{key.hex if isinstance(key, UUID) else key}"


def local(at: datetime) -> str:
    """A moment as an address and a `datetime-local` field hold it: China's time, to the second where there are any."""
    china = at.astimezone(CHINA)
    return f"{china:%Y-%m-%dT%H:%M:%S}" if china.second else f"{china:%Y-%m-%dT%H:%M}"


def midnight(at: datetime) -> datetime:
    """The beginning of the day in China."""
    return at.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
