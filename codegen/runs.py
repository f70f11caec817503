"""Print runs: what a printer was given, what became of it, and the balance that lets a run be closed.

A run takes rolls or ranges of lines. Each line ends as good, waste, returned or missing; a part is closed only
when what was issued is the sum of the four. Whoever opens, enters or closes has the batch's lines to themselves
(`ranges.lock`), so that no line is given out twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from codegen import lineset, ranges
from codegen.batches import Batch, lines_of
from codegen.lineset import Lines
from codegen.rolls import Roll
from kernel import audit, ids
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

KINDS: Final = ("good", "waste", "returned", "missing")
PARTS_MAX: Final = 1_000
"""Rolls and ranges of one run."""
PRINTER_CHARS_MAX: Final = 60
_OFF_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A roll or a range that a run was given.

    Attributes:
        id: of its row.
        roll: the roll's number, or None for a range.
        first: first line.
        last: last line.
        known: the lines of each kind that are known one by one.
        counted: how many more of each kind were only counted.
    """

    id: int
    roll: int | None
    first: int
    last: int
    known: dict[str, Lines]
    counted: dict[str, int]

    @property
    def issued(self) -> int:
        """How many lines the printer was given."""
        return self.last - self.first + 1

    def total(self, kind: str) -> int:
        """Lines of a kind, known or counted."""
        return lineset.count(self.known[kind]) + self.counted[kind]

    @property
    def off(self) -> int:
        """What is not accounted for yet; below zero, what is accounted for twice."""
        return self.issued - sum(self.total(kind) for kind in KINDS)

    @property
    def unnamed(self) -> Lines:
        """Lines of which nobody said by name what became of them."""
        known = lineset.of(run for kind in KINDS for run in self.known[kind])
        return lineset.minus(((self.first, self.last),), known)

    @property
    def name(self) -> str:
        """As a sentence names it."""
        return f"lines {self.first:,}–{self.last:,}" if self.roll is None else f"roll {self.roll}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run on a printer; its parts in the order of their lines."""

    id: int
    name: str
    brand_id: int
    batch_id: int
    batch: str
    printer: str
    state: str
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    closed_by: str | None
    parts: list[Part] = field(default_factory=list)

    @property
    def issued(self) -> int:
        """Lines of all parts."""
        return sum(part.issued for part in self.parts)

    def total(self, kind: str) -> int:
        """Lines of a kind in all parts."""
        return sum(part.total(kind) for part in self.parts)

    @property
    def off(self) -> int:
        """The sum of what its parts are off, each taken for itself: two errors do not make it right."""
        return sum(abs(part.off) for part in self.parts)

    @property
    def lines(self) -> Lines:
        """All lines that the printer was given."""
        return lineset.of((part.first, part.last) for part in self.parts)


async def open_run(
    tx: Tx, batch: Batch, *, printer: str, rolls: Sequence[Roll] = (), lines: Lines = (), actor: str
) -> Run:
    """Give rolls or ranges of lines to a printer.

    Raises:
        InvalidInput: no printer, nothing to print, too many parts, lines outside the batch or twice in the run.
        Conflict: the batch has no code package yet, or a line was printed or given out in another run.
    """
    printer = printer.strip()
    if not 1 <= len(printer) <= PRINTER_CHARS_MAX or not printer.isprintable():
        raise InvalidInput(f"A printer has a name of 1 to {PRINTER_CHARS_MAX} characters.", field="printer")
    if batch.origin != "own":
        raise Conflict(f"The codes of batch {batch.name} were made by others and imported: there are none to print.")
    if not batch.written:
        raise Conflict(f"Batch {batch.name} has no code package yet: nothing can be printed.")
    parts = sorted([(roll.first, roll.last, roll.number) for roll in rolls] + [(*run, None) for run in lines])
    if not 1 <= len(parts) <= PARTS_MAX:
        raise InvalidInput(f"A run takes 1 to {PARTS_MAX:,} rolls or ranges, not {len(parts):,}.", field="rolls")
    wanted = lineset.given(((first, last) for first, last, _ in parts), field="ranges")
    lines_of(batch, wanted[0][0], wanted[-1][1])
    if lineset.count(wanted) != sum(last - first + 1 for first, last, _ in parts):
        raise InvalidInput("Two of the rolls or ranges share a line.", field="ranges")
    await ranges.lock(tx, batch)
    await _judge_unprinted(tx, batch, wanted)
    name = ids.public_id(10)
    row = await tx.execute(
        text("""
            INSERT INTO print_run (name, brand_id, batch_id, printer, opened_by)
            VALUES (:name, :brand, :batch, :printer, :actor) RETURNING id"""),
        {
            "name": name,
            "brand": batch.brand_id,
            "batch": batch.id,
            "printer": printer,
            "actor": actor[: ranges.ACTOR_CHARS_MAX],
        },
    )
    await tx.execute(
        text("""
            INSERT INTO print_part (brand_id, batch_id, run_id, roll, first, last)
            SELECT :brand, :batch, :run, n.roll, n.first, n.last
            FROM unnest(CAST(:rolls AS integer[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
                AS n(roll, first, last)"""),
        {
            "brand": batch.brand_id,
            "batch": batch.id,
            "run": row.scalar_one(),
            "rolls": [part[2] for part in parts],
            "firsts": [part[0] for part in parts],
            "lasts": [part[1] for part in parts],
        },
    )
    await audit.record(
        tx,
        brand_id=batch.brand_id,
        actor=actor,
        action="run.open",
        subject=f"run {name}",
        after={"batch": batch.name, "printer": printer, "lines": ranges.said(wanted), "parts": len(parts)},
    )
    return await get(tx, name, brand_id=batch.brand_id)


