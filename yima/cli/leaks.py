"""`yima keys leak|field`: what to do when a key leaks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from codegen import keys, leaks
from codegen.batches import Batch
from codegen.leaks import LeakedBatch
from codegen.outfiles import probe_writable, replacing
from insights import field
from insights.field import FieldRow
from kernel.errors import InvalidInput
from yima.cli.common import actor, json_option, progress, run, say
from yima.cli.keys import key_option, keys_group
from yima.runtime import Runtime

batch_option = click.option("--batch", "names", multiple=True, help="Only these batches (may be said several times).")


@dataclass(frozen=True, slots=True)
class _Plan:
    key: keys.KeyInfo
    batches: list[LeakedBatch]
    rows: list[FieldRow]


async def _look(runtime: Runtime, key_id: int) -> _Plan:
    async with runtime.db.transaction() as tx:
        key = await keys.get(tx, key_id)
        found = await leaks.batches_of(tx, key)
        rows = await field.of_key(tx, key_id=key_id, brand_id=key.brand_id)
    return _Plan(key, found, rows)


def _parse_moment(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(f"--since is a moment such as 2026-11-28T08:00+08:00, not {value!r}.") from error
    if moment.tzinfo is None:
        raise InvalidInput(f"--since needs a time zone, such as {value}+08:00.")
    return moment


@click.command("leak")
@key_option
@click.option("--reason", required=True, help="What happened, for the audit trail.")
@click.option("--since", help="From when on the secret may be in wrong hands (ISO 8601 with time zone; default: now).")
@click.option(
    "--answer", type=click.Choice(leaks.ANSWERS), default=None,
    help="What unscanned units get: `hold` (a person decides each claim; the default) or `void`.",
)  # fmt: skip
@batch_option
@click.option("--reissue", is_flag=True, help="Order the contents of the batches again under a new key, too.")
@click.option("--yes", is_flag=True, help="Do it. Without it only the plan is shown.")
@json_option
def leak(
    *, key_id: int, reason: str, since: str | None, answer: leaks.Answer | None, names: tuple[str, ...],
    reissue: bool, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Act on a leaked key: revoke it, stop its unscanned units, list what is in the field, order again.

    Units scanned before the leak keep their standing; codes that were never issued stay forged. Without --yes nothing
    is changed. Said again it goes on where it was interrupted. --batch chooses what --reissue and a changed --answer
    are for; revoking and stopping is always for the whole key.
    """
    moment = _parse_moment(since)
    keys.judge_reason(reason)

    async def use(runtime: Runtime) -> dict[str, Any]:
        before = await _look(runtime, key_id)
        if not yes:
            return _shown(before, moment, answer or "hold", done=False, reissued=[])
        async with runtime.db.transaction() as tx:
            stopped = await leaks.stop(
                tx, key_id=key_id, reason=reason, since=moment, answer=answer or "hold", actor=actor()
            )
            if answer is not None:
                await leaks.set_answer(tx, stopped.key, names, answer=answer, actor=actor())
        made = await _reissue(runtime, key_id, names) if reissue else []
        return _shown(await _look(runtime, key_id), moment, answer or "hold", done=True, reissued=made)

    found = run(use)
    say(found, as_json=as_json, text=_told(found))


async def _reissue(runtime: Runtime, key_id: int, names: tuple[str, ...]) -> list[tuple[Batch, Batch]]:
    """Order again, a transaction a batch: what is done stays done."""
    async with runtime.db.transaction() as tx:
        chosen = await leaks.choose(tx, await keys.get(tx, key_id), names)
    made = []
    with progress("Ordering again", len(chosen)) as tell:
        for number, each in enumerate(chosen, 1):
            async with runtime.db.transaction() as tx:
                made.append(
                    (each.batch, await leaks.reissue(
                        tx, runtime.vault, each.batch, actor=actor()
                    ))
                )  # fmt: skip
            tell(number)
    return made


def _shown(
    plan: _Plan, since: datetime | None, answer: str, *, done: bool,
    reissued: list[tuple[Batch, Batch]],
) -> dict[str, Any]:  # fmt: skip
    return {
        "key_id": plan.key.id,
        "done": done,
        "state": plan.key.state,
        "leaked_at": plan.key.leaked_at or since,
        "batches": [
            {
                "batch": each.batch.name, "order": each.batch.order_number, "count": each.batch.count,
                "answer": each.answer or (None if done else answer), "reissued_as": each.reissued_as,
            }
            for each in plan.batches
        ],
        "field": field.totals(plan.rows),
        "reissued": [
            {"batch": old.name, "reissued_as": new.name, "order": new.order_number, "key_id": new.key_id}
            for old, new in reissued
        ],
    }  # fmt: skip


def _told(found: dict[str, Any]) -> str:
    sums, many = found["field"], len(found["batches"])
    voids = sum(each["answer"] == "void" for each in found["batches"])
    unscanned = sums["unscanned"] + sums["scanned_since"]
    lines = [
        f"Key {found['key_id']} is {found['state']}: {many:,} batches, {sums['units']:,} units.",
        (f"In the field: {sums['shipped']:,} shipped, {sums['activated']:,} activated, {sums['scanned']:,} scanned, "
        f"{sums['claimed']:,} claimed."),
        (f"{'Stopped' if found['done'] else 'To be stopped'}: {unscanned:,} units that nobody scanned before the leak; "
        f"{many - voids:,} batches hold their claims for a person, {voids:,} void them."),
    ]  # fmt: skip
    lines += [
        f"Ordered again: {each['batch']} as {each['reissued_as']}, order {each['order']}, key {each['key_id']}."
        for each in found["reissued"]
    ]
    if not found["done"]:
        lines.append("Nothing was changed. Say it again with --yes (and --reissue to order the goods again).")
    else:
        lines.append(f"What is in the field: yima keys field --key {found['key_id']} --out FILE.csv")
    return "\n".join(lines)


@click.command("field")
@key_option
@click.option("--out", type=click.Path(path_type=Path), help="Write CSV to a file; without it to standard output.")
@json_option
def show_field(*, key_id: int, out: Path | None, as_json: bool) -> None:
    """What of a key's batches is in the field: by batch, dealer and shipment, scanned, unscanned, claimed."""
    if out is not None:
        probe_writable(out.absolute())
    found = run(lambda runtime: _look(runtime, key_id))
    content = field.to_csv(found.rows)
    if out is not None:
        with replacing(out.absolute()) as file:
            file.write(content.encode())
    if as_json:
        say([row.as_json() for row in found.rows], as_json=True)
    elif out is not None:
        say({}, as_json=False, text=f"{len(found.rows):,} rows in {out}.")
    else:
        sys.stdout.write(content)


for _command in (leak, show_field):
    keys_group.add_command(_command)
