"""What axe finds on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[3] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


async def serious_problems(page: Page) -> list[str]:
    """Serious and critical violations: the rule's name and the first element it concerns."""
    await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found: dict[str, Any] = await page.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
