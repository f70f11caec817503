"""Scans are right under faults: a dozen seeded runs, each of which breaks something else."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.older import NoHistory, Older, previous
from tests.simulation.run import Plan, Report, Theatre

RUNS: tuple[tuple[str, ...], ...] = (
    ("kill web before commit", "kill web after commit and before reply"),
    ("kill web within a transaction", "kill web while it writes counters"),
    ("power cut of web's machine",),
    ("web stands still at a point", "kill web at any moment"),
    ("clock of one web set forward and back",),
    ("connection cut at commit", "connection cut after commit"),
    ("connections cut within transactions", "counters' connection cut after commit"),
    ("connection half open",),
    ("connections half open for good",),
    ("backend terminated", "kill one backend"),
    ("kill postmaster", "backend stands still"),
    ("serialization failures", "deadlocks told", "deadlocks"),
    ("pool exhausted", "no connection to be had"),
    ("kill worker", "kill worker's child", "worker's connection cut"),
)


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with Theatre(tmp_path_factory.mktemp("simulation")).opened() as opened:
        yield opened


def said_of(report: Report) -> str:
    return "\n".join([str(report), *(f"{name}:\n{said[-3000:]}" for name, said in report.logs.items())])


@pytest.mark.parametrize("seed", range(len(RUNS)), ids=lambda seed: ", ".join(RUNS[seed]))
def test_every_invariant_holds_under(theatre: Theatre, seed: int) -> None:
    report = theatre.play(dataclasses.replace(Plan.of(seed), faults=RUNS[seed], seconds=1.2))
    assert report.ok, said_of(report)
    assert report.awarded
    assert not report.missed


def test_the_dozen_has_every_fault() -> None:
    assert {name for run in RUNS for name in run} == set(FAULTS)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Older]:
    try:
        found = Older(previous(), tmp_path_factory.mktemp("older") / "tree")
    except NoHistory as error:
        pytest.skip(f"This checkout has no older version to run: {error}")
    with contextlib.closing(found):
        yield found


@pytest.mark.parametrize(
    "faults", [(), ("kill web before commit", "kill web after commit and before reply", "connection cut at commit")]
)
def test_every_invariant_holds_with_the_version_before_beside_this_one(
    theatre: Theatre, older: Older, faults: tuple[str, ...]
) -> None:
    report = theatre.play(Plan(3, faults, seconds=1.2), older)
    assert report.ok, said_of(report)
    assert min(report.answered_by.values()) > 0, "one of the two answered nothing"
