"""The scan use case from its first byte: read, parse, verify, and only then the gate.

A text that is no code of ours stops here: no statement, no lock, no I/O (DESIGN §2.3).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, cast
from uuid import uuid4

import msgspec
import structlog
from sqlalchemy import text

from antifraud.blocklist import Entry, Sender
from codegen import foreign, scheme
from codegen.foreign import Listed
from codegen.issued import Issued, look_up
from codegen.scheme import MalformedCode, ParsedCode, VerifiedCode
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Database, Tx
from kernel.errors import InvalidInput, YimaError
from scanapi import flow, sentences
from scanapi.blocked import LiveBlocks
from scanapi.counters import Counters, mask
from scanapi.gate import Gate
from scanapi.group import Answer, Scan
from scanapi.limits import Limits
from scanapi.listed import Register
from scanapi.live_keys import LiveRing
from scanapi.page_tokens import PageState, PageTokens
from scanapi.sentences import Language
from scanapi.shelf import Shelf
from scanapi.work import ProofWanted, Purpose, Work
from traceability import notices, units
from traceability.coordinates import Location, NoLocation, parse_location
from traceability.ip import IpLocator
from traceability.regions import Regions
from traceability.scans import Look, Outcome, ScanReply, ScanRequest

log = structlog.get_logger(__name__)

DEVICE_CHARS_MAX = 200
HOST_CHARS_MAX = 80
"""Of a scanned address; a longer name is recorded cut."""


class ScanService:
    """Everything a scan needs, for as long as the process lives."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        *,
        regions: Regions,
        addresses: IpLocator,
        index: BlindIndex,
        limits: Limits | None = None,
    ) -> None:
        self._db = db
        self._vault = vault
        self._regions = regions
        self._addresses = addresses
        self._index = index
        self._pages = PageTokens(vault)
        self._work = Work(vault)
        self.blocks = LiveBlocks()
        self.limits = limits or Limits()
        self.register = Register(vault)
        self.keys = LiveRing(db, vault, besides=(self.register.refresh, self.blocks.refresh))
        self.counters = Counters(db)
        self._shelf = Shelf()
        self.gate = Gate(self._commit)
        self.outcomes: Counter[str] = Counter()

    async def start(self) -> None:
        """Load keys and begin to write counters."""
        await self.keys.start()
        self.counters.start()

    async def close(self) -> None:
        """Finish accepted scans and write the last counters."""
        await self.gate.close()
        await self.keys.close()
        await self.counters.close()

    async def _commit(self, group: Sequence[Scan]) -> list[Answer]:
        async with self._db.transaction() as tx:
            return await flow.scan(tx, group, vault=self._vault, regions=self._regions, shelf=self._shelf)

    async def submit(self, request: ScanRequest) -> bytes:
        """Scan; the reply as JSON (a `ScanReply`), committed when this returns.

        Raises:
            YimaError: the request is wrong, the bearer is nobody, the scan id was used otherwise, or we are busy.
        """
        language = cast("Language", request.language)
        device = self._device(request.device_id)
        parsed, code, listed = self._recognise(request.code)
        if code is None:
            if listed is None:
                return self._turn_away(request, parsed, device)
            code = listed.unfound
        location, source = self._location(request)
        page = self._page(request, code.symbols)
        unproved, haste = self._weigh(request, device, page)
        host = parsed.host if parsed is not None else None
        region = None if location is None else self._regions.locate(location.lat, location.lng)
        address = self._addresses.locate(request.address or "")
        if source == "none" and address.province is not None:
            source = "ip"
        scan = Scan(
            scan_id=request.scan_id,
            body_hash=_body_hash(request),
            language=language,
            code=code,
            host=_clip(host if listed is None else listed.host),
            member=request.member,
            device=device,
            location=location,
            location_source=source,
            location_sealed=None if location is None else self._seal(location),
            region=region,
            ip_province=address.province,
            data_versions=_versions(self._regions.version, address.source_version),
            page=page,
            listed=listed,
            haste=haste,
            unproved=unproved,
            blocked=self._blocked(request, device),
        )
        if listed is None:
            answer, outcome = self._told(await self.gate.submit(scan))
            if outcome == Outcome.FORGED:
                self._note_unissued(request.code, code, device, request.address)
            return answer
        async with self._lookup(listed, request.address, device, _member(request)) as found:
            answer, outcome = self._told(await self.gate.submit(scan))
            if outcome == Outcome.FORGED:
                key_id = None if parsed is None else parsed.key_id
                self.counters.refuse("forged", key_id, request.code, device, self.limits.network(request.address))
            else:
                found()
        return answer

    def _told(self, answer: Answer) -> tuple[bytes, str]:
        """An answer with its outcome, counted.

        Raises:
            YimaError: that is the answer.
        """
        if isinstance(answer, YimaError):
            self.outcomes[answer.code] += 1
            raise answer
        outcome = outcome_of(answer)
        self.outcomes[outcome] += 1
        return answer, outcome

    def _weigh(self, request: ScanRequest, device: bytes | None, page: PageState) -> tuple[bool, str | None]:
        """Whether work was asked for and not done, and whose rate of scans is spent.

        Raises:
            ProofWanted: the sender is in doubt and has done no work yet.
        """
        member, unproved, trusted = _member(request), False, page in ("app", "good")
        if self.limits.is_doubtful(request.address, device, member, trusted=trusted):
            purpose = Purpose(request.scan_id, request.code, request.device_id or "")
            if not self._work.is_done(request.proof, purpose):
                if not request.without_proof:
                    self.outcomes[ProofWanted.code] += 1
                    raise ProofWanted(self._work.challenge(purpose))
                unproved = True
        haste = self.limits.scanned(request.address, device, member)
        if haste is not None or not trusted:
            self.limits.note("doubt", request.address, device, member)
        return unproved, haste

    def _blocked(
        self, request: ScanRequest, device: bytes | None
    ) -> Callable[[int, int, int | None], Entry | None] | None:
        """Asks the block lists about this sender; None where nothing is blocked at all."""
        blocks = self.blocks.list
        if not len(blocks):
            return None
        sender = Sender(_member(request), device, request.address)
        return lambda brand_id, unit_id, batch_id: blocks.find(
            brand_id, unit_id=unit_id, batch_id=batch_id, sender=sender, at=now()
        )

    def _recognise(self, text_: str) -> tuple[ParsedCode | None, VerifiedCode | None, Listed | None]:
        """A text's form as a code of ours, the code if one of our keys made it, else what others may have made."""
        try:
            parsed = scheme.parse(text_)
        except MalformedCode:
            return None, None, self.register.read(text_)
        code = self.keys.verify(parsed)
        return parsed, code, None if code is not None else self.register.read(text_)

    @asynccontextmanager
    async def _lookup(
        self, listed: Listed | None, address: str | None, device: bytes | None, member: int | None = None
    ) -> AsyncIterator[Callable[[], None]]:
        """Let a code be looked up: one without a signature counts as nobody's until it is told to be `found`.

        So of many that are sent at once no more are looked up than may be wrong. A look-up that fails costs nothing.

        Raises:
            TooManyCodes: too many lookups, or too many codes that were nobody's.
        """
        owed = False

        def found() -> None:
            nonlocal owed
            if owed:
                self.limits.give_back("wrong", address, device, member)
            owed = False

        if listed is not None:
            self.limits.need("wrong", address, device, member)
            self.limits.charge("unsigned", address, device, member)
            self.limits.note("wrong", address, device, member)
            owed = True
        try:
            yield found
        except Exception:
            found()
            raise

    def _turn_away(self, request: ScanRequest, parsed: ParsedCode | None, device: bytes | None) -> bytes:
        """Answer a text that is no code; nothing tells a mistyped symbol from a forgery, its time neither.

        Raises:
            TooManyCodes: too many of them were forged. A malformed text tells a guesser nothing, and is not limited.
        """
        if parsed is None:
            self.counters.refuse("malformed", None, request.code, device)
            return self._unverified(request, Outcome.MALFORMED)
        self.counters.refuse("forged", parsed.key_id, request.code, device, self.limits.network(request.address))
        self.limits.charge("wrong", request.address, device, _member(request))
        return self._unverified(request, Outcome.FORGED)

    def _note(
        self, text_: str, key_id: int | None, device: bytes | None, address: str | None, *, unissued: bool = False
    ) -> None:
        """Have a code watched that was never issued."""
        network = self.limits.network(address)
        self.counters.watch.note(mask(text_), key_id=key_id, device=device, network=network, unissued=unissued)

    def _note_unissued(self, text_: str, code: VerifiedCode, device: bytes | None, address: str | None) -> None:
        """A key of ours signed a code that was never issued, so that its secret has leaked.

        Under a product's number the code may be a good one, and the address made up.
        """
        self.limits.note("wrong", address, device)  # as of a forged one; it is told nothing else either
        unissued = code.url_gtin is None
        self._note(text_, code.position >> scheme.SERIAL_BITS, device, address, unissued=unissued)

    def _unverified(self, request: ScanRequest, outcome: Outcome) -> bytes:
        self.outcomes[str(outcome)] += 1
        message = sentences.tell(str(outcome), cast("Language", request.language))
        return msgspec.json.encode(ScanReply(request.scan_id, outcome, message))

    def _device(self, device_id: str | None) -> bytes | None:
        if not device_id:
            return None
        if len(device_id) > DEVICE_CHARS_MAX:
            raise InvalidInput(f"device_id has at most {DEVICE_CHARS_MAX} characters.", field="device_id")
        return self._index.of("device", device_id)

    def _location(self, request: ScanRequest) -> tuple[Location | None, str]:
        given = request.location
        if given is None:
            return None, "none"
        found = parse_location(
            given.get("lat"),
            given.get("lng"),
            given.get("datum"),
            given.get("accuracy_m"),
            given.get("source", "gps"),
            mainland=self._regions,
        )
        if isinstance(found, NoLocation):
            return None, "none"
        return found, found.source

    def _seal(self, location: Location) -> bytes:
        return self._vault.seal(msgspec.json.encode(location), "location")

    def _page(self, request: ScanRequest, symbols: str) -> PageState:
        if request.bearer:
            return "app"
        return self._pages.judge(request.page_token, symbols, request.device_id or "", request.scan_id)

    async def look(
        self, code: str, *, device_id: str, language: Language, address: str | None = None, member: int | None = None
    ) -> Look:
        """What the landing page may tell of a code: reads only, awards nothing; the view is counted.

        Raises:
            TooManyCodes: too many codes from there were forged, or looked up without a signature.
        """
        parsed, verified, listed = self._recognise(code)
        device = self._device(device_id)
        if listed is None and parsed is None:
            return Look("malformed", sentences.tell("malformed", language))
        forged = Look("forged", sentences.tell("forged", language), code="" if parsed is None else parsed.symbols)
        if listed is None and verified is None:
            self._note(code, None if parsed is None else parsed.key_id, device, address)
            self.limits.charge("wrong", address, device, member)
            return forged
        async with self._lookup(listed, address, device, member) as found, self._db.transaction() as tx:
            if verified is None:
                verified = None if listed is None else listed.found(await foreign.look_up(tx, listed.hashes))
            if verified is None:
                return forged
            found()
            positions = [verified.position]
            issued = (await look_up(tx, positions, listed=() if listed is None else positions)).get(positions[0])
            if issued is None or issued.gtin is None or verified.url_gtin not in (None, issued.gtin):
                self._note_unissued(code, verified, device, address)
                return forged
            unit_id = issued.home(verified.unit_id)
            unit = await units.peek(tx, unit_id)
            shown = (await self._shelf.shown(tx, [issued.gtin]))[issued.gtin]
            taken = await tx.execute(
                text("SELECT 1 FROM claim WHERE unit_id = ANY(CAST(:units AS bigint[])) AND state <> 'voided' LIMIT 1"),
                {"units": [verified.unit_id, *([] if issued.mate_id is None else [issued.mate_id])]},
            )
            claimed = taken.scalar_one_or_none() is not None
            notice = notices.NONE
            if issued.blocked in notices.STATES and issued.batch_id is not None:
                notice = await notices.of(tx, issued.batch_id, issued.blocked)
        self.counters.view(unit_id, issued.brand_id)
        chinese = language == "zh"
        first_at = None if unit is None else unit.first_scan_at
        province = self._province(None if unit is None else unit.first_province, language)
        scan_count = 0 if unit is None else unit.scan_count
        values = {
            "brand": shown.brand if chinese else shown.brand_en,
            "seen": sentences.seen(scan_count, first_at, province, yours=False, language=language, other=False),
            "first": sentences.first(first_at, province, language),
        }
        scan_id = uuid4()
        kind, key = _kind(issued, issued.mate_side or verified.side, scan_count, claimed=claimed, first_at=first_at)
        return Look(
            kind=kind,
            message=sentences.tell(key if shown.pays else sentences.UNREWARDED.get(key, key), language, **values),
            code=verified.symbols,
            listed=listed is not None,
            brand_slug=shown.brand_slug,
            brand=values["brand"],
            product=shown.product if chinese else shown.product_en,
            gtin=issued.gtin,
            scan_count=scan_count,
            first_when="" if first_at is None else sentences.when(first_at, province, language),
            scan_id=scan_id,
            page_token=self._pages.make(verified.symbols, device_id, scan_id),
            reason=issued.blocked or "",
            picture=shown.picture_hash or "",
            notice=notice.zh if chinese else notice.en,
            pays=shown.pays,
            adults_only=shown.adults_only,
        )

    async def find(self, tx: Tx, code: str) -> tuple[Issued, int] | None:
        """What was issued under a code, and its unit's id; None where it was not. It tells a member of their own scan,
        after limits let them look, and so counts towards none.
        """  # noqa: D205 (one sentence)
        _, verified, listed = self._recognise(code)
        if verified is None:
            verified = None if listed is None else listed.found(await foreign.look_up(tx, listed.hashes))
        if verified is None:
            return None
        positions = [verified.position]
        issued = (await look_up(tx, positions, listed=() if listed is None else positions)).get(positions[0])
        if issued is None or issued.gtin is None:
            return None
        return issued, issued.home(verified.unit_id)

    def _province(self, adcode: int | None, language: Language) -> str | None:
        if adcode is None:
            return None
        region = self._regions.region(adcode)
        return region.name_zh if language == "zh" else region.name_en


