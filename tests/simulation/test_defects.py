"""The auditor finds what is wrong: each defect that is planted on purpose breaks an invariant that is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.defects import DEFECTS
from tests.simulation.run import Plan, Theatre

TRIES_MAX = 4
"""A lock that is missing shows only where two meet: so many runs have the chance to."""


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with Theatre(tmp_path_factory.mktemp("simulation")).opened() as opened:
        yield opened


@pytest.mark.parametrize("name", DEFECTS)
def test_the_auditor_finds(theatre: Theatre, name: str) -> None:
    found: set[str] = set()
    for seed in range(TRIES_MAX):
        found |= {breach.invariant for breach in theatre.play(Plan.with_defect(seed, name)).breaches}
        if DEFECTS[name].shows in found:
            return
    pytest.fail(f"{DEFECTS[name].shows!r} was not found broken, only {sorted(found)}")


def test_without_a_defect_the_auditor_finds_nothing(theatre: Theatre) -> None:
    report = theatre.play(Plan(seed=1, faults=()))
    assert report.ok, str(report)
