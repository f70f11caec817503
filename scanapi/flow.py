"""The scan, one way through, for a group of scans in one transaction (DESIGN §4).

The signature was verified before (`scanapi.service`): what arrives here was made by one of our keys. The
number of statements does not depend on the number of scans. Locks are taken in the order that holds
everywhere: units → members' accounts → draws and prizes, each by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

import msgspec

from campaigns import awards, claims
from campaigns.claims import Claim
from codegen import foreign, pairs
from codegen.issued import look_up
from kernel import sequences
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, NotAuthenticated, YimaError
from kernel.writes import Writes
from members import ledger, people
from scanapi import sentences
from scanapi.group import Answer, Home, Known, Scan, ScanIdTaken, home_of
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
        ScanIdTaken: roll back and call again.
        UnitTaken: the same.
    """
    # replay: a known scan id with the same body and the same person gets its first reply again
    first_of: dict[UUID, int] = {}
    for place, each in enumerate(group):
        first_of.setdefault(each.scan_id, place)
    replays = await journal.replays(tx, list(first_of))
    asked = [group[place] for scan_id, place in first_of.items() if scan_id not in replays]
    fresh = await _find_listed(tx, asked)

    # lock, and fetch the facts for the whole group
    known = await _fetch(tx, fresh, vault=vault, regions=regions, shelf=shelf)

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
        journal.answer(writes, rows, otherwise=ScanIdTaken)
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


async def _fetch(tx: Tx, fresh: Sequence[Scan], *, vault: Vault, regions: Regions, shelf: Shelf) -> Known:
    """Read what needs no lock; then lock units, members and draws, and read what others could have changed.

    Before all that, nobody may pair these codes with others until we are done.
    """
    listed = {each.code.position for each in fresh if each.listed}
    if fresh:
        await pairs.hold_still(tx, (each.code.unit_id for each in fresh))
    issued = await look_up(tx, sorted({each.code.position for each in fresh}), listed=listed) if fresh else {}
    homes = {each.scan_id: home for each in fresh if (home := home_of(each, issued)) is not None}
    real = [each for each in fresh if each.scan_id in homes]
    unit_ids = sorted({home.unit_id for home in homes.values()})
    member_ids = sorted({each.member[0] for each in fresh if each.member is not None})
    brand_ids = sorted({homes[each.scan_id].issued.brand_id for each in real if each.member is not None})
    gtins = sorted({known.gtin for known in issued.values() if known.gtin is not None})
    destinations = await shipments.destinations(tx, unit_ids) if unit_ids else {}
    shown = await shelf.shown(tx, gtins)
    terms = ids = None
    if brand_ids:
        terms = await awards.read_terms(tx, brand_ids, issuers=await shelf.issuers(tx, brand_ids))
        ids = await sequences.reserve(tx, {claims.IDS: len(real), ledger.JOURNAL_IDS: 2 * len(real)})
    relations = _relations(real, homes, destinations, regions)

    opened = await units.open_many(tx, {_owner(home) for home in homes.values()})
    members, accounts = await people.lock(tx, member_ids) if member_ids else ({}, {})
    at = now()  # under the locks, so that a unit's scans are in the order of their times
    standing = await _standing(tx, real, homes, opened)
    claimable = any(each.member is not None and homes[each.scan_id].unit_id not in standing for each in real)
    desk = None
    if terms is not None and ids is not None and claimable:
        desk = await awards.open_desk(tx, vault, terms, accounts=accounts, at=at, journal_ids=ids[ledger.JOURNAL_IDS])
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
        claim_ids=[] if ids is None else ids[claims.IDS][::-1],
        regions=regions,
    )


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