# A reply begins with the scan's id, of fixed length: its outcome stands at a fixed place, so that counting
# outcomes reads no JSON.
_OUTCOME_AT = len('{"scan_id":"') + 36 + len('","outcome":"')


def outcome_of(reply: bytes) -> str:
    """The outcome of a reply as sent, a replay's too."""
    return reply[_OUTCOME_AT : reply.index(b'"', _OUTCOME_AT)].decode()


def _kind(issued: Issued, side: str, scan_count: int, *, claimed: bool, first_at: datetime | None) -> tuple[str, str]:
    """The landing page's kind and its sentence."""
    if issued.blocked is not None:
        return "voided", f"voided.{issued.blocked}"
    if issued.is_leaked(first_at) and not claimed:
        return ("voided", "voided.leaked") if issued.leak_answer == "void" else ("leaked", "leaked")
    if not issued.active:
        return "inactive", "inactive"
    if claimed:
        return "claimed", "look.claimed"
    if (issued.paired or issued.mate_side) and side == "outer":
        return "outer", "authentic.outer"
    return ("seen" if scan_count else "first"), "look"


def _member(request: ScanRequest) -> int | None:
    return None if request.member is None else request.member[0]


def _clip(host: str | None) -> str | None:
    return None if host is None else host[:HOST_CHARS_MAX]


def _body_hash(request: ScanRequest) -> bytes:
    body: list[Any] = [request.code, request.device_id, request.location]
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).digest()


@lru_cache(64)
def _versions(*versions: str | None) -> str | None:
    return ";".join(version for version in versions if version)[:120] or None
