"""Read-back: photos and PDFs of printed labels, read by two decoders, verified and graded; nothing is kept.

What is uploaded lies in a temporary file without a name while it is read, in a confined process (see
`codegen.confined`), and is gone with the answer. Codes are money: whoever may not switch codes sees them masked.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.types import ControllerRouterHandler

from codegen import foreign, keys, proofreading, verification
from codegen.confined import Reader, ReadPage, Said
from codegen.grades import NOTE_EN, NOTE_ZH, Parameter
from codegen.photos import Limits
from codegen.proofreading import Proof, ProofSymbol, Summary
from codegen.readback import ReadSymbol
from codegen.scheme import Ring
from kernel.errors import InvalidInput, TooMany, Unavailable, YimaError
from staff.access import Permission
from web.console.desk import Desk
from web.console.guard import CSRF_HEADER, GivenDesk, GivenSeat, judge_sender, needs
from web.console.seat import Seat
from web.console.texts import TEXTS, say

FILES_MAX: Final = 10
FILE_BYTES_MAX: Final = 20 << 20
BODY_BYTES_MAX: Final = 60 << 20
SYMBOLS_MAX: Final = 2_000
"""Symbols of one upload that are told; more are left out, and it is said."""

SYMBOLS_SHOWN_MAX: Final = 300
"""Rows of the page; the report has all."""

PREVIEWS_MAX: Final = 12
"""Pages whose picture is shown."""

LIMITS: Final = Limits(
    bytes_max=FILE_BYTES_MAX, pixels_max=50_000_000, pages_max=20, frames_max=5, page_s_max=30, file_s_max=90,
    memory_bytes_max=1_536 << 20,
)  # fmt: skip
UPLOAD_S_MAX: Final = 180
"""Seconds after which further files of an upload are left."""

TONES: Final = {
    "good": "good", "one_decoder": "wait", "duplicate": "wait", "wrong_host": "bad", "stopped": "bad",
    "forged": "bad", "foreign": "bad", "other_brand": "bad",
}  # fmt: skip
_NAME_CHARS_MAX: Final = 80
_TEXT_CHARS_MAX: Final = 300
_UNPRINTABLE: Final = re.compile(r"[^\w.()+, -]", re.UNICODE)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Mark:
    """A symbol as page and report tell it.

    Attributes:
        number: From 1, over all files.
        source: The file's name.
        page: Page of the file.
        kind: One of `TONES`.
        code: The code, masked or not; empty where there is none.
        text: What a foreign symbol says; empty otherwise. It is a text, never a link.
        batch: The batch's name; empty where the code is not this brand's.
        line: Its line.
        side: `outer` or `inner`.
        state: The state that holds.
        host: The host that it was printed with, where it has another.
        zbar: Whether ZBar read it.
        zxing: Whether ZXing read it.
        grade: A to F; empty where it was not graded.
        parameters: What the grade is made of.
        growth: Print growth in modules.
        points: Its corners, for an SVG polygon.
        x: Where its number stands.
        y: Where its number stands.
    """

    number: int
    source: str
    page: int
    kind: str
    code: str
    text: str
    batch: str
    line: int | None
    side: str
    state: str
    host: str
    zbar: bool
    zxing: bool
    grade: str
    parameters: tuple[Parameter, ...]
    growth: float | None
    points: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page with its picture and the marks on it."""

    source: str
    number: int
    width: int
    height: int
    preview: str
    marks: list[Mark]


@dataclass(slots=True)
class Result:
    """What came of an upload."""

    sheets: list[Sheet] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """What the confined process told of one file."""

    pages: list[ReadPage]
    remarks: list[str]
    error: YimaError | None


