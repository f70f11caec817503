"""Defects that are planted on purpose, in the database or on the wire: the auditor must find every one.

None touches the program, which so may change as it likes inside: what a program does wrong ends in what it sends to
the database, or in what it makes of the database's answers.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.house import House
from tests.simulation.proxy import Proxy, Rewrite

_SPOIL = """
CREATE FUNCTION spoil_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
CREATE TRIGGER spoil_{name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION spoil_{name}();
"""
_ISSUER = "(SELECT member_id IS NULL FROM account WHERE id = NEW.account_id)"


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect.

    Attributes:
        shows: an invariant that it breaks.
        statements: plant it in the database.
        wire: plants it on the wire between a program and the database.
        faults: under which it shows.
        favourites: who brings it to light.
    """

    shows: str
    statements: tuple[str, ...] = ()
    wire: Callable[[Proxy], None] | None = None
    faults: tuple[str, ...] = ()
    favourites: tuple[str, ...] = ()

    async def plant(self, house: House) -> None:
        """Plant it, before anybody scans."""

        def run() -> None:
            with house.stage.patiently(house.database) as owner:
                for statement in self.statements:
                    owner.execute(statement)  # type: ignore[call-overload]

        await asyncio.to_thread(run)
        for program in house.programs if self.wire is not None else ():
            self.wire(program.proxy)
            for wire in list(program.proxy.wires):  # what was prepared before is as it was
                wire.cut()


def _spoiled(table: str, when: str, body: str) -> tuple[str, ...]:
    return (_SPOIL.format(name=table, table=table, when=when, body=body),)


def _now_and_then(table: str, condition: str = "true") -> tuple[str, ...]:
    """A row in ten is never written."""
    body = f"IF {condition} AND random() < 0.1 THEN RETURN NULL; END IF; RETURN NEW;"
    return _spoiled(table, "BEFORE INSERT", body)


def _unlocked(table: str) -> Callable[[Proxy], None]:
    """Take the locks out of every statement that reads the table."""
    named, lock = re.compile(rf"(FROM|JOIN) {table}\b".encode()), re.compile(rb"FOR (NO KEY )?UPDATE( OF [a-z, ]+)?")
    rewrite = Rewrite(lambda sql: bool(named.search(sql)), lambda sql: lock.sub(b"", sql))
    return lambda proxy: proxy.rewrites.append(rewrite)


def _replies_early(proxy: Proxy) -> None:
    """The program is told that it is committed before it is, and now and then it never is."""
    turn = itertools.count(1)
    proxy.commits_early = True
    proxy.forgets = lambda: next(turn) % 5 == 0


DEFECTS: dict[str, Defect] = {
    "no lock of units, and no unique index": Defect(
        "a unit is paid at most once", ("DROP INDEX uq_claim_unit",), _unlocked("unit"),
        favourites=("storm_on_unit",),
    ),
    "no lock of units": Defect(
        "a unit's count is its rows in the journal", (), _unlocked("unit"),
        favourites=("storm_on_unit",),
    ),
    "no lock of draws, and no key of their log": Defect(
        "a draw's log is as long as its head says, and has no gap",
        ("ALTER TABLE draw_entry DROP CONSTRAINT pk_draw_entry CASCADE",), _unlocked("draw_shard"),
    ),
    "reply before commit": Defect("every answered scan is in the journal", (), _replies_early),
    "replies are not kept": Defect(
        "the same scan id gets the same reply",
        _spoiled("scan_replay", "AFTER INSERT", "DELETE FROM scan_replay WHERE scan_id = NEW.scan_id; RETURN NULL;"),
        favourites=("double_tap",),
    ),
    "another reply is kept": Defect(
        "the reply that is kept is the one that was sent",
        _spoiled("scan_replay", "BEFORE INSERT", "NEW.reply := NEW.reply || ' '::bytea; RETURN NEW;"),
    ),
    "balances are not updated": Defect(
        "a balance is the sum of its entries",
        _spoiled("account", "BEFORE UPDATE", "NEW.balance := OLD.balance; RETURN NEW;"),
    ),
    "one leg of an entry is missing": Defect(
        "all entries sum to zero in each currency", _now_and_then("entry", _ISSUER)
    ),
    "rows of the journal are missing": Defect("every answered scan is in the journal", _now_and_then("scan")),
    "stock is not taken": Defect(
        "prizes won and left are the stock", _spoiled("prize", "BEFORE UPDATE", 'NEW."left" := OLD."left"; RETURN NEW;')
    ),
    "prizes are not written": Defect("prizes that were told are the winner's", _now_and_then("prize_award")),
    "new units are not kept": Defect(
        "what claim.unit_id names is there",
        _spoiled(
            "unit", "AFTER INSERT", "IF random() < 0.1 THEN DELETE FROM unit WHERE id = NEW.id; END IF; RETURN NULL;"
        ),
    ),
    "lots of a journal that is not there": Defect(
        "what lot.journal_id names is there",
        _spoiled("lot", "BEFORE INSERT", "NEW.journal_id := NEW.journal_id + 1000000000; RETURN NEW;"),
    ),
    "forged codes are counted once only": Defect(
        "forged codes are counted", _spoiled("refused_count", "BEFORE UPDATE", "NEW.count := OLD.count; RETURN NEW;"),
        favourites=("forger",),
    ),
    "parked claims are forgotten": Defect(
        "no claim stays parked on an activated unit", _spoiled("claim", "BEFORE UPDATE", "RETURN NULL;"),
        faults=("worker's connection cut",), favourites=("early_bird",),
    ),
}  # fmt: skip
