"""The API against its own description: Schemathesis makes requests of every operation, good ones and bad ones.

By its command line, in a process of its own: what it finds comes with a request to repeat it.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns import draws
from campaigns.rules import DrawRules, PrizeRule
from codegen import gs1, stations
from kernel.clock import now
from tests.attacks.conftest import Fort

EXAMPLES_MAX = 6
"""Made-up requests of an operation and mode, beside those at the edges of each field."""
RUN_S_MAX = 300
"""A run that takes longer hangs; the three take some 40 s together on two idle cores."""

LINE = "^/api/v1/line/"
BEARERS = "^/api/v1/(me|scans|appeals)"
UNDUE = "positive_data_acceptance"
"""Not judged: that what fits the description is also accepted. A batch's name may have the right form and name none."""


@dataclass(frozen=True, slots=True)
class Known:
    """Things that there are, so that requests get further than to a 404."""

    station: str
    words: dict[str, list[str]]

    def configuration(self) -> str:
        """For Schemathesis: by field, one of these words in about half of the requests."""
        lines = []
        for field, words in self.words.items():
            name = re.sub("[^a-z]", "_", field)
            lines += [f"[dictionaries.{name}]", f"values = {json.dumps(words)}"]
        lines.append("[parameters]")
        for field in self.words:
            name = re.sub("[^a-z]", "_", field)
            lines.append(f'"{field}" = {{ dictionary = "{name}", probability = 0.6 }}')
        return "\n".join(lines)


async def publish_draw(fort: Fort) -> str:
    """One that opens later: it is there to be looked at."""
    rules = DrawRules(
        name_zh="抽奖", name_en="Draw", gtins=(), prizes=(PrizeRule(1, "壶", "Pot", 1_000, 3, 10_000),),
        opens_at=now() + timedelta(hours=1), closes_at=now() + timedelta(days=9), entries_per_person=None,
        entries_per_person_per_day=None, when_stock_ends="nothing",
    )  # fmt: skip
    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        draw = await draws.publish(tx, opened.vault, brand_id=fort.world.brand.id, rules=rules, actor="test")
    return draw.name


@pytest.fixture(scope="module")
async def known(fort: Fort) -> Known:
    world = fort.world
    draw = await publish_draw(fort)
    batch, lines = await world.issue(200)
    sscc = [gs1.make_sscc(3, "6901234", number) for number in range(1, 9)]
    async with world.opened.db.transaction() as tx:
        _, token = await stations.make(tx, brand_id=world.brand.id, name="Fuzzer", may_switch=True, actor="test")
    headers = {"Authorization": f"Bearer {token}"}

    async def make(path: str, **body: object) -> dict[str, str]:
        answer = await fort.client.post(f"/api/v1/line/{path}", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        found: dict[str, str] = answer.json()
        return found

    session = (await make("sessions", batch=batch))["session"]
    run = (await make("runs", batch=batch, printer="P", lines=[[1, 100]]))["run"]
    await make("cartons", sscc=sscc[0], codes=lines[:5])
    return Known(
        token,
        {
            "path.name": [session, run, draw], "path.sscc": sscc[:2], "body.batch": [batch],
            "body.brand": ["tea", "wine"],
            "body.phone": [next(fort.phones) for _ in range(9)], "body.code": lines[5:9], "body.codes[*]": lines[:20],
            "body.between[*]": lines[:20], "body.sscc": sscc, "body.case": sscc[:2], "body.printer": ["P1"],
            "body.kind": ["good", "waste", "returned", "missing"], "body.out[*]": lines[:5], "body.put[*]": lines[5:9],
            "body.state": ["activated", "void", "recalled", "frozen", "expired", "thawed"], "body.reason": ["broken"],
            "body.direction": ["up", "down", "any"], "body.location.datum": ["wgs84", "gcj02"],
        },
    )  # fmt: skip


async def schemathesis(fort: Fort, known: Known, folder: Path, *more: str) -> str:
    (folder / "schemathesis.toml").write_text(known.configuration())
    fort.keep_out(known.station, *known.words["body.codes[*]"])
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run", f"{fort.address}/schema/openapi.json",
        "--checks", "all", "--exclude-checks", UNDUE, "--phases", "examples,coverage,fuzzing", "--mode", "all",
        "--max-examples", str(EXAMPLES_MAX), "--seed", "1", "--generation-database", "none", "--workers", "2",
        "--suppress-health-check", "all", "--request-timeout", "30", *more,
    ]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=RUN_S_MAX, check=False
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-3_000:]
    return done.stdout


def count_tested(said: str) -> int:
    """How many operations it says that it tested."""
    found = re.search(r"Tested: (\d+)|Operations:\s+(\d+) selected", said)
    assert found is not None, said
    return int(found[1] or found[2])


async def test_every_operation_answers_nobody_in_particular_as_described(
    fort: Fort, known: Known, tmp_path: Path
) -> None:
    said = await schemathesis(fort, known, tmp_path)
    described = (await fort.client.get("/schema/openapi.json")).json()["paths"]
    assert count_tested(said) == sum(len(item) for item in described.values()), said


async def test_every_operation_answers_a_member_as_described(fort: Fort, known: Known, tmp_path: Path) -> None:
    bearer = fort.bearer(9)["Authorization"]
    await schemathesis(fort, known, tmp_path, "--include-path-regex", BEARERS, "--header", f"Authorization: {bearer}")


async def test_every_operation_of_the_line_answers_a_station_as_described(
    fort: Fort, known: Known, tmp_path: Path
) -> None:
    await schemathesis(
        fort, known, tmp_path, "--include-path-regex", LINE, "--header", f"Authorization: Bearer {known.station}"
    )


async def test_requests_got_as_far_as_a_good_answer_of_half_of_the_operations(fort: Fort, known: Known) -> None:
    """The tests above would pass as well if everything were refused."""
    del known
    lines = (json.loads(line) for line in fort.said().splitlines() if '"event": "request"' in line)
    good = {(line["method"], line["route"]) for line in lines if line["status"] < 300}
    paths = (await fort.client.get("/schema/openapi.json")).json()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}
    assert len(described & good) >= len(described) // 2, described - good


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_the_description_is_there_for_programs(fort: Fort, form: str) -> None:
    answer = await fort.client.get(f"/schema/openapi.{form}")
    assert answer.status_code == 200
    assert "Yima" in answer.text
