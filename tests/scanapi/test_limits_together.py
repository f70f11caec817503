"""Limits of two web processes, as they are started in production, over one PostgreSQL and over one Redis."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from codegen.scheme import CodeKey, Sealer
from scanapi.limits import RATES
from tests.scanapi.test_api import child_server
from tests.world import World
from tests.yima.test_brokers import redis

TRIES = 60
PACE_S = 0.25
DRIFT_S = 3.0
"""A second until the next exchange, at each of the two, and one for a slow machine."""


@pytest.mark.parametrize("over", ["postgresql", "redis"])
async def test_two_processes_allow_a_device_one_burst_and_not_two(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: str
) -> None:
    settings = dataclasses.replace(world.opened.settings, env="production")
    forger = Sealer(CodeKey(5, b"x" * 32))
    rate = RATES["wrong", "device"]
    async with contextlib.AsyncExitStack() as stack:
        if over == "redis":
            monkeypatch.setenv("YIMA_REDIS_URL", stack.enter_context(redis(tmp_path)))
        addresses = [
            stack.enter_context(child_server(settings, world.opened.url, tmp_path / f"web-{n}.log")) for n in range(2)
        ]
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
        for address in addresses:
            assert (await client.get(f"{address}/ready")).status_code == 200
        began, statuses = time.monotonic(), []
        for n in range(TRIES):
            body = {"scan_id": str(uuid4()), "code": forger.seal(n), "device_id": "one phone"}
            answer = await client.post(f"{addresses[n % 2]}/api/v1/scans", json=body)
            statuses.append(answer.status_code)
            await asyncio.sleep(PACE_S)
        took_s = time.monotonic() - began
        assert set(statuses) == {200, 429}
        let = statuses.count(200)
        assert rate.burst <= let <= rate.burst + DRIFT_S / PACE_S + took_s / rate.every_s
        # and nobody's honest scan is touched by it
        honest = {"scan_id": str(uuid4()), "code": world.lines[0], "device_id": "another phone"}
        assert (await client.post(f"{addresses[0]}/api/v1/scans", json=honest)).json()["outcome"] == "authentic"
