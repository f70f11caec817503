"""`python -m tests.simulation`: runs by seeds, each with faults of its own; exit 0 only where every invariant held."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import tempfile
from pathlib import Path

from tests.simulation import older
from tests.simulation.defects import DEFECTS
from tests.simulation.faults import FAULTS, OF_WEB, OF_WORKER
from tests.simulation.run import Plan, Theatre, keep_logs


def main() -> int:
    """Play the runs that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=12, help="how many (12)")
    parser.add_argument("--seed", type=int, default=1, help="the first run's seed; each further one's is one more (1)")
    parser.add_argument("--fault", choices=sorted(FAULTS), action="append", help="these faults only, in every run")
    parser.add_argument("--defect", choices=sorted(DEFECTS), help="plant this defect, which the auditor should find")
    parser.add_argument(
        "--older", metavar="COMMIT",
        help="let the program of this commit serve beside this one (`previous`: before the newest migration)",
    )  # fmt: skip
    parser.add_argument("--logs", type=Path, default=Path("simulation-logs"), help="where logs of bad runs are kept")
    asked = parser.parse_args()
    bad = 0
    names = OF_WEB + OF_WORKER if asked.older is None else older.FAULTS
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yima-simulation-")))
        other = None
        if asked.older is not None:
            commit = older.previous() if asked.older == "previous" else asked.older
            other = stack.enter_context(contextlib.closing(older.Older(commit, folder / "older")))
        theatre = stack.enter_context(Theatre(folder).opened())
        for seed in range(asked.seed, asked.seed + asked.runs):
            plan = Plan.of(seed, names) if asked.defect is None else Plan.with_defect(seed, asked.defect)
            plan = dataclasses.replace(plan, faults=tuple(asked.fault)) if asked.fault else plan
            report = theatre.play(plan, other)
            sys.stdout.write(f"{report}\n")
            sys.stdout.flush()
            if not report.ok:
                bad += 1
                keep_logs(report, asked.logs)
    sys.stdout.write(f"{asked.runs - bad} of {asked.runs} runs held every invariant.\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