@get("/console/b/{brand:str}/readback", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Choose photos and PDFs."""
    return _page(desk, seat)


@post(
    "/console/b/{brand:str}/readback",
    opt=needs(Permission.SEE_BATCHES),
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
)
async def read(desk: GivenDesk, seat: GivenSeat, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read them, and show what they hold. Nothing is changed and nothing kept, so the answer is the page itself."""
    if request.content_type[0] != "multipart/form-data":
        await judge_sender(request, desk, seat.visit, request.headers.get(CSRF_HEADER, ""))
        raise InvalidInput("The body is not of the type multipart/form-data.")
    parts = await request.form()
    await judge_sender(request, desk, seat.visit, str(parts.get("csrf", "")))
    uploads = [each for each in parts.getall("files", []) if isinstance(each, UploadFile) and each.filename]
    try:
        return await _answer(desk, seat, uploads)
    finally:
        for each in uploads:
            await each.close()


async def _answer(desk: Desk, seat: Seat, uploads: list[UploadFile]) -> Response[bytes]:
    sizes = [await asyncio.to_thread(each.file.seek, 0, io.SEEK_END) for each in uploads]
    problem = _problem(uploads, sizes, seat)
    if problem:
        return _page(desk, seat, error=problem, status=400)
    files: list[tuple[str, BinaryIO]] = [(_plain(each.filename), each.file) for each in uploads]  # type: ignore[misc]
    try:
        async with desk.means.reading.turn():
            found = await asyncio.to_thread(_read_all, files)
    except (TooMany, Unavailable) as error:
        sentence = error.message if seat.visit.language == "en" else say("readback.busy", "zh")
        return _page(desk, seat, error=sentence, status=error.status)
    async with desk.means.db.transaction() as tx:
        sealed = await keys.read_sealed(tx)
        others = await foreign.load_reader(tx, desk.means.vault)
    proof = Proof(Ring(await verification.open_all(desk.means.vault, sealed)), others)
    result = Result()
    async with desk.means.db.transaction() as tx:
        for each in found:
            await _take(tx, proof, each, result, seat)
    return _page(desk, seat, result=result, summary=proof.summary)


def _problem(uploads: list[UploadFile], sizes: list[int], seat: Seat) -> str:
    language = seat.visit.language
    if not uploads:
        return say("readback.error.none", language)
    if len(uploads) > FILES_MAX:
        return say("readback.error.count", language, most=FILES_MAX)
    large = next((each for each, size in zip(uploads, sizes, strict=True) if size > FILE_BYTES_MAX), None)
    if large is not None:
        return say("readback.error.bytes", language, name=_plain(large.filename), most=FILE_BYTES_MAX >> 20)
    return ""


def _plain(name: str) -> str:
    """A file's name as it is told: its last part, without what is not printed."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNPRINTABLE.sub("_", last)[-_NAME_CHARS_MAX:] or "_"


def _read_all(files: Iterable[tuple[str, BinaryIO]]) -> list[_Read]:
    """Read all files in a confined process, one after the other. Runs in a thread."""
    found = []
    with Reader(LIMITS, previews=PREVIEWS_MAX, total_s_max=UPLOAD_S_MAX) as reader:
        for name, file in files:
            pages: list[ReadPage] = []
            remarks: list[str] = []
            error: YimaError | None = None
            # A small upload has no descriptor yet: Python kept it in memory.
            if hasattr(file, "rollover"):
                file.rollover()
            try:
                for each in reader.read(file, name):
                    if isinstance(each, Said):
                        remarks.append(each.sentence)
                    else:
                        pages.append(each)
            except InvalidInput as caught:
                error = caught
            found.append(_Read(pages, remarks, error))
    return found


async def _take(tx: Any, proof: Proof, found: _Read, result: Result, seat: Seat) -> None:  # noqa: ANN401 (a Tx)
    """Verify what one file held, and put it to the result."""
    result.remarks += found.remarks
    if found.error is not None:
        result.unread.append(_told(found.error, seat))
    for page in found.pages:
        room = SYMBOLS_MAX - len(result.marks)
        result.left_out += max(len(page.symbols) - room, 0)
        symbols: tuple[ReadSymbol, ...] = page.symbols[:room]
        judged = await proof.judge(tx, symbols)
        marks = [_mark(each, len(result.marks) + number, seat) for number, each in enumerate(judged, start=1)]
        result.marks += marks
        if page.preview and len(result.sheets) < PREVIEWS_MAX:
            packed = "data:image/jpeg;base64," + base64.b64encode(page.preview).decode()
            result.sheets.append(Sheet(page.source, page.number, page.width, page.height, packed, marks))


def _told(error: YimaError, seat: Seat) -> str:
    """Why a file was not read, in the page's language."""
    key = f"readback.problem.{error.details.get('problem')}"
    if seat.visit.language == "en" or key not in TEXTS:
        return error.message
    return f"{error.message.split(' ', 1)[0]}：{say(key, 'zh')}"


def _mark(each: ProofSymbol, number: int, seat: Seat) -> Mark:
    symbol, found = each.symbol, each.found
    ours = found.brand_id in (None, seat.brand.id)
    whole = Permission.SWITCH_CODES in seat.may and ours
    code = found.code or ""
    text = "" if found.code is not None else symbol.text[:_TEXT_CHARS_MAX]
    corners = symbol.corners
    return Mark(
        number=number,
        source=symbol.source,
        page=symbol.page,
        kind=each.kind if ours else "other_brand",
        code=code if whole or not code else proofreading.masked(code),
        text=text if whole else proofreading.masked_text(text),
        batch=(found.batch or "") if ours else "",
        line=found.line if ours else None,
        side=(found.side or "") if ours else "",
        state=(found.state or "") if ours else "",
        host=(each.printed_host or "") if ours else "",
        zbar=symbol.zbar,
        zxing=symbol.zxing,
        grade=symbol.grade or "",
        parameters=() if symbol.grades is None else symbol.grades.parameters,
        growth=None if symbol.grades is None else symbol.grades.growth,
        points=" ".join(f"{x:.0f},{y:.0f}" for x, y in corners),
        x=round(sum(x for x, _ in corners) / len(corners)),
        y=round(sum(y for _, y in corners) / len(corners)),
    )


def _rows(marks: Iterable[Mark]) -> list[dict[str, Any]]:
    return [
        {
            "number": each.number, "file": each.source, "page": each.page, "kind": each.kind, "code": each.code,
            "text": each.text, "batch": each.batch, "line": each.line, "side": each.side, "state": each.state,
            "printed_host": each.host, "zbar": each.zbar, "zxing": each.zxing, "grade": each.grade,
            **{one.name: round(one.value, 3) for one in each.parameters},
            **{f"{one.name}_grade": one.letter for one in each.parameters},
        }
        for each in marks
    ]  # fmt: skip


def _json(result: Result) -> str:
    document = {"note": NOTE_EN, "symbols": _rows(result.marks), "unread": result.unread, "remarks": result.remarks}
    return _packed(json.dumps(document, ensure_ascii=False, indent=1).encode(), "application/json")


def _csv(result: Result) -> str:
    rows = _rows(result.marks)
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["number"]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                name: "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value
                for name, value in row.items()
            }
        )
    return _packed(b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "replace"), "text/csv")


