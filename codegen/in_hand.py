"""What a person has in hand: codes scanned from labels, told as lines of a batch.

Signatures are verified in memory first; a text that no key of the brand made costs no statement. An error names
the place among the texts, never a code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from codegen import batches, keys, scheme
from codegen.batches import Batch
from codegen.issued import look_up
from codegen.scheme import MalformedCode, Ring, VerifiedCode
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


async def verify(tx: Tx, vault: Vault, texts: Sequence[str], *, brand_id: int, field: str) -> list[VerifiedCode]:
    """The brand's codes in these texts (codes or their URLs), in order.

    Raises:
        InvalidInput: a text is no code, or none that this brand's keys made; or there are too many.
    """
    if not 1 <= len(texts) <= CODES_MAX:
        raise InvalidInput(f"Name 1 to {CODES_MAX:,} codes, not {len(texts):,}.", field=field)
    parsed = []
    for place, each in enumerate(texts, 1):
        try:
            parsed.append(scheme.parse(each))
        except MalformedCode as error:
            raise InvalidInput(f"{_which(place, texts)} cannot be read: {error.message}", field=field) from None
    ring = await ring_of(tx, vault, brand_id=brand_id, key_ids={each.key_id for each in parsed})
    found = []
    for place, code in enumerate(map(ring.verify, parsed), 1):
        if code is None:
            raise InvalidInput(f"{_which(place, texts)} is no code of this brand.", field=field)
        found.append(code)
    return found


async def lines_of_codes(
    tx: Tx, vault: Vault, texts: Sequence[str], *, brand_id: int, batch: Batch | None = None, field: str = "codes"
) -> tuple[Batch, list[int]]:
    """The one batch that these codes belong to, and their lines in it, in order.

    Raises:
        InvalidInput: a text is no code of the brand, was never issued, or belongs to another batch than the others
            (than `batch`, where that is given).
    """
    codes = await verify(tx, vault, texts, brand_id=brand_id, field=field)
    issued = await look_up(tx, sorted({code.position for code in codes}))
    lines: list[int] = []
    name = None if batch is None else batch.name
    for place, code in enumerate(codes, 1):
        known = issued.get(code.position)
        if known is None or known.batch is None or known.line is None:
            raise InvalidInput(f"{_which(place, texts)} was never issued.", field=field)
        if name is None:
            name = known.batch
        if known.batch != name:
            raise InvalidInput(f"{_which(place, texts)} is of batch {known.batch}, not of batch {name}.", field=field)
        lines.append(known.line)
    assert name is not None
    found = batch or await batches.get(tx, name, brand_id=brand_id)
    for place, line in enumerate(lines, 1):
        if line > found.count:
            raise InvalidInput(
                f"{_which(place, texts)} is on no line of batch {name}: it must not be used.", field=field
            )
    return found, lines


async def units_of_codes(
    tx: Tx, vault: Vault, texts: Sequence[str], *, brand_id: int, field: str = "codes"
) -> list[int]:
    """The unit ids of these codes, in order, of whichever batches.

    Raises:
        InvalidInput: a text is no code of the brand, or was never issued to be printed.
    """
    codes = await verify(tx, vault, texts, brand_id=brand_id, field=field)
    issued = await look_up(tx, sorted({code.position for code in codes}))
    names = {known.batch for known in issued.values() if known.batch is not None}
    by_name = {name: await batches.get(tx, name, brand_id=brand_id) for name in sorted(names)}
    units = []
    for place, code in enumerate(codes, 1):
        known = issued.get(code.position)
        if known is None or known.batch is None or known.line is None or known.line > by_name[known.batch].count:
            raise InvalidInput(f"{_which(place, texts)} was never issued.", field=field)
        units.append(code.unit_id)
    return units


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
