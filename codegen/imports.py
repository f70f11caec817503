"""Imports of codes that others made: requested, judged, then confirmed or cancelled; live when all are stored.

The file is read by a worker (`yima.importing`). Nothing of it can be scanned before somebody has confirmed the good
rows: a code is found by `codegen.foreign` once its batch is there, and the batch is made last.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from codegen import gs1, keys, patterns
from codegen.flaws import Flaw, Flaws
from codegen.patterns import Pattern
from codegen.rowfiles import Columns
from kernel import audit, tasks
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, Unavailable

JUDGE: Final = "judge_import"
PLACE: Final = "place_import"
"""Kinds of the worker's tasks."""

FILE_CHARS_MAX: Final = 120
PENDING_MAX: Final = 20
"""Imports of a brand that wait for a worker or for a decision: each keeps a file on the disk."""
OPEN_STATES: Final = ("reading", "judged", "placing")
_HOSTS_LOCK: Final = 0x59494D41_02  # advisory lock: one import of codes with a host is confirmed at a time


@dataclass(frozen=True, slots=True)
class Import:
    """An import as it stands.

    Attributes:
        name: its public name; its batch will bear it too.
        columns: how the file is laid out.
        file: the file's name as somebody handed it in.
        state: `reading` → `judged` → `placing` → `live`, or `failed`, or `cancelled`.
        lines: rows that were read.
        good: rows that can go live.
        flaws: rows of each kind of flaw.
        placed: good rows that are stored so far.
        late: of those, rows that another import took between the judgement and their turn.
        first_unit: unit number of line 1, once confirmed.
        batch: the batch's name, once live.
    """

    id: int
    name: str
    brand_id: int
    gtin: str
    pattern: Pattern
    columns: Columns
    file: str
    bytes: int
    sha256: str
    state: str
    task_id: UUID | None
    lines: int
    good: int
    flaws: Mapping[str, int]
    placed: int
    late: int
    key_id: int | None
    first_unit: int | None
    batch: str | None
    error: str | None
    actor: str
    created_at: datetime
    live_at: datetime | None

    @property
    def flawed(self) -> int:
        """Rows that are not imported."""
        return sum(self.flaws.values())

    def unit_id(self, number: int) -> int:
        """The unit id of a good row by its number from 1."""
        assert self.key_id is not None
        assert self.first_unit is not None
        return (self.key_id << 34) | (self.first_unit + number - 1)


_SELECT = """
    SELECT i.id, i.name, i.brand_id, i.gtin, i.template, i.alphabet, i.length_min, i.length_max, i.columns, i.file,
        i.bytes, i.sha256, i.state, i.task_id, i.lines, i.good, i.flaws, i.placed, i.late, i.key_id, i.first_unit,
        b.name AS batch, i.error, i.actor, i.created_at, i.live_at
    FROM code_import i LEFT JOIN batch b ON b.id = i.batch_id
"""


def _import(row: tuple[object, ...]) -> Import:
    id_, name, brand_id, gtin, template, alphabet, low, high, columns, *rest = row
    pattern = patterns.declare(
        str(template), alphabet=str(alphabet), length_min=int(str(low)), length_max=int(str(high))
    )
    return Import(id_, name, brand_id, gtin, pattern, Columns(**columns), *rest)  # type: ignore[arg-type] # a result row