def _packed(content: bytes, media_type: str) -> str:
    """A file within the page: nothing of a read-back is kept that could be fetched later."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _page(
    desk: Desk,
    seat: Seat,
    *,
    result: Result | None = None,
    summary: Summary | None = None,
    error: str = "",
    status: int = 200,
) -> Response[bytes]:
    return desk.page(
        seat,
        "readback.html",
        status=status,
        result=result,
        summary=summary,
        kinds=[] if result is None else _kinds(result.marks),
        shown=[] if result is None else result.marks[:SYMBOLS_SHOWN_MAX],
        tones=TONES,
        several=result is not None and len({(each.source, each.page) for each in result.marks}) > 1,
        error=error,
        note=NOTE_ZH if seat.visit.language == "zh" else NOTE_EN,
        files_max=FILES_MAX,
        file_mb=FILE_BYTES_MAX >> 20,
        body_mb=BODY_BYTES_MAX >> 20,
        as_json="" if result is None else _json(result),
        as_csv="" if result is None else _csv(result),
        may_switch=Permission.SWITCH_CODES in seat.may,
    )


def _kinds(marks: list[Mark]) -> list[tuple[str, int]]:
    """Each kind that there is, the best first, and how many."""
    return [(kind, count) for kind in TONES if (count := sum(each.kind == kind for each in marks))]


ROUTES: list[ControllerRouterHandler] = [show, read]
