"""The API's description: whole, true to its form, and shown under the strict policy of our pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.attacks.conftest import PROBLEM, Fort, page
from tests.web.conftest import chromium as chromium_of_the_pages

chromium = chromium_of_the_pages


@pytest.fixture
async def described(fort: Fort) -> dict[str, Any]:
    found: dict[str, Any] = (await fort.client.get("/schema/openapi.json")).json()
    return found


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, item in described["paths"].items() for method, each in item.items()]


async def test_every_operation_says_what_it_is_for_and_what_it_may_answer(described: dict[str, Any]) -> None:
    names = set()
    for path, method, each in operations(described):
        at = f"{method} {path}"
        assert len(each["summary"]) > 8, at
        assert len(each.get("description", "")) > 15, at
        assert each["tags"][0] in {tag["name"] for tag in described["tags"]}, at
        names.add(each["operationId"])
        statuses = each["responses"].keys()
        assert any(status.startswith("2") for status in statuses), at
        assert {"400", "405", "503"} <= statuses, at
        if "requestBody" in each:
            assert {"413", "415"} <= statuses, at
        if each.get("security") and {} not in each["security"]:
            assert "401" in statuses, at
        for status, answer in each["responses"].items():
            assert answer["description"], (at, status)
            if status >= "400":
                assert list(answer["content"]) == [PROBLEM], (at, status)
                content = answer["content"][PROBLEM]
                assert content["schema"]["$ref"].endswith("/ProblemDocument"), (at, status)
                assert content["examples"], (at, status)
    assert len(names) == len(operations(described)), "each has a name of its own"


async def test_nothing_in_the_description_tells_of_a_code_or_of_this_machine(described: dict[str, Any]) -> None:
    whole = str(described)
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{20}\b", whole)
    assert "/home/" not in whole
    assert "site-packages" not in whole


async def test_the_page_tells_every_operation_and_document_in_both_languages(
    fort: Fort, described: dict[str, Any]
) -> None:
    for language, title in (("en", "The HTTP API"), ("zh-CN", "接口说明")):
        text = page(await fort.client.get("/schema", headers={"Accept": "text/html", "Accept-Language": language}), 200)
        assert title in text
        for path, _, each in operations(described):
            assert path in text
            assert f'id="{each["operationId"]}"' in text
        for name in described["components"]["schemas"]:
            assert f'id="document-{name}"' in text


async def test_a_program_that_asks_for_the_page_is_led_to_the_document(fort: Fort) -> None:
    answer = await fort.client.get("/schema", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/schema/openapi.json")


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
async def test_the_page_works_in_a_browser_without_script_and_without_anybody_else(
    fort: Fort,
    chromium: Browser,
    tmp_path: Path,
    width: int,
) -> None:
    context = await chromium.new_context(
        viewport={"width": width, "height": 900}, java_script_enabled=False, locale="en-GB"
    )
    try:
        shown = await context.new_page()
        asked: list[str] = []
        said: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: said.append(message.text))
        await shown.goto(f"{fort.address}/schema")
        await shown.click("summary >> nth=0")
        assert all(url.startswith(fort.address) for url in asked), asked
        assert not said, "the policy refused nothing"
        await shown.screenshot(path=tmp_path / f"api-{width}.png", full_page=True)
        main = await shown.locator("main").bounding_box()
        assert main is not None
        assert main["x"] + main["width"] <= width
    finally:
        await context.close()
