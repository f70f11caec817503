"""The plant's part of the story: an order for a printer, encrypted; rolls; a run that balances, and one under way."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyrage

from codegen import batches, packaging, printed, recipients, rolls, runs
from codegen.packaging import Package
from codegen.recipients import Recipient
from traceability.catalogue import Brand
from yima import broker
from yima.runtime import Runtime
from yima.story import cast

COUNT: Final = 10_000
SPARE_BP: Final = 200
ROLL_LINES: Final = 2_040
WASTE_LINES: Final = 40
PRINTER: Final = "红叶彩印"


async def order(opened: Runtime, brand: Brand, folder: Path) -> Package:
    """Order codes for the printer; its key pair lies in the folder, as it would at the printer's."""
    recipient = await _printer(opened, brand, folder / "printer.key")
    url = opened.settings.public_url
    async with opened.db.transaction() as tx:
        batch = await batches.order(
            tx, opened.vault, brand_id=brand.id, gtin=cast.TEAS[1].gtin, count=COUNT, form="short", public_url=url,
            paired=False, order_number=f"demo-print-{url}"[: batches.ORDER_NUMBER_CHARS_MAX], actor="demo",
            spare_bp=SPARE_BP, recipient_id=recipient.id,
        )  # fmt: skip
        package, task_id = await packaging.request(
            tx, batch, recipient=recipient, first=1, last=batch.count, layout="plain", actor="demo"
        )
    if task_id is not None:
        await broker.wake(opened, "yima.run", str(task_id))
    return package


async def is_written(opened: Runtime, package: Package) -> bool:
    """Whether the worker has written the package."""
    async with opened.db.transaction() as tx:
        return not (await packaging.by_id(tx, package.id)).under_way


async def print_rolls(opened: Runtime, package: Package) -> None:
    """Cut rolls and print two: the first one's run balances and is closed, the other one's is under way."""
    async with opened.db.transaction() as tx:
        batch = await batches.by_id(tx, package.batch_id)
        if await runs.list_of(tx, brand_id=batch.brand_id, batch_id=batch.id, limit=1):
            return  # the story was played before
        first, second, *_ = await rolls.cut(tx, batch, size=ROLL_LINES, actor="demo")
        run = await runs.open_run(tx, batch, printer="多米诺 1 号", rolls=[first], actor="demo")
        good, waste = (first.first, first.last - WASTE_LINES), (first.last - WASTE_LINES + 1, first.last)
        for kind, lines in (("good", good), ("waste", waste)):
            await printed.enter_lines(tx, run, kind=kind, lines=(lines,), how="range", actor="demo")
        run = await runs.get(tx, run.name)
        await runs.close(tx, run, batch, activate=True, void=True, actor="demo")
        run = await runs.open_run(tx, batch, printer="多米诺 2 号", rolls=[second], actor="demo")
        half = (second.first, second.first + ROLL_LINES // 2 - 1)
        await printed.enter_lines(tx, run, kind="good", lines=(half,), how="range", actor="demo")


async def _printer(opened: Runtime, brand: Brand, key_file: Path) -> Recipient:
    async with opened.db.transaction() as tx:
        known = await recipients.list_of(tx, opened.vault, brand_id=brand.id)
        found = next((each for each in known if each.name == PRINTER), None)
        if found is not None:
            return found
        identity = pyrage.x25519.Identity.generate()
        key_file.touch(mode=0o600)
        key_file.write_text(f"{identity}\n", "utf-8")
        return await recipients.add(
            tx, opened.vault, brand_id=brand.id, name=PRINTER, kind="printer", public_key=str(identity.to_public()),
            contact="李女士", actor="demo",
        )  # fmt: skip
