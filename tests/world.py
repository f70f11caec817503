"""A small brand to scan in, made through the product's own use cases."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec

from campaigns import draws, earning
from campaigns.rules import DrawRules, PrizeRule
from codegen import keys, releases
from kernel.clock import now
from members import ledger, people
from scanapi.limits import Limits
from scanapi.service import ScanService
from traceability import catalogue
from traceability.ip import IpLocator
from traceability.regions import Regions
from traceability.scans import ScanReply, ScanRequest
from yima import issue, switching
from yima.runtime import Runtime

GTIN = "06901234567892"
OTHER_GTIN = "06901234567908"
REGIONS: list[Regions] = []


def regions() -> Regions:
    """The polygons, loaded once a session."""
    if not REGIONS:
        REGIONS.append(Regions.load())
    return REGIONS[0]


@dataclass
class World:
    opened: Runtime
    folder: Path
    brand: catalogue.Brand
    batch: str
    lines: list[str]
    member_ids: list[int]
    service: ScanService
    draw: str | None = None
    scan_ids: list[UUID] = field(default_factory=list)

    @classmethod
    async def make(cls, opened: Runtime, folder: Path, stack: AsyncExitStack) -> World:
        async with opened.db.transaction() as tx:
            brand = await catalogue.create_brand(
                tx, slug="tea", name="云雾茶", name_en="Cloud Tea", company_prefix="6901234", actor="test"
            )
            await ledger.open_accounts(tx, brand_id=brand.id, member_ids=[None])
            for gtin, name in ((GTIN, "绿茶"), (OTHER_GTIN, "红茶")):
                await catalogue.create_product(
                    tx, brand_id=brand.id, gtin=gtin, name=name, name_en="Tea", units_per_case=24, actor="test"
                )
            await earning.set_rule(
                tx, brand_id=brand.id, gtin=GTIN, points=10, qualifying=5, expires_after_days=365,
                active_from=now() - timedelta(days=1), actor="test",
            )  # fmt: skip
            member_ids = await people.enrol(
                tx, opened.vault, opened.index, brand_id=brand.id, joined_at=now() - timedelta(days=90),
                phones=[f"+86138000000{n:02d}" for n in range(20)],
            )  # fmt: skip
        service = ScanService(
            opened.db,
            opened.vault,
            regions=regions(),
            addresses=IpLocator(None, regions()),
            index=opened.index,
            limits=Limits(opened.settings.limit_exempt),
        )
        world = cls(opened, folder, brand, "", [], member_ids, service)
        await world.release_key()
        world.batch, world.lines = await world.issue(200)
        await world.activate(world.batch)
        await service.start()
        stack.push_async_callback(service.close)
        return world

    async def issue(self, count: int, *, gtin: str = GTIN, **more: Any) -> tuple[str, list[str]]:
        out = self.folder / f"codes-{uuid4().hex}.txt"
        manifest = await issue.issue(self.opened, issue.Order(self.brand.slug, gtin, count, out, **more), actor="test")
        await self.service.keys.refresh()
        return manifest.batch, out.read_text().splitlines()

    async def release_key(self) -> int:
        """The brand's active key, released by two people where that is asked for."""
        async with self.opened.db.transaction() as tx:
            key = await keys.lock_active(tx, self.opened.vault, brand_id=self.brand.id, actor="test")
        for person in () if key.released else ("staff:1", "staff:2"):
            async with self.opened.db.transaction() as tx:
                await releases.release(tx, key_id=key.id, actor=person)
        return key.id

    async def hold_still(self) -> None:
        """Stop what looks for keys and writes counters each second: its statements would be counted with others'."""
        await self.service.keys.close()
        await self.service.counters.close()

    async def activate(self, batch: str, first: int | None = None, last: int | None = None) -> None:
        await switching.activate(self.opened, batch, first=first, last=last, actor="test")

    async def publish_draw(self, *, stock: int = 3, weight_ppb: int = 300_000_000, **more: Any) -> str:
        rules = DrawRules(
            name_zh="春茶抽奖", name_en="Spring draw", gtins=(),
            prizes=(PrizeRule(1, "茶壶", "Teapot", weight_ppb, stock, 10_000),),
            opens_at=now() + timedelta(milliseconds=50), closes_at=now() + timedelta(days=30),
            entries_per_person=more.pop("entries_per_person", None), entries_per_person_per_day=None,
            when_stock_ends="nothing",
        )  # fmt: skip
        async with self.opened.db.transaction() as tx:
            draw = await draws.publish(tx, self.opened.vault, brand_id=self.brand.id, rules=rules, actor="test", **more)
        await asyncio.sleep(0.06)  # a draw opens after its publication
        self.draw = draw.name
        return draw.name

    def request(self, code: str, *, member: int | None = 0, **more: Any) -> ScanRequest:
        """A scan of a code by the member with this number (None: anonymous)."""
        who = more.pop("who", None if member is None else (self.member_ids[member], self.brand.id))
        values: dict[str, Any] = {
            "scan_id": uuid4(), "code": code, "device_id": f"device-{member}", "location": None,
            "member": who, "address": "127.0.0.1", "language": "en", "bearer": who is not None,
        }  # fmt: skip
        return ScanRequest(**{**values, **more})

    async def scan(self, code: str, *, member: int | None = 0, **more: Any) -> ScanReply:
        raw = await self.service.submit(self.request(code, member=member, **more))
        return msgspec.json.decode(raw, type=ScanReply)