async def request(
    tx: Tx,
    *,
    name: str,
    brand_id: int,
    gtin: str,
    pattern: Pattern,
    columns: Columns,
    file: str,
    size: int,
    sha256: str,
    actor: str,
) -> UUID:
    """Have a file judged that lies in the spool under `name`.

    Returns:
        The task to wake a worker for.

    Raises:
        NotFound: the brand has no such product.
        Conflict: another brand's codes bear that host, or too many imports wait.
    """
    gtin = gs1.parse_gtin(gtin)
    known = await tx.execute(
        text("SELECT 1 FROM product WHERE gtin = :gtin AND brand_id = :brand"), {"gtin": gtin, "brand": brand_id}
    )
    if known.scalar_one_or_none() is None:
        raise NotFound(f"The brand has no product with GTIN {gtin}.")
    await judge_room(tx, brand_id, pattern)
    task_id = await tasks.submit(tx, JUDGE, {"import": name}, brand_id=brand_id)
    await tx.execute(
        text("""
            INSERT INTO code_import (name, brand_id, gtin, template, alphabet, length_min, length_max, columns, file,
                bytes, sha256, task_id, actor)
            VALUES (:name, :brand, :gtin, :template, :alphabet, :low, :high, CAST(:columns AS jsonb), :file,
                :bytes, :sha256, :task, :actor)"""),
        {
            "name": name, "brand": brand_id, "gtin": gtin, "template": pattern.template,
            "alphabet": pattern.alphabet, "low": pattern.length_min, "high": pattern.length_max,
            "columns": json.dumps({"column": columns.column, "header": columns.header,
                                   "delimiter": columns.delimiter, "encoding": columns.encoding}),
            "file": file[-FILE_CHARS_MAX:], "bytes": size, "sha256": sha256, "task": task_id, "actor": actor,
        },
    )  # fmt: skip
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="import.request", subject=f"import {name}",
        after={"gtin": gtin, "pattern": pattern.template, "bytes": size, "sha256": sha256},
    )  # fmt: skip
    return task_id


async def judge_room(tx: Tx, brand_id: int, pattern: Pattern) -> None:
    """Refuse an import that would not be taken, before its file is.

    Raises:
        Conflict: another brand's codes bear that host, or too many imports wait.
    """
    waiting = await tx.execute(
        text("SELECT count(*) FROM code_import WHERE brand_id = :brand AND state = ANY(:states)"),
        {"brand": brand_id, "states": list(OPEN_STATES)},
    )
    if waiting.scalar_one() >= PENDING_MAX:
        raise Conflict(f"{PENDING_MAX} imports wait already: confirm or cancel some of them first.")
    await _judge_host(tx, brand_id, pattern, ("judged", "placing", "live"))


async def _judge_host(tx: Tx, brand_id: int, pattern: Pattern, states: Sequence[str]) -> None:
    """Refuse a host that imports of another brand bear which are as far as that."""
    if not pattern.host:
        return
    templates = await tx.execute(
        text("""
            SELECT DISTINCT template FROM code_import
            WHERE brand_id <> :brand AND state = ANY(:states) AND template LIKE '%://%'"""),
        {"brand": brand_id, "states": list(states)},
    )
    for template in templates.scalars():
        if template.partition("://")[2].lower().startswith((f"{pattern.host}/", f"{pattern.host}?")):
            raise Conflict(f"Codes of another brand bear the host {pattern.host}.", field="template")


async def get(tx: Tx, name: str, *, brand_id: int | None = None, lock: bool = False) -> Import:
    """An import by its name.

    Args:
        tx: the transaction.
        name: as it was given.
        brand_id: whose it must be.
        lock: for a change.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    row = None
    if name.isprintable():
        found = await tx.execute(
            text(f"{_SELECT} WHERE i.name = :name {'FOR UPDATE OF i' if lock else ''}"),
            {"name": name.strip().upper()},
        )
        row = found.one_or_none()
    if row is None or (brand_id is not None and row.brand_id != brand_id):
        raise NotFound(f"There is no import {name!r}; `yima codes imports` names them.")
    return _import(tuple(row))


async def list_of(tx: Tx, *, brand_id: int, before: int | None = None, limit: int = 100) -> list[Import]:
    """A brand's imports, the newest first, from the one before `before` on."""
    rows = await tx.execute(
        text(f"""{_SELECT} WHERE i.brand_id = :brand AND i.id < coalesce(CAST(:before AS bigint), 9223372036854775807)
            ORDER BY i.id DESC LIMIT :limit"""),
        {"brand": brand_id, "before": before, "limit": limit},
    )
    return [_import(tuple(row)) for row in rows]


