"""A read that takes too long ends at its limit, and is told in the page's language."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from insights import patience
from insights.patience import TooSlow
from staff.access import Role
from tests.web.console.conftest import Console
from tests.web.console.scenes import Scene, play


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    return await play(console)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(patience.reading.__wrapped__.__kwdefaults__, "ms_max", 200)  # type: ignore[attr-defined]


async def test_a_statement_is_stopped_at_its_limit_and_no_other_error_is_hidden(console: Console):
    with pytest.raises(TooSlow, match=r"0\.05 s"):
        async with patience.reading(console.opened.db, ms_max=50) as tx:
            await tx.execute(text("SELECT pg_sleep(60)"))
    with pytest.raises(Exception, match="42P01"):
        async with patience.reading(console.opened.db) as tx:
            await tx.execute(text("SELECT * FROM nowhere"))
    async with patience.reading(console.opened.db) as tx:
        limit = (await tx.execute(text("SHOW statement_timeout"))).scalar_one()
    assert limit == f"{patience.READ_MS_MAX // 1000}s"


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_every_page_says_so_when_the_database_makes_it_wait(console: Console, scene: Scene, language: str):
    client = await console.client(Role.OWNER, language=language)
    paths = (
        "", "/scans", f"/scans/{scene.scans['held']}", "/scans/refused", "/members", "/members/held",
        "/members/points", "/draws", f"/draws/{scene.draw}", "/draws/wins",
    )  # fmt: skip
    async with console.opened.db.transaction() as tx:
        await tx.execute(
            text("""
                LOCK TABLE scan, scan_replay, refused_count, member, claim, entry, draw, prize_award
                IN ACCESS EXCLUSIVE MODE""")
        )
        for path in paths:
            answer = await client.get(console.path(path))
            assert answer.status_code == 503, path
            assert ("已停止" if language == "zh" else "was stopped") in answer.text, path
    for path in paths:
        assert (await client.get(console.path(path))).status_code == 200, path
