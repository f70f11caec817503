"""Defects that are planted on purpose, in the database or on the wire: the auditor must find every one.

None touches the program, which so may change as it likes inside: what a program does wrong ends in what it sends to
the database, or in what it makes of the database's answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.house import House
from tests.simulation.proxy import Rewrite

_SPOIL = """
CREATE FUNCTION spoil_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
CREATE TRIGGER spoil_{name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION spoil_{name}();
"""
_ISSUER = "(SELECT member_id IS NULL FROM account WHERE id = NEW.account_id)"


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect: how it is planted, the faults under which it shows, and who brings it to light."""

    plant: Callable[[House], None]
    faults: tuple[str, ...] = ()
    favourites: tuple[str, ...] = ()


def _sql(*statements: str) -> Callable[[House], None]:
    def plant(house: House) -> None:
        with house.stage.patiently(house.database) as owner:
            for statement in statements:
                owner.execute(statement)  # type: ignore[call-overload]

    return plant


def _spoiled(table: str, when: str, body: str) -> Callable[[House], None]:
    return _sql(_SPOIL.format(name=table, table=table, when=when, body=body))


def _without(table: bytes, words: bytes) -> Callable[[House], None]:
    """Take words out of every statement that reads the table."""
    rewrite = Rewrite(lambda sql: words in sql and b"FROM " + table in sql, lambda sql: sql.replace(words, b""))

    def plant(house: House) -> None:
        for program in house.programs:
            program.proxy.rewrites.append(rewrite)
            for wire in list(program.proxy.wires):  # what was prepared before has its locks still
                wire.cut()

    return plant


def _both(*plants: Callable[[House], None]) -> Callable[[House], None]:
    def plant(house: House) -> None:
        for each in plants:
            each(house)

    return plant


def _replies_early(house: House) -> None:
    """The program is told that it is committed before it is; a kill then loses what was promised."""
    for web in house.webs:
        turn = iter(range(1_000_000))
        web.proxy.commits_early = True
        web.proxy.forgets = lambda turn=turn: next(turn) % 9 == 8


DEFECTS: dict[str, Defect] = {
    "no lock of units, and no unique index": Defect(
        _both(_without(b"unit", b"FOR UPDATE"), _sql("DROP INDEX uq_claim_unit")), (), ("storm_on_unit",)
    ),
    "no lock of units": Defect(_without(b"unit", b"FOR UPDATE"), (), ("storm_on_unit",)),
    "no lock of draws, and no key of their log": Defect(
        _both(
            _without(b"draw_shard", b"FOR UPDATE OF s"),
            _sql("ALTER TABLE draw_entry DROP CONSTRAINT pk_draw_entry CASCADE"),
        )
    ),
    "reply before commit": Defect(_replies_early),
    "replies are not kept": Defect(
        _spoiled("scan_replay", "AFTER INSERT", "DELETE FROM scan_replay WHERE scan_id = NEW.scan_id; RETURN NULL;")
    ),
    "another reply is kept": Defect(
        _spoiled("scan_replay", "BEFORE INSERT", "NEW.reply := NEW.reply || ' '::bytea; RETURN NEW;")
    ),
    "balances are not updated": Defect(_spoiled("account", "BEFORE UPDATE", "NEW.balance := OLD.balance; RETURN NEW;")),
    "one leg of an entry is missing": Defect(
        _spoiled("entry", "BEFORE INSERT", f"IF {_ISSUER} AND random() < 0.1 THEN RETURN NULL; END IF; RETURN NEW;")
    ),
    "rows of the journal are missing": Defect(
        _spoiled("scan", "BEFORE INSERT", "IF random() < 0.1 THEN RETURN NULL; END IF; RETURN NEW;")
    ),
    "stock is not taken": Defect(_spoiled("prize", "BEFORE UPDATE", 'NEW."left" := OLD."left"; RETURN NEW;')),
    "prizes are not written": Defect(
        _spoiled("prize_award", "BEFORE INSERT", "IF random() < 0.1 THEN RETURN NULL; END IF; RETURN NEW;")
    ),
    "forged codes are counted once only": Defect(
        _spoiled("refused_count", "BEFORE UPDATE", "NEW.count := OLD.count; RETURN NEW;")
    ),
    "parked claims are forgotten": Defect(
        _spoiled("claim", "BEFORE UPDATE", "RETURN NULL;"),
        ("worker's connection cut",),
        ("early_bird",),
    ),
}