async def judge(tx: Tx, found: Import, *, lines: int, good: int, flaws: Flaws) -> bool:
    """Note what was found in the file, and keep the report; False where it was cancelled meanwhile."""
    changed = await tx.execute(
        text("""
            UPDATE code_import SET state = 'judged', lines = :lines, good = :good, flaws = CAST(:flaws AS jsonb),
                judged_at = now()
            WHERE id = :id AND state = 'reading'"""),
        {"lines": lines, "good": good, "flaws": json.dumps(dict(flaws.counts)), "id": found.id},
    )
    if changed.rowcount == 0:
        return False
    kept = list(flaws)
    await tx.execute(
        text("""
            INSERT INTO code_import_flaw (import_id, line, brand_id, kind, first_line)
            SELECT :id, n.line, :brand, n.kind, n.first_line
            FROM unnest(CAST(:lines AS bigint[]), CAST(:kinds AS text[]), CAST(:firsts AS bigint[]))
                AS n(line, kind, first_line)"""),
        {
            "id": found.id, "brand": found.brand_id, "lines": [each.line for each in kept],
            "kinds": [each.kind for each in kept], "firsts": [each.first_line for each in kept],
        },
    )  # fmt: skip
    return True


async def fail(tx: Tx, found: Import, sentence: str) -> None:
    """Note that the file cannot be imported, and why."""
    await tx.execute(
        text("UPDATE code_import SET state = 'failed', error = :error WHERE id = :id AND state = 'reading'"),
        {"error": sentence[:300], "id": found.id},
    )


async def flaws_of(tx: Tx, found: Import, *, after: int = 0, limit: int = 100) -> list[Flaw]:
    """Flaws of an import by line, from the line behind `after` on."""
    rows = await tx.execute(
        text("""
            SELECT line, kind, first_line FROM code_import_flaw
            WHERE import_id = :id AND brand_id = :brand AND line > :after ORDER BY line LIMIT :limit"""),
        {"id": found.id, "brand": found.brand_id, "after": after, "limit": limit},
    )
    return [Flaw(*row) for row in rows]


async def report(tx: Tx, found: Import) -> AsyncIterator[str]:
    """The report as lines of CSV: line, what is wrong, the line that it repeats. It holds nothing of the file."""
    yield "line,flaw,first_line\r\n"
    after = 0
    while rows := await flaws_of(tx, found, after=after, limit=10_000):
        yield "".join(f"{each.line},{each.kind},{each.first_line or ''}\r\n" for each in rows)
        after = rows[-1].line


async def confirm(tx: Tx, vault: Vault, name: str, *, brand_id: int | None = None, actor: str) -> UUID:
    """Confirm the good rows: they get their unit numbers now, and a worker stores them.

    Returns:
        The task to wake a worker for.

    Raises:
        NotFound: no such import.
        Conflict: it is not judged (any more), or has no good row, or another brand was faster to import codes of its
            host.
        Unavailable: the key has no such range left (rotate it).
    """
    found = await get(tx, name, brand_id=brand_id, lock=True)
    if found.state != "judged":
        raise Conflict(f"Import {found.name} is {found.state}: only one that is judged can be confirmed.")
    if not found.good:
        raise Conflict(f"Import {found.name} has no good row.")
    if found.pattern.host:  # two brands may have handed in files of one host before either's was judged
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _HOSTS_LOCK})
        await _judge_host(tx, found.brand_id, found.pattern, ("placing", "live"))
    key = await keys.lock_active(tx, vault, brand_id=found.brand_id, actor=actor)
    if key.next_unit + found.good > keys.UNITS_PER_KEY:
        raise Unavailable(f"Key {key.id} has only {keys.UNITS_PER_KEY - key.next_unit:,} units left: rotate it.")
    await tx.execute(
        text("UPDATE code_key SET next_unit = next_unit + :count WHERE id = :key"),
        {"count": found.good, "key": key.id},
    )
    task_id = await tasks.submit(tx, PLACE, {"import": found.name}, brand_id=found.brand_id)
    await tx.execute(
        text("""
            UPDATE code_import SET state = 'placing', key_id = :key, first_unit = :first, task_id = :task,
                decided_at = now() WHERE id = :id"""),
        {"key": key.id, "first": key.next_unit, "task": task_id, "id": found.id},
    )
    await audit.record(
        tx, brand_id=found.brand_id, actor=actor, action="import.confirm", subject=f"import {found.name}",
        after={"good": found.good, "flawed": found.flawed},
    )  # fmt: skip
    return task_id


