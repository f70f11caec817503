"""Structured logs on standard error: JSON in production, readable lines in development.

No personal data and no code is ever logged: what is logged is named field by field where it happens, an error
by its type and the places it passed, never by its text, which may quote what it could not read. Lines of the
libraries go the same way, without their text's arguments.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kernel.errors import ConfigurationError, YimaError
from kernel.requests import request_id

FRAMES_MAX = 20

ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(*, dev: bool, to: TextIO | None = None) -> None:
    """Set logging up for this process."""
    out = sys.stderr if to is None else to
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty()) if dev else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        _add_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_error,
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Formatter(shared, renderer))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _add_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    known = request_id.get()
    if known is not None:
        event["request"] = known
    return event


def _tell_error(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by what may be told of it."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[1] is not None:
        event["exception"] = describe(found[1])
        event["at"] = places(found[1])
    return event


def describe(error: BaseException) -> str:
    """An error's type, with its text only where the text is ours and holds no value of a person."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    name = type(error).__name__
    if isinstance(error, ConfigurationError):  # it names settings and files, for whoever installs
        return f"{name}: {error.message}"
    return f"{name} (SQLSTATE {state})" if state else f"{name} ({error.code})" if isinstance(error, YimaError) else name


def places(error: BaseException) -> list[str]:
    """Where an error came from: modules, lines and functions, with those of its causes; no values."""
    found: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if at is not error:
            found.append(f"caused by {type(at).__name__}")
        frames = traceback.extract_tb(at.__traceback__)[-FRAMES_MAX:]
        found += [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames]
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return found


class _Formatter(logging.Formatter):
    """Lines of libraries, in the same form; their arguments may be anybody's data and stay out."""

    def __init__(self, shared: list[Processor], renderer: Processor) -> None:
        super().__init__()
        self._shared = shared
        self._renderer = renderer

    def format(self, record: logging.LogRecord) -> str:
        # the first line is the library's own constant text; arguments and further lines quote what it worked on
        said = record.msg.strip().partition("\n")[0] if isinstance(record.msg, str) else type(record.msg).__name__
        event: EventDict = {"event": said, "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        for processor in self._shared:
            result = processor(None, record.levelname.lower(), event)
            assert isinstance(result, dict)
            event = result
        return str(self._renderer(None, record.levelname.lower(), event))
