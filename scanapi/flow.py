"""The scan, one way through, for a group of scans in one transaction (DESIGN §4).

The signature was verified before (`scanapi.service`): what arrives here was made by one of our keys. The
number of statements does not depend on the number of scans. Locks are taken in the order that holds
everywhere: units → members' accounts → draws and prizes, each by id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, cast
from uuid import UUID

import msgspec

from campaigns import awards, claims, earning
from campaigns.awards import Terms
from campaigns.claims import Claim
from codegen import foreign, pairs
from codegen.issued import look_up
from kernel import sequences
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, NotAuthenticated, YimaError
from kernel.reads import Reads
from kernel.writes import Writes
from members import ledger, people
from members.ledger import Account
from members.people import Member
from scanapi import sentences
from scanapi.group import Answer, Home, Known, Scan, home_of
from scanapi.judging import judge
from scanapi.reporting import report
from scanapi.shelf import Shelf
from traceability import journal, shipments, territory, units
from traceability.journal import AnsweredRow, Replay
from traceability.regions import Regions
from traceability.scans import Outcome, ScanReply
from traceability.shipments import Destination
from traceability.territory import Relation
from traceability.units import UnitState


async def scan(tx: Tx, group: Sequence[Scan], *, vault: Vault, regions: Regions, shelf: Shelf) -> list[Answer]:
    """Judge, award and record a group of verified scans; the answers are in the group's order.

    Raises:
        StatementFailed: with SQLSTATE 23505 where another transaction used one of the scan ids, or made the row of a
            unit, that were new a moment ago: roll back and call again.
    """
    # replay: a known scan id with the same body and the same person gets its first reply again
    first_of: dict[UUID, int] = {}
    for place, each in enumerate(group):
        first_of.setdefault(each.scan_id, place)
    firsts = [group[place] for place in first_of.values()]
    before = await _ask(tx, firsts)
    replays = before.replays
    asked = [each for each in firsts if each.scan_id not in replays]
    fresh = await _find_listed(tx, asked)

    # lock, and fetch the facts for the whole group
    known = await _fetch(tx, fresh, before, vault=vault, regions=regions, shelf=shelf)

    # judge and award, in arrival order, in memory
    answers: dict[UUID, Answer] = _unlisted(asked, fresh)
    rows: list[AnsweredRow] = []
    made: list[Claim] = []
    for each in fresh:
        error = _bearer_error(each, known)
        if error is not None:
            answers[each.scan_id] = error
            continue
        result = judge(each, known)
        if result.claim is not None:
            made.append(result.claim)
        row = report(each, result, known)
        answers[each.scan_id] = row.reply
        rows.append(row)

    # record, in one statement
    if rows:
        writes = Writes()
        units.save(writes, known.units.values())
        claims.store(writes, made)
        if known.desk is not None:
            await known.desk.write(tx, writes)
        journal.answer(writes, rows)
        await writes.send(tx)
    return [_answer(each, place, first_of, replays, answers, group) for place, each in enumerate(group)]


async def _find_listed(tx: Tx, asked: Sequence[Scan]) -> list[Scan]:
    """The scans with the codes that others made found, in one statement for all of them; unknown ones are left out."""
    hashes = {each for scan in asked if scan.listed is not None for each in scan.listed.hashes}
    if not hashes:
        return list(asked)
    known = await foreign.look_up(tx, hashes)
    found: list[Scan] = []
    for each in asked:
        code = each.code if each.listed is None else each.listed.found(known)
        if code is not None:
            found.append(each if each.listed is None else msgspec.structs.replace(each, code=code))
    return found


def _unlisted(asked: Sequence[Scan], fresh: Sequence[Scan]) -> dict[UUID, Answer]:
    """The answers to codes that fit a pattern and are nobody's: those to forged ones, and as little is recorded."""
    known = {each.scan_id for each in fresh}
    return {
        each.scan_id: msgspec.json.encode(
            ScanReply(each.scan_id, Outcome.FORGED, sentences.tell("forged", each.language))
        )
        for each in asked
        if each.scan_id not in known
    }