async def cancel(tx: Tx, name: str, *, brand_id: int | None = None, actor: str) -> Import:
    """Drop an import that is not confirmed; the caller removes its folder after the commit.

    Raises:
        NotFound: no such import.
        Conflict: it is confirmed, or cancelled already.
    """
    found = await get(tx, name, brand_id=brand_id, lock=True)
    if found.state not in ("reading", "judged", "failed"):
        raise Conflict(
            f"Import {found.name} is {found.state} and cannot be cancelled; its codes can be voided by range."
        )
    await tx.execute(
        text("UPDATE code_import SET state = 'cancelled', decided_at = now() WHERE id = :id"), {"id": found.id}
    )
    await audit.record(
        tx, brand_id=found.brand_id, actor=actor, action="import.cancel", subject=f"import {found.name}",
        before={"state": found.state},
    )  # fmt: skip
    return found


async def resume(tx: Tx, name: str, *, brand_id: int | None = None, actor: str) -> UUID | None:
    """Have a worker go on with an import whose task has failed (a full disk, a folder that was not shared).

    Returns:
        The task to wake a worker for; None where nothing has failed.
    """
    found = await get(tx, name, brand_id=brand_id, lock=True)
    if found.state not in ("reading", "placing") or found.task_id is None:
        return None
    try:
        if (await tasks.status(tx, found.task_id)).state != "failed":
            return None
    except NotFound:  # pruned long after it failed
        pass
    kind = JUDGE if found.state == "reading" else PLACE
    task_id = await tasks.submit(tx, kind, {"import": found.name}, brand_id=found.brand_id)
    await tx.execute(text("UPDATE code_import SET task_id = :task WHERE id = :id"), {"task": task_id, "id": found.id})
    await audit.record(
        tx, brand_id=found.brand_id, actor=actor, action="import.resume", subject=f"import {found.name}",
        after={"state": found.state, "placed": found.placed},
    )  # fmt: skip
    return task_id


async def go_live(tx: Tx, found: Import) -> None:
    """Make the batch of an import whose codes are all stored: from now on they are found.

    Raises:
        InvalidInput: not all are stored.
    """
    now_at = await get(tx, found.name, lock=True)
    if now_at.state == "live":
        return
    if now_at.state != "placing" or now_at.placed != now_at.good:
        raise InvalidInput(f"Import {found.name} is {now_at.state}; {now_at.placed:,} of {now_at.good:,} are stored.")
    low = now_at.unit_id(1) << 1
    batch = await tx.execute(
        text("""
            INSERT INTO batch (name, brand_id, gtin, order_number, key_id, count, paired, form, prefix, span, state,
                sha256, ready_at, origin)
            VALUES (:name, :brand, :gtin, :order, :key, :count, false, 'short', :prefix, int8range(:low, :high),
                'ready', :sha256, now(), 'imported')
            RETURNING id"""),
        {
            "name": now_at.name, "brand": now_at.brand_id, "gtin": now_at.gtin, "order": f"import-{now_at.name}",
            "key": now_at.key_id, "count": now_at.good, "prefix": now_at.pattern.template, "low": low,
            "high": low + 2 * now_at.good, "sha256": now_at.sha256,
        },
    )  # fmt: skip
    await tx.execute(
        text("UPDATE code_import SET state = 'live', batch_id = :batch, live_at = now() WHERE id = :id"),
        {"batch": batch.scalar_one(), "id": now_at.id},
    )
    await audit.record(
        tx, brand_id=now_at.brand_id, actor="worker", action="import.live", subject=f"import {now_at.name}",
        after={"codes": now_at.good - now_at.late, "late": now_at.late},
    )  # fmt: skip