async def _judge_unprinted(tx: Tx, batch: Batch, wanted: Lines) -> None:
    """Refuse lines that an open run has, and those of a closed one that it did not give back by name."""
    rows = await tx.execute(
        text("""
            SELECT r.name, r.state, p.first, p.last, p.returned::text, p.good::text
            FROM print_part p JOIN print_run r ON r.id = p.run_id
            WHERE p.batch_id = :batch AND p.first <= :last AND p.last >= :first ORDER BY p.first"""),
        {"batch": batch.id, "first": wanted[0][0], "last": wanted[-1][1]},
    )
    for name, state, first, last, returned, good in rows:
        given_back = lineset.from_text(returned) if state == "closed" else lineset.NONE
        twice = lineset.both(wanted, lineset.minus(((first, last),), given_back))
        if not twice:
            continue
        printed = lineset.both(twice, lineset.from_text(good))
        said = f"are good in run {name} already" if printed else f"were given out in run {name}, which is {state}"
        raise Conflict(f"Lines {lineset.say(printed or twice)} {said}: no code is printed twice.", run=name)


_RUN: Final = """
    SELECT r.id, r.name, r.brand_id, r.batch_id, b.name AS batch, r.printer, r.state, r.opened_at, r.opened_by,
        r.closed_at, r.closed_by
    FROM print_run r JOIN batch b ON b.id = r.batch_id"""


async def get(tx: Tx, name: str, *, brand_id: int | None = None) -> Run:
    """A run with its parts.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    row = None
    if name.isprintable():
        query = text(f"{_RUN} WHERE r.name = :name")
        row = (await tx.execute(query, {"name": name.strip().upper()})).one_or_none()
    if row is None or (brand_id is not None and row.brand_id != brand_id):
        raise NotFound(f"There is no print run {name!r}.")
    run = Run(*row)
    run.parts.extend((await _parts(tx, [run.id])).get(run.id, []))
    return run


async def list_of(
    tx: Tx, *, brand_id: int, batch_id: int | None = None, before: int | None = None, limit: int
) -> list[Run]:
    """The brand's runs, the latest first, from the one before `before` on; of one batch, where it is given."""
    query = text(f"""{_RUN}
        WHERE r.brand_id = :brand AND (CAST(:batch AS bigint) IS NULL OR r.batch_id = :batch)
            AND r.id < coalesce(CAST(:before AS bigint), 9223372036854775807)
        ORDER BY r.id DESC LIMIT :limit""")
    rows = await tx.execute(query, {"brand": brand_id, "batch": batch_id, "before": before, "limit": limit})
    found = [Run(*row) for row in rows]
    parts = await _parts(tx, [run.id for run in found])
    for run in found:
        run.parts.extend(parts.get(run.id, []))
    return found