class _Before(NamedTuple):
    """What is read before anything is looked up."""

    held_still: bool
    replays: dict[UUID, Replay]
    destinations: dict[int, Destination]
    rules: earning.Rules
    claim_ids: list[int]
    journal_ids: list[int]


async def _ask(tx: Tx, scans: Sequence[Scan]) -> _Before:
    """Keep the scans' codes from being paired until we are done, and read what does not depend on what they are."""
    reads = Reads()
    held_still = not any(each.listed for each in scans)  # else it is not known yet which codes all of them are
    if held_still:
        pairs.ask_to_hold_still(reads, (each.code.unit_id for each in scans))
    replays = journal.ask_replays(reads, [each.scan_id for each in scans])
    gone = shipments.ask_destinations(reads, {each.code.unit_id for each in scans if not each.listed})
    of_members = [each.member for each in scans if each.member is not None]
    if not of_members:
        await reads.fetch(tx)
        return _Before(held_still, replays.value, gone.value, {}, [], [])
    rules = earning.ask(reads, sorted({brand_id for _, brand_id in of_members}))
    claim_ids = sequences.ask(reads, claims.IDS, len(of_members))
    journal_ids = sequences.ask(reads, ledger.JOURNAL_IDS, 2 * len(of_members))
    await reads.fetch(tx)
    return _Before(held_still, replays.value, gone.value, rules.value, claim_ids.value, journal_ids.value)


async def _fetch(
    tx: Tx, fresh: Sequence[Scan], before: _Before, *, vault: Vault, regions: Regions, shelf: Shelf
) -> Known:
    """Read what needs no lock; then lock units, members and draws, and read what others could have changed."""
    listed = {each.code.position for each in fresh if each.listed}
    gone = dict(before.destinations)
    if fresh and not before.held_still:
        reads = Reads()
        pairs.ask_to_hold_still(reads, (each.code.unit_id for each in fresh))
        more = shipments.ask_destinations(reads, {each.code.unit_id for each in fresh if each.listed})
        await reads.fetch(tx)
        gone |= more.value
    issued = await look_up(tx, sorted({each.code.position for each in fresh}), listed=listed) if fresh else {}
    homes = {each.scan_id: home for each in fresh if (home := home_of(each, issued)) is not None}
    real = [each for each in fresh if each.scan_id in homes]
    unit_ids = {home.unit_id for home in homes.values()}
    member_ids = {each.member[0] for each in fresh if each.member is not None}
    brand_ids = sorted({homes[each.scan_id].issued.brand_id for each in real if each.member is not None})
    gtins = sorted({known.gtin for known in issued.values() if known.gtin is not None})
    # Known by the codes' own units; what was paired on the line is shipped under its outer code.
    elsewhere = unit_ids - {each.code.unit_id for each in real}
    if elsewhere:
        gone |= await shipments.destinations(tx, elsewhere)
    destinations = {unit_id: went for unit_id, went in gone.items() if unit_id in unit_ids}
    shown = await shelf.shown(tx, gtins)
    terms = None
    if brand_ids:
        terms = Terms(tuple(brand_ids), before.rules, await shelf.issuers(tx, brand_ids))
    relations = _relations(real, homes, destinations, regions)

    opened, members, accounts = await _lock(tx, homes, member_ids)
    at = now()  # under the locks, so that a unit's scans are in the order of their times
    standing = await _standing(tx, real, homes, opened)
    claimable = any(each.member is not None and homes[each.scan_id].unit_id not in standing for each in real)
    desk = None
    if terms is not None and claimable:
        desk = await awards.open_desk(tx, vault, terms, accounts=accounts, at=at, journal_ids=before.journal_ids)
    return Known(
        at=at,
        issued=issued,
        homes=homes,
        units=opened,
        members=members,
        accounts=accounts,
        balances={key[0]: a.balance for key, a in accounts.items() if key[1] == "spendable"},
        claims=standing,
        relations=relations,
        dealers={unit_id: destination.dealer_id for unit_id, destination in destinations.items()},
        shown=shown,
        desk=desk,
        claim_ids=before.claim_ids[::-1],
        regions=regions,
    )


