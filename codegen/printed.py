"""What became of a run's lines, entered by scan, by range or by count; and entries taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from codegen import lineset, ranges, runs
from codegen.lineset import Lines
from codegen.runs import KINDS, Part, Run
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

KEY_CHARS_MAX: Final = 60
RUNS_MAX: Final = 10_000
"""Separate runs of lines in one entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was said of a run, as it was said. `part` names the roll or range of a count."""

    id: int
    kind: str
    how: str
    lines: Lines
    part: str | None
    count: int
    at: datetime
    actor: str
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entered:
    """An entry's effect: its id, lines that are new in it, and lines that were of that kind already."""

    id: int | None
    count: int
    already: int


async def enter_lines(
    tx: Tx, run: Run, *, kind: str, lines: Lines, how: str, instead: bool = False, actor: str
) -> Entered:
    """Say of lines what became of them.

    Args:
        tx: the caller's transaction.
        run: the run.
        kind: one of `runs.KINDS`.
        lines: the lines.
        how: `codes` that were scanned, or a `range`.
        instead: take the lines out of what was said of them before; else that is a conflict.
        actor: who.

    Raises:
        InvalidInput: no such kind, no line, or too many separate ones.
        Conflict: the run is closed; a line is not in it; or something else was said of it.
    """
    _judge_kind(kind)
    if not lines or len(lines) > RUNS_MAX:
        raise InvalidInput(f"Enter 1 to {RUNS_MAX:,} separate runs of lines at a time.", field="ranges")
    run = await runs.lock(tx, run)
    outside = lineset.minus(lines, run.lines)
    if outside:
        raise Conflict(f"Lines {lineset.say(outside)} are not in run {run.name}.", run=run.name, field="scan")
    others = [other for other in KINDS if other != kind]
    for other in others:
        told = lineset.both(lines, lineset.of(r for part in run.parts for r in part.known[other]))
        if told and not instead:
            raise Conflict(
                f"Lines {lineset.say(told)} of run {run.name} are {other} already; enter them again with "
                "«instead» to correct that.",
                run=run.name,
            )
    known = lineset.of(r for part in run.parts for r in part.known[kind])
    new = lineset.minus(lines, known)
    if not new:
        return Entered(None, 0, lineset.count(lines))
    given = "CAST(CAST(:lines AS text) AS int8multirange)"
    taken = ", ".join(f"{other} = {other} - {given}" for other in others)
    await tx.execute(
        text(f"""
            UPDATE print_part SET {kind} = {kind} + {given} * int8multirange(int8range(first, last + 1)), {taken}
            WHERE run_id = :run AND int8range(first, last + 1) && {given}"""),  # noqa: S608 (of KINDS)
        {"run": run.id, "lines": lineset.to_text(lines)},
    )
    entry_id = await _note(tx, run, kind=kind, how=how, lines=new, part=None, count=lineset.count(new), actor=actor)
    return Entered(entry_id, lineset.count(new), lineset.count(lines) - lineset.count(new))


async def enter_count(
    tx: Tx, run: Run, *, kind: str, count: int, part_id: int | None = None, key: str | None = None, actor: str
) -> Entered:
    """Say how many lines of a roll or range are of a kind, without saying which.

    Args:
        tx: the caller's transaction.
        run: the run.
        kind: one of `runs.KINDS`.
        count: how many.
        part_id: of which roll or range; may be left out where the run has one.
        key: the client's; under the same one a count is taken once.
        actor: who.

    Raises:
        InvalidInput: no such kind, a number below 1 or beyond what was issued, or no part where there are several.
        Conflict: the run is closed; or it would account for more than was issued.
    """
    _judge_kind(kind)
    run = await runs.lock(tx, run)
    part = _part(run, part_id)
    if key is not None and (known := await _known(tx, run, key)) is not None:
        if (known.kind, known.part_id, known.told) != (kind, part.id, count):
            raise Conflict(f"The key {key!r} was used for another entry of run {run.name}.", run=run.name)
        return Entered(known.id, 0, count)
    if not 1 <= count <= part.issued:
        raise InvalidInput(f"A count is 1 to {part.issued:,}, what {part.name} holds.", field="count")
    if count > part.off:
        raise Conflict(
            f"Run {run.name}, {part.name}: {count:,} more {kind} would be {count - part.off:,} more than the "
            f"{part.issued:,} that were issued.",
            run=run.name,
        )
    await tx.execute(
        text(f"UPDATE print_part SET {kind}_counted = {kind}_counted + :count WHERE id = :id"),  # noqa: S608 (of KINDS)
        {"count": count, "id": part.id},
    )
    return Entered(
        await _note(tx, run, kind=kind, how="count", lines=None, part=part, count=count, actor=actor, key=key), count, 0
    )


