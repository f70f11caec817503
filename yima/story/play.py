"""Plays the story, chapter by chapter, and counts what the phones were told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import text

from campaigns import claims, draws, earning
from campaigns.rules import DrawRules, PrizeRule
from codegen import batches, gs1, readback, scheme
from codegen.batches import Batch
from codegen.labeljobs import Job
from codegen.packages import Manifest
from kernel import tasks
from kernel.clock import now
from kernel.errors import ConfigurationError, NotFound, Unavailable
from members import ledger
from traceability import catalogue, shipments
from traceability.shipments import Carton
from yima import audit, issue, labels, runtime, switching
from yima.cli.members import make as make_members
from yima.delivery import read_development_codes
from yima.runtime import Runtime
from yima.settings import Settings
from yima.story import cast, factory
from yima.story.client import Phone, send_all
from yima.story.plan import Line, Plan, Planned, Planner, Shares
from yima.story.telling import Summary

BATCH = 100_000
SMALL_BATCH = 20_000
LABELS = 240
SIGN_INS = 3
WAIT_S_MAX = 60.0

Told = Callable[[], bool]

_BOUNDS = tuple(accumulate(sum(city.millions for city in cast.cities_of(trader)) for trader in cast.DEALERS))


@dataclass(slots=True)
class Tally:
    """What the phones were told, counted on their side."""

    outcomes: Counter[str] = field(default_factory=Counter)
    points: int = 0
    prizes: int = 0
    parked: int = 0
    links: dict[str, str] = field(default_factory=dict)

    def hear(self, planned: Planned, answer: dict[str, Any]) -> None:
        """Count one answer."""
        outcome = answer["outcome"]
        self.outcomes[outcome] += 1
        self.points += answer["points"]
        self.prizes += len(answer["prizes"])
        self.parked += outcome == "inactive"
        self.links.setdefault(f"{planned.part}.{outcome}", planned.code)


def require_development(settings: Settings) -> None:
    """Refuse to play anywhere but in a development installation.

    Raises:
        ConfigurationError: it is a production one.
    """
    if not settings.dev:
        raise ConfigurationError("The story makes up members: it plays in development only (YIMA_ENV=dev).")


def play(
    settings: Settings,
    url: str,
    address: str,
    *,
    scans: int,
    seed: int | None,
    console: Console,
    stopped: Told,
) -> Summary:
    """Play the whole story against the running installation.

    Args:
        settings: of the installation, which is a development one.
        url: of its database.
        address: of its web server.
        scans: how many scans to send.
        seed: makes members' ways, places, codes chosen and the draw's seed repeatable; None for a new story.
        console: for progress.
        stopped: answers True once the person has had enough.

    Raises:
        ConfigurationError: not a development installation.
    """
    require_development(settings)

    async def whole() -> Summary:
        async with runtime.connect(settings, url, pool_size=4, application="yima demo") as opened:
            return await _Story(opened, address, scans, seed, console, stopped).play()

    return asyncio.run(whole())


class _Story:
    def __init__(
        self, opened: Runtime, address: str, scans: int, seed: int | None, console: Console, stopped: Told
    ) -> None:
        self._opened = opened
        self._address = address
        self._scans = scans
        self._repeatable = seed is not None
        self._seed = secrets.randbits(32) if seed is None else seed
        self._console = console
        self._stopped = stopped
        self._tally = Tally()
        self._folder = opened.settings.home / "demo"

    async def play(self) -> Summary:
        """All chapters."""
        self._folder.mkdir(parents=True, exist_ok=True)
        shares = Shares.of(self._scans)
        with self._chapter("A brand, its products and its dealers"):
            brand = await self._brand()
            dealers = await self._dealers(brand)
        with self._chapter("Codes ordered, written, printed, read back, activated"):
            stock = await self._codes(brand, shares)
            labels = await self._labels(stock[0][0])
            early = await self._early_batch(brand, shares)
        with self._chapter("A printer's order: encrypted package, rolls, a run that balances and one under way"):
            package = await factory.order(self._opened, brand, self._folder)
            await self._until(lambda: factory.is_written(self._opened, package), "the worker to write the package")
            await factory.print_rolls(self._opened, package)
        with self._chapter("Cartons packed and shipped to twelve dealers"):
            lines = await self._ship(brand, dealers, stock)
        with self._chapter("Points rules, and a lucky draw with its commitment published"):
            draw = await self._campaign(brand)
        with self._chapter("Members join"):
            tokens = await self._members(brand)
        before = await audit.audit(self._opened)
        fresh, early_lines = self._choose(lines, shares), [Line(url, cast.TEAS[2].points, None) for url in early[1]]
        plan = Planner(self._seed, len(tokens)).plan(shares, fresh, early_lines)
        await self._scan(plan, tokens, early[0])
        with self._chapter("The audit"):
            after = await self._audited()
        return self._sum_up(plan, before, after, draw, labels)

    @contextmanager
    def _chapter(self, title: str) -> Iterator[None]:
        if self._stopped():
            raise Unavailable("The story was stopped; start it again to go on.")
        if self._console.is_terminal:
            with self._console.status(title + " …"):
                yield
        else:
            yield
        self._console.print(f"[green]✓[/] {title}")

    async def _brand(self) -> catalogue.Brand:
        db = self._opened.db
        async with db.transaction() as tx:
            try:
                return await catalogue.brand(tx, cast.SLUG)
            except NotFound:
                self._console.print("  a new home: the brand is founded")
        async with db.transaction() as tx:
            brand = await catalogue.create_brand(
                tx, slug=cast.SLUG, name=cast.NAME, name_en=cast.NAME_EN,
                company_prefix=cast.COMPANY_PREFIX, actor="demo",
            )  # fmt: skip
            await ledger.open_accounts(tx, brand_id=brand.id, member_ids=[None])
            for tea in cast.TEAS:
                await catalogue.create_product(
                    tx, brand_id=brand.id, gtin=tea.gtin, name=tea.name, name_en=tea.name_en,
                    units_per_case=tea.units_per_case, actor="demo",
                )  # fmt: skip
            for trader in cast.DEALERS:
                await shipments.create_dealer(
                    tx, brand_id=brand.id, code=trader.code, name=trader.name, adcodes=trader.adcodes, actor="demo"
                )
        return brand

    async def _dealers(self, brand: catalogue.Brand) -> dict[str, shipments.Dealer]:
        async with self._opened.db.transaction() as tx:
            return {dealer.code: dealer for dealer in await shipments.list_dealers(tx, brand_id=brand.id)}

    async def _codes(self, brand: catalogue.Brand, shares: Shares) -> list[tuple[Batch, Path]]:
        """One batch a product; on a home that has played before, new ones where too few codes are left."""
        found = []
        for tea, size in zip(cast.TEAS, (BATCH, SMALL_BATCH, SMALL_BATCH), strict=True):
            needed = round(shares.firsts * tea.share) + 1
            batch, path = await self._stock(brand, tea, max(size, needed), needed)
            # activated by range, as a line does it: the first half, then the rest
            await switching.activate(self._opened, batch.name, first=1, last=batch.count // 2, actor="demo")
            await switching.activate(
                self._opened, batch.name, first=batch.count // 2 + 1, last=batch.count, actor="demo"
            )
            found.append((batch, path))
        return found

    async def _stock(self, brand: catalogue.Brand, tea: cast.Tea, size: int, needed: int) -> tuple[Batch, Path]:
        number = 1
        while True:
            path = self._folder / f"{tea.gtin}-{number}.txt"
            manifest = await self._issue(brand, tea, size, path, f"demo-{tea.gtin}-{number}")
            async with self._opened.db.transaction() as tx:
                batch = await batches.get(tx, manifest.batch)
            if batch.count - await self._used(batch) >= needed:
                return batch, path
            number += 1

    async def _issue(self, brand: catalogue.Brand, tea: cast.Tea, size: int, path: Path, number: str) -> Manifest:
        async with self._opened.db.transaction() as tx:
            known = await tx.execute(
                text("SELECT count FROM batch WHERE brand_id = :brand AND order_number = :number"),
                {"brand": brand.id, "number": number},
            )
            size = known.scalar_one_or_none() or size  # an order's count is what it was the first time
            prefix = await tx.execute(
                text("SELECT prefix FROM batch WHERE brand_id = :brand AND order_number = :number"),
                {"brand": brand.id, "number": number},
            )
            printed = prefix.scalar_one_or_none()
        if printed is not None and not printed.startswith(self._opened.settings.public_url.upper()):
            number += f"@{self._opened.settings.public_url}"[:30]  # another port this time: other URLs are printed
        order = issue.Order(brand.slug, tea.gtin, size, path, order_number=number)
        return await issue.issue(self._opened, order, actor="demo")

    async def _used(self, batch: Batch) -> int:
        """Lines of the batch up to the last that was ever scanned: the story uses them in order."""
        async with self._opened.db.transaction() as tx:
            row = await tx.execute(text("SELECT max(id) FROM unit WHERE batch_id = :id"), {"id": batch.id})
            last = row.scalar_one()
        return 0 if last is None else batch.line(last)

    async def _early_batch(self, brand: catalogue.Brand, shares: Shares) -> tuple[Batch, list[str]]:
        """A fresh batch that nobody has activated yet."""
        path = self._folder / "early.txt"
        order = issue.Order(brand.slug, cast.TEAS[2].gtin, max(shares.early, 1), path)
        manifest = await issue.issue(self._opened, order, actor="demo")
        async with self._opened.db.transaction() as tx:
            batch = await batches.get(tx, manifest.batch)
        return batch, path.read_text().splitlines()

    async def _labels(self, batch: Batch) -> dict[str, Any]:
        """The worker prints a sheet; ZBar and ZXing read it back."""
        path = self._folder / "labels.pdf"
        last = min(LABELS, batch.count)
        task_id = await labels.submit(self._opened, Job(batch, 1, last, "pdf", "fixed", path))
        await self._until(lambda: self._is_done(task_id), "the worker to print the labels")
        read = await asyncio.to_thread(lambda: list(readback.read_files([path])))
        both = sum(symbol.zbar and symbol.zxing for symbol in read)
        codes = {scheme.parse(symbol.text).symbols for symbol in read}
        return {"file": str(path), "labels": last, "read_by_both": both, "codes": len(codes)}

    async def _is_done(self, task_id: Any) -> bool:  # noqa: ANN401 (a UUID)
        async with self._opened.db.transaction() as tx:
            status = await tasks.status(tx, task_id)
        if status.state == "failed":
            raise Unavailable(f"The worker could not print the labels: {status.error}")
        return status.state == "done"

    async def _until(self, done: Callable[[], Any], what: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_S_MAX
        while not await done():
            if self._stopped() or loop.time() > deadline:
                raise Unavailable(f"Waited {WAIT_S_MAX:.0f} s in vain for {what}.")
            await asyncio.sleep(0.1)

    async def _ship(
        self, brand: catalogue.Brand, dealers: dict[str, shipments.Dealer], stock: list[tuple[Batch, Path]]
    ) -> list[list[Line]]:
        """Pack and ship what is not shipped yet; the fresh lines of each product with their dealers."""
        found = []
        for tea, (batch, path) in zip(cast.TEAS, stock, strict=True):
            cartons = batch.count // tea.units_per_case
            await self._pack(brand, dealers, tea, batch, cartons)
            used = await self._used(batch)
            urls = path.read_text().splitlines()
            lines = []
            for number, url in enumerate(urls[used:], used):
                carton = number // tea.units_per_case
                dealer = _dealer_of(carton) if carton < cartons else None
                lines.append(Line(url, tea.points, dealer))
            found.append(lines)
        return found

    async def _pack(
        self, brand: catalogue.Brand, dealers: dict[str, shipments.Dealer], tea: cast.Tea, batch: Batch, cartons: int
    ) -> None:
        async with self._opened.db.transaction() as tx:
            packed = await tx.execute(
                text("SELECT 1 FROM logistic_unit WHERE units @> CAST(:unit AS bigint)"), {"unit": batch.unit_id(1)}
            )
            if packed.scalar_one_or_none() is not None:
                return
            # serial references of SSCCs: the batch's first unit number keeps them apart between batches
            made = [
                Carton(
                    gs1.make_sscc(1, brand.company_prefix, (batch.id % 1000) * 1_000_000 + number),
                    batch.unit_id(number * tea.units_per_case + 1),
                    batch.unit_id((number + 1) * tea.units_per_case),
                )
                for number in range(cartons)
            ]
            await shipments.pack(tx, brand_id=brand.id, cartons=made, at=now() - timedelta(days=14))
            for trader in cast.DEALERS:
                theirs = [carton.sscc for n, carton in enumerate(made) if _dealer_of(n) is trader]
                await shipments.ship(
                    tx, brand_id=brand.id, document=f"{batch.name}-{trader.code}", dealer=dealers[trader.code],
                    adcode=trader.city, ssccs=theirs, at=now() - timedelta(days=10), actor="demo",
                )  # fmt: skip

    def _choose(self, lines: list[list[Line]], shares: Shares) -> list[Line]:
        """Fresh lines of each product by its share, those of the first product making up the rest."""
        second, third = (round(shares.firsts * tea.share) for tea in cast.TEAS[1:])
        return lines[0][: shares.firsts - second - third] + lines[1][:second] + lines[2][:third]

    async def _campaign(self, brand: catalogue.Brand) -> str:
        async with self._opened.db.transaction() as tx:
            for tea in cast.TEAS:
                known = await earning.rules_of(tx, [brand.id])
                if any(rule.gtin == tea.gtin for rule in known.get(brand.id, [])):
                    continue
                await earning.set_rule(
                    tx, brand_id=brand.id, gtin=tea.gtin, points=tea.points, qualifying=tea.points,
                    expires_after_days=365, active_from=now(), actor="demo",
                )  # fmt: skip
            opened = [d for d in await draws.list_all(tx, brand_id=brand.id) if d.closed_at is None]
            if opened:
                return opened[0].name
            rules = DrawRules(
                name_zh="云岭新茶抽奖", name_en="Yunling new-tea draw", gtins=(),
                prizes=(
                    PrizeRule(1, "紫砂壶一把", "Yixing teapot", 500_000, 10, 69_900),
                    PrizeRule(2, "品茗杯一对", "Pair of tea cups", 10_000_000, 200, 8_800),
                    PrizeRule(3, "茶样一份", "Tea sample", 100_000_000, 1_500, 990),
                ),
                opens_at=now() + timedelta(seconds=1), closes_at=now() + timedelta(days=90),
                entries_per_person=None, entries_per_person_per_day=None, when_stock_ends="nothing",
            )  # fmt: skip
            draw = await draws.publish(
                tx, self._opened.vault, brand_id=brand.id, rules=rules, actor="demo", **self._luck()
            )
        return draw.name

    def _luck(self) -> dict[str, Any]:
        """With --seed the draw repeats too: its id and seed come from the story's. Fit for stories only."""
        if not self._repeatable:
            return {}
        seed = hashlib.sha256(f"yima demo {self._seed}".encode()).digest()
        return {"seed": seed, "name": f"DEMO{self._seed}"[:40]}

    async def _members(self, brand: catalogue.Brand) -> list[str]:
        """Some sign in by phone as people do; the others are enrolled at once."""
        tokens = [await self._sign_in(n) for n in range(SIGN_INS)]
        return tokens + await make_members(self._opened, brand.id, max(50, self._scans // 6) - SIGN_INS)

    async def _sign_in(self, number: int) -> str:
        phone = f"+86139{secrets.randbelow(10**8):08d}"
        line = Phone(self._address)
        try:
            status, answer = await line.post("/api/v1/sign-in/codes", {"brand": cast.SLUG, "phone": phone}, {})
            if status != 202:
                raise Unavailable(f"Sign-in {number} was refused: {answer.get('detail')}")
            code = ""

            async def arrived() -> bool:
                nonlocal code
                code = read_development_codes(self._opened.settings).get(phone, "")
                return bool(code)

            await self._until(arrived, "a one-time code")
            status, answer = await line.post("/api/v1/sign-in", {"brand": cast.SLUG, "phone": phone, "code": code}, {})
        finally:
            await line.close()
        if status != 200:
            raise Unavailable(f"Sign-in {number} failed: {answer.get('detail')}")
        return str(answer["token"])

    async def _scan(self, plan: Plan, tokens: list[str], early: Batch) -> None:
        """The chapters of scans, one after another."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as bar:
            task = bar.add_task("Scans over HTTP", total=len(plan))

            def heard(planned: Planned, answer: dict[str, Any]) -> None:
                self._tally.hear(planned, answer)
                bar.advance(task)

            chapters = [[[p] for p in plan.firsts], [[p] for p in plan.early], [[p] for p in plan.repeats],
                        plan.copies, [[p] for p in plan.forged]]  # fmt: skip
            for runs in chapters:
                await send_all(self._address, runs, tokens, heard, self._stopped)
        with self._chapter(f"{self._tally.outcomes.total():,} scans answered; the early buyers' range is activated"):
            await switching.activate(self._opened, early.name, first=None, last=None, actor="demo")
            await self._until(self._all_settled, "parked claims to be paid")

    async def _all_settled(self) -> bool:
        async with self._opened.db.transaction() as tx:
            return not await claims.settleable(tx, 1)

    async def _audited(self) -> audit.Audit:
        """The audit, once the counters of the last second are written."""
        wanted = self._tally.outcomes["malformed"] + self._tally.outcomes["forged"]
        await asyncio.sleep(1.5 if wanted else 0)
        return await audit.audit(self._opened)

    def _sum_up(
        self, plan: Plan, before: audit.Audit, after: audit.Audit, draw: str, labels: dict[str, Any]
    ) -> Summary:
        """Hold what the phones were told against what the ledger says."""
        told, was, is_ = self._tally, before.figures, after.figures
        settled = (is_["claims_posted"] - was["claims_posted"]) - told.outcomes["awarded"]
        mine = {
            "scans": sum(told.outcomes[o] for o in told.outcomes if o not in ("malformed", "forged")),
            "claims_posted": told.outcomes["awarded"] + told.parked,
            "points_issued": told.points + told.parked * cast.TEAS[2].points,
            **{f"outcomes.{o}": n for o, n in told.outcomes.items() if o not in ("malformed", "forged")},
            **{f"unverified.{o}": told.outcomes[o] for o in ("malformed", "forged")},
        }
        theirs = {name: _figure(is_, name) - _figure(was, name) for name in mine}
        wrong = sorted(name for name in mine if mine[name] != theirs[name])
        document = {
            **is_,
            "ok": after.ok and not wrong,
            "disagreements": wrong,
            "this_run": {
                "seed": self._seed,
                "sent": len(plan),
                "answered": dict(sorted(told.outcomes.items())),
                "points": mine["points_issued"],
                "prizes": is_["prizes_won"] - was["prizes_won"],
                "prizes_told_at_once": told.prizes,
                "parked_and_paid": settled,
                "labels": labels,
            },
            "brand": cast.SLUG,
            "draw": draw,
        }
        if not document["ok"]:
            broken = [proof.name for proof in after.proofs if proof.breaches]
            raise Unavailable(
                f"The story does not add up: {json.dumps({n: [mine[n], theirs[n]] for n in wrong})} {broken}"
            )
        return Summary(document, dict(told.links))


def _dealer_of(carton: int) -> cast.Trader:
    """Cartons go to dealers by the people in their territories, evenly spread over the batch (golden ratio)."""
    return cast.DEALERS[bisect(_BOUNDS, carton * 0.6180339887498949 % 1 * _BOUNDS[-1])]


def _figure(figures: dict[str, Any], name: str) -> int:
    head, _, tail = name.partition(".")
    value = figures[head]
    return int(value.get(tail, 0)) if tail else int(value)
