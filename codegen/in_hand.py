"""What a person has in hand: codes scanned from labels, told as lines of a batch.

Signatures are verified in memory first; a text that no key of the brand made costs no statement. An error names
the place among the texts, never a code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from codegen import batches, foreign, keys, scheme
from codegen.batches import Batch
from codegen.issued import Issued, look_up
from codegen.scheme import MalformedCode, ParsedCode, Ring, VerifiedCode
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import InvalidInput, NotFound

CODES_MAX: Final = 10_000
"""Codes that are named at once."""


async def ring_of(tx: Tx, vault: Vault, *, brand_id: int, key_ids: set[int]) -> Ring:
    """Those of the keys that are the brand's; a foreign key's id opens nothing."""
    rows = await tx.execute(
        text("SELECT id FROM code_key WHERE brand_id = :brand AND id = ANY(CAST(:ids AS smallint[])) ORDER BY id"),
        {"brand": brand_id, "ids": sorted(key_ids)},
    )
    return Ring(await keys.read(tx, vault, rows.scalars()))


@dataclass(frozen=True, slots=True)
class _Found:
    """A code of the brand and what was issued under it."""

    code: VerifiedCode
    issued: Issued


async def _find(tx: Tx, vault: Vault, texts: Sequence[str], *, brand_id: int, field: str) -> list[_Found]:
    """The brand's codes in these texts (codes or their URLs, or codes that others made and the brand imported).

    Raises:
        InvalidInput: a text is no code, none of this brand's, or was never issued; or there are too many.
    """
    if not 1 <= len(texts) <= CODES_MAX:
        raise InvalidInput(f"Name 1 to {CODES_MAX:,} codes, not {len(texts):,}.", field=field)
    parsed = [_parse(each) for each in texts]
    key_ids = {each.key_id for each in parsed if isinstance(each, ParsedCode)}
    ring = await ring_of(tx, vault, brand_id=brand_id, key_ids=key_ids)
    codes = [ring.verify(each) if isinstance(each, ParsedCode) else None for each in parsed]
    listed = await _listed(tx, vault, [text for text, code in zip(texts, codes, strict=True) if code is None])
    positions = {code.position for code in [*codes, *listed.values()] if code is not None}
    issued = await look_up(tx, sorted(positions), listed={code.position for code in listed.values()})
    found = []
    for place, (said, parse, own) in enumerate(zip(texts, parsed, codes, strict=True), 1):
        code = own or listed.get(said)
        known = None if code is None else issued.get(code.position)
        if code is None and isinstance(parse, str):
            raise InvalidInput(f"{_which(place, texts)} cannot be read: {parse}", field=field)
        if code is None or known is None or known.brand_id != brand_id:
            raise InvalidInput(f"{_which(place, texts)} is no code of this brand.", field=field)
        if known.batch is None or known.line is None:
            raise InvalidInput(f"{_which(place, texts)} was never issued.", field=field)
        if known.canary is not None:
            raise InvalidInput(
                f"{_which(place, texts)} is on no line of batch {known.batch}: it must not be used.", field=field
            )
        found.append(_Found(code, known))
    return found


def _parse(text_: str) -> ParsedCode | str:
    try:
        return scheme.parse(text_)
    except MalformedCode as error:
        return error.message


async def _listed(tx: Tx, vault: Vault, texts: Sequence[str]) -> dict[str, VerifiedCode]:
    """Codes that others made among texts that bear none of our signatures, by text."""
    if not texts:
        return {}
    reader = await foreign.load_reader(tx, vault)
    maybe = {each: read for each in texts if (read := reader.read(each)) is not None}
    units = await foreign.look_up(tx, {each for read in maybe.values() for each in read.hashes})
    return {each: code for each, read in maybe.items() if (code := read.found(units)) is not None}


async def lines_of_codes(
    tx: Tx, vault: Vault, texts: Sequence[str], *, brand_id: int, batch: Batch | None = None, field: str = "codes"
) -> tuple[Batch, list[int]]:
    """The one batch that these codes belong to, and their lines in it, in order.

    Raises:
        InvalidInput: a text is no code of the brand, was never issued, or belongs to another batch than the others
            (than `batch`, where that is given).
    """
    codes = await _find(tx, vault, texts, brand_id=brand_id, field=field)
    name = batch.name if batch is not None else str(codes[0].issued.batch)
    for place, each in enumerate(codes, 1):
        if each.issued.batch != name:
            of = each.issued.batch
            raise InvalidInput(f"{_which(place, texts)} is of batch {of}, not of batch {name}.", field=field)
    found = batch or await batches.get(tx, name, brand_id=brand_id)
    return found, [each.issued.line for each in codes if each.issued.line is not None]


async def units_of_codes(
    tx: Tx, vault: Vault, texts: Sequence[str], *, brand_id: int, field: str = "codes"
) -> list[int]:
    """The ids of the units that bear these codes, in order, of whichever batches.

    Of two codes that were paired on the line it is the outer one's, under which the unit is packed and shipped.

    Raises:
        InvalidInput: a text is no code of the brand, or was never issued to be printed.
    """
    found = await _find(tx, vault, texts, brand_id=brand_id, field=field)
    return [each.issued.home(each.code.unit_id) for each in found]


async def batches_of_units(tx: Tx, units_text: str, *, brand_id: int) -> list[tuple[Batch, str]]:
    """The batches that unit ids (a multirange's text) lie in, by id, each with its part of them as such a text.

    Raises:
        NotFound: no batch of the brand has any of them.
    """
    rows = await tx.execute(
        text("""
            SELECT b.name, (int8multirange(int8range(lower(b.span) / 2, upper(b.span) / 2))
                * CAST(CAST(:units AS text) AS int8multirange))::text
            FROM batch b
            WHERE b.brand_id = :brand AND int8multirange(int8range(lower(b.span) / 2, upper(b.span) / 2))
                && CAST(CAST(:units AS text) AS int8multirange) ORDER BY b.id"""),
        {"units": units_text, "brand": brand_id},
    )
    found = [(await batches.get(tx, name, brand_id=brand_id), part) for name, part in rows]
    if not found:
        raise NotFound("None of these units is of a batch of this brand.")
    return found


def _which(place: int, texts: Sequence[str]) -> str:
    return "This code" if len(texts) == 1 else f"Code {place} of {len(texts)}"