async def withdraw(tx: Tx, run: Run, entry_id: int, *, actor: str) -> int:
    """Take an entry back; returns how many lines it no longer says anything of.

    Raises:
        NotFound: the run has no such entry.
        Conflict: the run is closed, or the entry withdrawn already.
    """
    run = await runs.lock(tx, run)
    row = await tx.execute(
        text("""
            SELECT kind, how, lines::text AS lines, part_id, count AS told, withdrawn_at FROM print_entry
            WHERE id = :id AND run_id = :run"""),
        {"id": entry_id, "run": run.id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"Run {run.name} has no such entry.")
    if found.withdrawn_at is not None:
        raise Conflict("This entry was withdrawn already.")
    kind, count = found.kind, found.told
    if found.how == "count":
        await tx.execute(
            text(f"UPDATE print_part SET {kind}_counted = {kind}_counted - :count WHERE id = :id"),  # noqa: S608 (of KINDS)
            {"count": count, "id": found.part_id},
        )
    else:
        known = lineset.of(r for part in run.parts for r in part.known[kind])
        count = lineset.count(lineset.both(known, lineset.from_text(found.lines)))
        await tx.execute(
            text(f"""
                UPDATE print_part SET {kind} = {kind} - CAST(CAST(:lines AS text) AS int8multirange)
                WHERE run_id = :run"""),  # noqa: S608 (of KINDS)
            {"run": run.id, "lines": found.lines},
        )
    await tx.execute(
        text("UPDATE print_entry SET withdrawn_at = now(), withdrawn_by = :actor WHERE id = :id"),
        {"id": entry_id, "actor": actor[: ranges.ACTOR_CHARS_MAX]},
    )
    await audit.record(
        tx,
        brand_id=run.brand_id,
        actor=actor,
        action="run.withdraw",
        subject=f"run {run.name}",
        before={"kind": kind, "how": found.how, "count": found.told},
    )
    return int(count)


async def list_of(tx: Tx, run: Run, *, limit: int) -> list[Entry]:
    """What was said of a run, the latest first."""
    rows = await tx.execute(
        text("""
            SELECT id, kind, how, lines::text, part_id, count, at, actor, withdrawn_at FROM print_entry
            WHERE run_id = :run ORDER BY id DESC LIMIT :limit"""),
        {"run": run.id, "limit": limit},
    )
    parts = {part.id: part.name for part in run.parts}
    return [
        Entry(
            entry_id, kind, how, lineset.from_text(lines or ""), parts.get(part), count, at, actor, withdrawn,
        )
        for entry_id, kind, how, lines, part, count, at, actor, withdrawn in rows
    ]  # fmt: skip


def _judge_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InvalidInput(f"What became of a line is one of {', '.join(KINDS)}, not {kind!r}.", field="kind")


def _part(run: Run, part_id: int | None) -> Part:
    if part_id is None and len(run.parts) == 1:
        return run.parts[0]
    found = next((part for part in run.parts if part.id == part_id), None)
    if found is None:
        raise InvalidInput(f"Run {run.name} has several rolls or ranges: say of which one the count is.", field="part")
    return found


async def _known(tx: Tx, run: Run, key: str) -> Any:  # noqa: ANN401 (a row)
    if not 1 <= len(key) <= KEY_CHARS_MAX:
        raise InvalidInput(f"The key of an entry has 1 to {KEY_CHARS_MAX} characters.", field="key")
    row = await tx.execute(
        text("SELECT id, kind, part_id, count AS told FROM print_entry WHERE run_id = :run AND key = :key"),
        {"run": run.id, "key": key},
    )
    return row.one_or_none()


async def _note(
    tx: Tx,
    run: Run,
    *,
    kind: str,
    how: str,
    lines: Lines | None,
    part: Part | None,
    count: int,
    actor: str,
    key: str | None = None,
) -> int:
    row = await tx.execute(
        text("""
            INSERT INTO print_entry (brand_id, run_id, part_id, kind, how, lines, count, actor, key)
            VALUES (:brand, :run, :part, :kind, :how, CAST(CAST(:lines AS text) AS int8multirange), :count, :actor,
                :key)
            RETURNING id"""),
        {
            "brand": run.brand_id,
            "run": run.id,
            "part": None if part is None else part.id,
            "kind": kind,
            "how": how,
            "lines": None if lines is None else lineset.to_text(lines),
            "count": count,
            "actor": actor[: ranges.ACTOR_CHARS_MAX],
            "key": key,
        },
    )
    return int(row.scalar_one())
