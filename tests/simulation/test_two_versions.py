"""During an upgrade the version before serves beside this one, from this one's schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.simulation.older import NoHistory, Older, previous
from tests.simulation.run import Plan, Theatre


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    folder = tmp_path_factory.mktemp("simulation")
    try:
        older = Older(previous(), folder / "older")
    except NoHistory as error:
        pytest.skip(f"This checkout has no older version to run: {error}")
    with Theatre(folder, older).opened() as opened:
        yield opened


@pytest.mark.parametrize(
    "faults", [(), ("kill web before commit", "kill web after commit and before reply", "connection cut at commit")]
)
def test_every_invariant_holds_with_two_versions_at_once(theatre: Theatre, faults: tuple[str, ...]) -> None:
    report = theatre.play(dataclasses.replace(Plan.of(3), faults=faults, seconds=1.5))
    assert report.ok, "\n".join([str(report), *(f"{name}:\n{said[-3000:]}" for name, said in report.logs.items())])
    assert min(report.answered_by.values()) > 0, "one of the two answered nothing"
