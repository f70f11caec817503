"""What a text that was read says: whether it is a code of ours, of which unit, and which state holds for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import text as sql

from codegen import batches, foreign, keys, ranges, scheme, states
from codegen.foreign import Listed, Reader
from codegen.issued import Issued, look_up
from codegen.keys import SealedKey
from codegen.listings import Known
from codegen.scheme import CodeKey, MalformedCode, ParsedCode, Ring, VerifiedCode
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import YimaError

NO_KEY: Final = "forged: no key of ours made it"
NEVER_ISSUED: Final = "forged: never issued"
OTHER_PRODUCT: Final = "forged: the URL names another product"
INACTIVE: Final = "inactive"


@dataclass(frozen=True, slots=True)
class Verification:
    """One text, verified.

    Attributes:
        code: The 20 symbols; None where the text holds no code at all.
        valid: Whether one of our keys made it, it was issued, and a GTIN in the URL is its batch's.
        gtin: The product, as all below only where the code is valid.
        batch: The batch's name.
        serial: Its serial under the key.
        reason: Why it is not valid, or would not be served: the blocking state, or `inactive`. None if all is well.
        brand_id: Whose code it is.
        batch_id: The batch.
        line: Its unit's line in the batch.
        side: `outer` or `inner`.
        state: The state that holds for its unit; `issued` where none was given.
        host: The host of the URL that was read, in lower case.
    """

    code: str | None = None
    valid: bool = False
    gtin: str | None = None
    batch: str | None = None
    serial: int | None = None
    reason: str | None = None
    brand_id: int | None = None
    batch_id: int | None = None
    line: int | None = None
    side: str | None = None
    state: str | None = None
    host: str | None = None


async def verify(tx: Tx, ring: Ring, texts: Sequence[str], *, reader: Reader | None = None) -> list[Verification]:
    """Verify codes and URLs: signatures first, then one statement for what was issued.

    Where others' codes are known too, one more statement finds those among the texts that none of our keys signed.

    Args:
        tx: the transaction.
        ring: all keys.
        texts: what was typed or read; at most some thousand at a time.
        reader: recognises what others may have made; None where only our own codes count.
    """
    answers: list[Verification] = []
    verified: dict[int, VerifiedCode] = {}
    listed: dict[int, Listed] = {}
    for place, text in enumerate(texts):
        try:
            parsed = scheme.parse(text)
        except MalformedCode as error:
            answers.append(Verification(reason=f"malformed: {error.reason}"))
            _read_listed(listed, reader, place, text)
            continue
        code = ring.verify(parsed)
        answers.append(_unverified(parsed))
        if code is not None:
            verified[place] = code
        else:
            _read_listed(listed, reader, place, text)
    units = await foreign.look_up(tx, {each for one in listed.values() for each in one.hashes})
    for place, one in listed.items():
        if (found := one.found(units)) is not None:
            verified[place] = found
            answers[place] = Verification(code=one.text, host=one.host)
    positions = sorted({code.position for code in verified.values()})
    issued = await look_up(tx, positions, listed=[verified[place].position for place in listed if place in verified])
    for place, code in verified.items():
        known = issued.get(code.position)
        if known is not None and known.origin != ("imported" if place in listed else "own"):
            known = None  # a code derived for a line whose code others made
        answers[place] = _judge(answers[place], code, known)
    return answers


def _read_listed(listed: dict[int, Listed], reader: Reader | None, place: int, text: str) -> None:
    found = None if reader is None else reader.read(text)
    if found is not None:
        listed[place] = found


def _unverified(parsed: ParsedCode) -> Verification:
    return Verification(code=parsed.symbols, reason=NO_KEY, host=parsed.host)


def _judge(answer: Verification, code: VerifiedCode, known: Issued | None) -> Verification:
    if known is None or known.batch is None:
        return replace(answer, reason=NEVER_ISSUED)
    if code.url_gtin not in (None, known.gtin):
        return replace(answer, reason=OTHER_PRODUCT)
    return replace(
        answer,
        valid=True,
        gtin=known.gtin,
        batch=known.batch,
        serial=code.serial,
        reason=known.blocked or (None if known.active else INACTIVE),
        brand_id=known.brand_id,
        batch_id=known.batch_id,
        line=known.line,
        side=code.side,
        state=known.blocked or ("activated" if known.active else "issued"),
    )


async def printed_hosts(tx: Tx, batch_ids: set[int]) -> dict[int, str]:
    """The host that stands on the labels of each batch, in lower case, without its port."""
    rows = await tx.execute(
        sql("SELECT id, lower(substring(prefix FROM '://([^/:]+)')) FROM batch WHERE id = ANY(CAST(:ids AS bigint[]))"),
        {"ids": sorted(batch_ids)},
    )
    return {row[0]: row[1] for row in rows if row[1] is not None}


async def known_batches(tx: Tx) -> list[Known]:
    """All batches of the installation with their lines by state, to hold listings against; not codes others made.

    Of codes that were paired on the line only their own batch's states are told, not their mate's.
    """
    canaries: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for batch_id, low, high in await tx.execute(sql(
        "SELECT batch_id, lower(canaries), upper(canaries) FROM code_package WHERE canaries IS NOT NULL"
    )):  # fmt: skip
        canaries[batch_id].append((low, high))
    known = []
    for brand_id in (await tx.execute(sql("SELECT DISTINCT brand_id FROM batch ORDER BY brand_id"))).scalars().all():
        found = await batches.list_of(tx, brand_id=brand_id)
        held = await ranges.spans(tx, found)
        known += [
            Known(
                each.name, each.gtin, each.unit_id(1) * 2, each.unit_id(each.count + 1) * 2,
                states.flatten(each.count, held[each.id]), tuple(canaries[each.id]),
            )
            for each in found if each.origin == "own"
        ]  # fmt: skip
    return known


async def open_all(vault: Vault, stored: Iterable[SealedKey]) -> list[CodeKey]:
    """Keys with their secrets, whatever their state, to read codes with; opened outside a transaction.

    Raises:
        ConfigurationError: one cannot be opened; the sentence names it.
        Unavailable: its custodian is away.
    """
    opened = []
    for each in await keys.open_keys(vault, stored):
        if isinstance(each, YimaError):
            raise each
        opened.append(each)
    return opened
