"""Scans are right under faults: a dozen seeded runs, each of which breaks something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.run import Plan, Theatre

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


@pytest.mark.parametrize("seed", range(len(RUNS)), ids=lambda seed: ", ".join(RUNS[seed]))
def test_every_invariant_holds_under(theatre: Theatre, seed: int) -> None:
    report = theatre.play(dataclasses.replace(Plan.of(seed), faults=RUNS[seed], seconds=1.2))
    assert report.ok, "\n".join([str(report), *(f"{name}:\n{said[-3000:]}" for name, said in report.logs.items())])
    assert report.awarded
    assert not report.missed


def test_the_dozen_has_every_fault() -> None:
    assert {name for run in RUNS for name in run} == set(FAULTS)