async def _lock(
    tx: Tx, homes: Mapping[UUID, Home], member_ids: Collection[int]
) -> tuple[dict[int, UnitState], dict[int, Member], dict[tuple[int, str], Account]]:
    """Lock units and then members' accounts, in one statement; a unit without a row is new."""
    reads = Reads()
    units_locked = units.ask_lock(reads, {home.unit_id for home in homes.values()}) if homes else None
    people_locked = people.ask_lock(reads, member_ids) if member_ids else None
    await reads.fetch(tx)
    opened = {owner[0]: UnitState(*owner, new=True) for owner in map(_owner, homes.values())}
    if units_locked is not None:
        opened |= units_locked.value
    members, accounts = ({}, {}) if people_locked is None else people_locked.value
    return opened, members, accounts


def _relations(
    real: Sequence[Scan], homes: Mapping[UUID, Home], destinations: dict[int, Destination], regions: Regions
) -> dict[UUID, Relation]:
    """Where the scans stand to the territories of the dealers whom their units were shipped to."""
    found: dict[UUID, Relation] = {}
    for each in real:
        destination = destinations.get(homes[each.scan_id].unit_id)
        if destination is not None:
            found[each.scan_id] = territory.relate(each.location, destination.adcodes, regions)
    return found


def _owner(home: Home) -> tuple[int, int, int]:
    return home.unit_id, home.issued.brand_id, cast("int", home.issued.home_batch_id or home.issued.batch_id)


async def _standing(
    tx: Tx, real: Sequence[Scan], homes: Mapping[UUID, Home], opened: Mapping[int, UnitState]
) -> dict[int, Claim]:
    """The standing claim of each unit; one that was made on its inner code before the pairing counts too.

    A unit without a row has none: its first scan makes the row, before its claim.
    """
    home_of: dict[int, int] = {}
    for each in real:
        known, home = homes[each.scan_id].issued, homes[each.scan_id].unit_id
        if not opened[home].new:
            home_of[home] = home
        mate = known.mate_id if known.mate_side == "outer" else each.code.unit_id
        if mate is not None and mate != home:
            home_of[mate] = home
    if not home_of:
        return {}
    found = await claims.standing(tx, sorted(home_of))
    standing = {home_of[unit_id]: claim for unit_id, claim in found.items() if home_of[unit_id] != unit_id}
    return standing | {unit_id: claim for unit_id, claim in found.items() if home_of[unit_id] == unit_id}


def _bearer_error(each: Scan, known: Known) -> YimaError | None:
    if each.member is None:
        return None
    member = known.members.get(each.member[0])
    if member is None or member.brand_id != each.member[1] or member.state == "erased":
        return NotAuthenticated("The bearer of this token is no member any more: sign in again.")
    return None


def _answer(
    each: Scan,
    place: int,
    first_of: dict[UUID, int],
    replays: dict[UUID, Replay],
    answers: dict[UUID, Answer],
    group: Sequence[Scan],
) -> Answer:
    """A scan's own answer, or the first reply again, or a conflict."""
    replay = replays.get(each.scan_id)
    if replay is None:
        original = group[first_of[each.scan_id]]
        if first_of[each.scan_id] == place:
            return answers[each.scan_id]
        same = (original.body_hash, original.member) == (each.body_hash, each.member)
        answer = answers[each.scan_id]
    else:
        member_id = None if each.member is None else each.member[0]
        same = (replay.body_hash, replay.member_id) == (each.body_hash, member_id)
        answer = replay.reply
    if same:
        return answer
    return Conflict(f"The scan_id {each.scan_id} was used for another scan already: send a new one.", field="scan_id")
