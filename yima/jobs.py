"""The functions behind tasks: long work, run by the worker, idempotent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen import batches, imports, labeljobs, packaging
from kernel.tasks import Attempt, TaskFunction
from scanapi import settle
from yima import importing, labels, writing
from yima.runtime import Runtime


def functions(runtime: Runtime) -> Mapping[str, TaskFunction]:
    """What to run for each kind of task."""

    async def settle_claims(_: Attempt) -> dict[str, Any]:
        return {"settled": await settle.settle(runtime.db, runtime.vault)}

    async def render_labels(attempt: Attempt) -> dict[str, Any]:
        args = attempt.args
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, args["batch"])
        job = labeljobs.job_of(batch, args)
        return await labels.render(runtime, job, progress=attempt.progress)

    async def write_package(attempt: Attempt) -> dict[str, Any]:
        return await writing.write_package(runtime, attempt.args["package"], attempt)

    async def write_package_of_0004(attempt: Attempt) -> dict[str, Any]:
        """Asked for by a version that knew one package a batch; it may be serving yet while this one takes over."""
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, attempt.args["batch"])
            package = await packaging.adopt(tx, batch)
        return await writing.write_package(runtime, package.id, attempt)

    async def judge_import(attempt: Attempt) -> dict[str, Any]:
        return await importing.judge(runtime, attempt.args["import"], progress=attempt.progress)

    async def place_import(attempt: Attempt) -> dict[str, Any]:
        return await importing.place(runtime, attempt.args["import"], progress=attempt.progress)

    return {
        "settle_claims": settle_claims,
        "render_labels": render_labels,
        packaging.WRITE: write_package,
        "write_package": write_package_of_0004,
        imports.JUDGE: judge_import,
        imports.PLACE: place_import,
    }