async def _parts(tx: Tx, run_ids: list[int]) -> dict[int, list[Part]]:
    columns = ", ".join(f"{kind}::text" for kind in KINDS) + ", " + ", ".join(f"{kind}_counted" for kind in KINDS)
    rows = await tx.execute(
        text(f"""
            SELECT run_id, id, roll, first, last, {columns} FROM print_part
            WHERE run_id = ANY(CAST(:runs AS bigint[])) ORDER BY run_id, first"""),  # noqa: S608 (constants)
        {"runs": run_ids},
    )
    found: dict[int, list[Part]] = {}
    for run_id, part_id, roll, first, last, *rest in rows:
        known = {kind: lineset.from_text(lines) for kind, lines in zip(KINDS, rest, strict=False)}
        counted = dict(zip(KINDS, rest[len(KINDS) :], strict=True))
        found.setdefault(run_id, []).append(Part(part_id, roll, first, last, known, counted))
    return found


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed run: lines of each kind, and how many were switched on the way."""

    run: Run
    totals: dict[str, int]
    activated: int
    voided: int


async def lock(tx: Tx, run: Run) -> Run:
    """The run anew, its batch's lines locked.

    Raises:
        Conflict: it is closed.
    """
    await tx.execute(text("SELECT 1 FROM batch WHERE id = :id FOR NO KEY UPDATE"), {"id": run.batch_id})
    now = await get(tx, run.name, brand_id=run.brand_id)
    if now.state != "open":
        raise Conflict(f"Run {run.name} is closed: what it came to stands.")
    return now


async def close(tx: Tx, run: Run, batch: Batch, *, activate: bool, void: bool, actor: str) -> Closed:
    """Close a run that balances.

    Lines that were only counted are told apart where all of a part are of one kind.

    Args:
        tx: the caller's transaction.
        run: the run.
        batch: its batch.
        activate: activate the good lines.
        void: void the wasted lines (`print_waste`) and the missing ones (`lost`).
        actor: who.

    Raises:
        Conflict: it is closed already; it does not balance; or lines are to be switched of which only the number is
            known.
    """
    run = await lock(tx, run)
    off = [part for part in run.parts if part.off]
    if off:
        raise Conflict(_say_off(run, off), run=run.name, off=run.off)
    named = {part.id: _name_counted(part) for part in run.parts}
    if activate or void:
        _judge_named(run, named, activate=activate, void=void)
    by_kind = {kind: lineset.of(r for known in named.values() for r in known[kind]) for kind in KINDS}
    activated = voided = 0
    meant = f"run {run.name}"
    if activate and by_kind["good"]:
        given = await ranges.give(
            tx, batch, state="activated", lines=by_kind["good"], reason_code="released", meant=meant, actor=actor
        )
        activated = given.changed
    for kind, reason_code in (("waste", "print_waste"), ("missing", "lost")):
        if void and by_kind[kind]:
            given = await ranges.give(
                tx, batch, state="void", lines=by_kind[kind], reason_code=reason_code, meant=meant, actor=actor
            )
            voided += given.changed
    await _store(tx, run, named, actor)
    totals = {kind: run.total(kind) for kind in KINDS}
    await audit.record(
        tx,
        brand_id=run.brand_id,
        actor=actor,
        action="run.close",
        subject=f"run {run.name}",
        after={"issued": run.issued, **totals, "activated": activated, "voided": voided},
    )
    return Closed(await get(tx, run.name, brand_id=run.brand_id), totals, activated, voided)


def _say_off(run: Run, off: Sequence[Part]) -> str:
    said = [
        f"{part.name}: {abs(part.off):,} {'not accounted for' if part.off > 0 else 'too many'} of {part.issued:,}"
        for part in off[:_OFF_SHOWN]
    ]
    more = f"; and {len(off) - _OFF_SHOWN:,} more" if len(off) > _OFF_SHOWN else ""
    return f"Run {run.name} on {run.printer} does not balance. {'; '.join(said)}{more}."


def _name_counted(part: Part) -> dict[str, Lines]:
    """The known lines of each kind; those left over are the counted ones, where all of these are of one kind."""
    kinds = [kind for kind in KINDS if part.counted[kind]]
    if len(kinds) != 1:
        return part.known
    return part.known | {kinds[0]: lineset.of([*part.known[kinds[0]], *part.unnamed])}


def _judge_named(run: Run, named: dict[int, dict[str, Lines]], *, activate: bool, void: bool) -> None:
    """Refuse to switch lines of which nobody can say which they are."""
    wanted = [*(["good"] if activate else []), *(["waste", "missing"] if void else [])]
    for part in run.parts:
        vague = [kind for kind in wanted if lineset.count(named[part.id][kind]) != part.total(kind)]
        if vague:
            raise Conflict(
                f"Run {run.name}, {part.name}: lines of several kinds were only counted, so that nobody can say which "
                f"are {' or '.join(vague)}. Scan them or give their range, or close without switching codes.",
                run=run.name,
            )


async def _store(tx: Tx, run: Run, named: dict[int, dict[str, Lines]], actor: str) -> None:
    sets = ", ".join(f"{kind} = CAST(n.{kind} AS int8multirange)" for kind in KINDS)
    counted = ", ".join(f"{kind}_counted = n.{kind}_counted" for kind in KINDS)
    columns = ", ".join([*KINDS, *(f"{kind}_counted" for kind in KINDS)])
    arrays = ", ".join([*(f"CAST(:{k} AS text[])" for k in KINDS), *(f"CAST(:{k}_c AS bigint[])" for k in KINDS)])
    values: dict[str, Any] = {"ids": [part.id for part in run.parts]}
    for kind in KINDS:
        values[kind] = [lineset.to_text(named[part.id][kind]) for part in run.parts]
        values[f"{kind}_c"] = [part.total(kind) - lineset.count(named[part.id][kind]) for part in run.parts]
    await tx.execute(
        text(f"""
            UPDATE print_part p SET {sets}, {counted}
            FROM unnest(CAST(:ids AS bigint[]), {arrays}) AS n(id, {columns}) WHERE p.id = n.id"""),  # noqa: S608 (constants)
        values,
    )
    await tx.execute(
        text("UPDATE print_run SET state = 'closed', closed_at = now(), closed_by = :actor WHERE id = :id"),
        {"id": run.id, "actor": actor[: ranges.ACTOR_CHARS_MAX]},
    )
