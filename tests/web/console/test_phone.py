"""The consumer's page over the whole installation, in a real browser."""

from __future__ import annotations

from playwright.async_api import Browser, expect
from sqlalchemy import text

from tests.web.console.conftest import Console
from tests.web.console.phone import Wire, path_of, phone

SCAN = "form[data-scan] button[type=submit]"


async def test_connection_cut_after_the_commit_leads_to_one_award_and_its_answer(console: Console, chromium: Browser):
    line = console.world.lines[0]
    async with (
        Wire(console.base, b"POST /scan", swallow=3).open() as wire,
        phone(console, chromium, member=1, base=wire.base) as page,
    ):
        await page.goto(path_of(line))
        await page.click(SCAN)
        await expect(page.locator("[data-notice]")).to_contain_text("trying again")
        await expect(page.get_by_role("heading", name="Reward added")).to_be_visible()
        await expect(page.get_by_text("+10 points")).to_be_visible()
        assert wire.lost == 3
    async with console.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT outcome, points FROM scan WHERE member_id = :m"), {"m": console.world.member_ids[1]}
        )
        assert rows.all() == [("awarded", 10)]
