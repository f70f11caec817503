"""Settings of a brand: what is taken and what is refused, versions, and how soon all processes know."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import text

from kernel.errors import InvalidInput
from traceability import brands, catalogue, pictures
from traceability.brands import DEFAULTS, Line, LiveSettings, Settings
from traceability.catalogue import Brand
from traceability.changes import EditedMeanwhile
from yima.runtime import Runtime

FULL = Settings(
    colour="#b3402a", welcome_zh="欢迎", welcome_en="Welcome", thanks_zh="谢谢", thanks_en="Thanks",
    operator="云岭茶业有限公司", lines=(Line("粤ICP备1号", "https://beian.miit.gov.cn/"), Line("食品经营许可证 JY1")),
    privacy_url="https://example.com/privacy", service="400-800-8820", member_host="m.example.com:8443",
    hands_over=True, map_approval="GS(2024)0650号", map_waiver="", basemap="custom", basemap_url="/maps/style.json",
    basemap_attribution="© Somebody",
)  # fmt: skip


@pytest.fixture
async def tea(opened: Runtime) -> Brand:
    async with opened.db.transaction() as tx:
        return await catalogue.create_brand(
            tx, slug="tea", name="茶", name_en="Tea", company_prefix="6901234", actor="test"
        )


def wrong(**fields: object) -> set[str]:
    return {each.field for each in brands.judge(replace(FULL, **fields))}  # type: ignore[arg-type]


def picture_of(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), 120 if mode == "L" else (200, 40, 40)).save(out, kind, **options)
    return out.getvalue()


def test_full_settings_and_the_defaults_are_taken():
    assert brands.judge(FULL) == []
    assert brands.judge(DEFAULTS) == []


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("welcome_zh", brands.TEXT_CHARS_MAX), ("thanks_en", brands.TEXT_CHARS_MAX),
        ("operator", brands.OPERATOR_CHARS_MAX), ("map_approval", brands.APPROVAL_CHARS_MAX),
        ("map_waiver", brands.TEXT_CHARS_MAX), ("basemap_attribution", brands.TEXT_CHARS_MAX),
    ],
)  # fmt: skip
def test_texts_are_taken_up_to_their_limit(field: str, most: int):
    assert wrong(**{field: "字" * most}) == set()
    assert wrong(**{field: "字" * (most + 1)}) == {field}
    assert wrong(**{field: "a\u202eb"}) == {field}


def test_lines_are_taken_up_to_their_limit():
    assert wrong(lines=(Line("x"),) * brands.LINES_MAX) == set()
    assert wrong(lines=(Line("x"),) * (brands.LINES_MAX + 1)) == {"lines"}
    assert wrong(lines=(Line("x" * brands.LINE_CHARS_MAX),)) == set()
    assert wrong(lines=(Line("a"), Line("x" * (brands.LINE_CHARS_MAX + 1), "javascript:x"))) == {"line_2", "line_url_2"}
    assert wrong(lines=(Line("", "https://example.com/"),)) == {"line_1"}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JAVASCRIPT:alert(1)", "http://example.com", "data:text/html,x", "//example.com",
        "https://", "https://user@example.com", "https://example.com/ x", 'https://example.com/"onclick=x',
        "https://example.com:99999/", "https:example.com", "https://[::1", "https://example.com/\n", "ftp://example.com",
        "https://e\\xample.com",
    ],
)  # fmt: skip
def test_only_whole_https_addresses_are_links(url: str):
    assert wrong(privacy_url=url) == {"privacy_url"}
    assert wrong(service=url) == {"service"}
    assert wrong(basemap_url=url) == {"basemap_url"}


def test_addresses_are_taken_up_to_their_limit():
    url = "https://example.com/"
    whole = url + "a" * (brands.URL_CHARS_MAX - len(url))
    assert wrong(privacy_url=whole) == set()
    assert wrong(privacy_url=whole + "a") == {"privacy_url"}


@given(st.text())
def test_whatever_is_taken_as_a_link_leads_to_https_or_a_phone(given_text: str):
    kept = replace(DEFAULTS, service=given_text, privacy_url=given_text)
    refused = {each.field for each in brands.judge(kept)}
    if "service" not in refused and given_text:
        assert kept.service_url.startswith(("tel:", "https://"))
    if "privacy_url" not in refused and given_text:
        assert given_text.startswith("https://")


@pytest.mark.parametrize("phone", ["400-800-8820", "+86 20 8888 8888", "12315"])
def test_phone_numbers_lead_to_the_dialler(phone: str):
    assert wrong(service=phone) == set()
    assert replace(DEFAULTS, service=phone).service_url.removeprefix("tel:").lstrip("+").isdigit()


@pytest.mark.parametrize(
    "host", ["-a.cn", "a..cn", "a.cn/x", "a.cn:0", "a.cn:65536", "a" * 64, "m.例.cn", "A.cn", "a b"]
)
def test_hosts_are_names_and_perhaps_a_port(host: str):
    assert wrong(member_host=host) == {"member_host"}


def test_page_hands_over_to_a_host_only():
    assert wrong(member_host="", hands_over=False) == set()
    assert wrong(member_host="", hands_over=True) == {"member_host"}
    assert wrong(basemap="custom", basemap_url="") == {"basemap_url"}
    assert wrong(basemap="google") == {"basemap"}


async def test_settings_come_back_as_saved_and_are_in_the_trail(opened: Runtime, tea: Brand):
    async with opened.db.transaction() as tx:
        assert await brands.settings(tx, tea.id) == DEFAULTS
        saved = await brands.update(tx, brand_id=tea.id, wanted=FULL, version=0, actor="staff:1")
    assert saved == replace(FULL, version=1)
    async with opened.db.transaction() as tx:
        assert await brands.settings(tx, tea.id) == saved
        again = await brands.update(tx, brand_id=tea.id, wanted=FULL, version=1, actor="staff:1")
        assert again.version == 1
        await brands.update(tx, brand_id=tea.id, wanted=replace(FULL, colour=""), version=1, actor="staff:2")
        rows = await tx.execute(text("SELECT actor, before, after FROM audit_trail WHERE action = 'brand.settings'"))
        [first, second] = rows.all()
    assert first.actor == "staff:1"
    assert (second.before, second.after) == ({"colour": "#b3402a"}, {"colour": ""})
    assert json.dumps(first.after, ensure_ascii=False).count("云岭茶业有限公司") == 1


async def test_stale_save_is_refused_and_overwrites_nothing(opened: Runtime, tea: Brand):
    async with opened.db.transaction() as tx:
        await brands.update(tx, brand_id=tea.id, wanted=FULL, version=0, actor="a")
    for use in (
        lambda tx: brands.update(tx, brand_id=tea.id, wanted=DEFAULTS, version=0, actor="b"),
        lambda tx: brands.set_logo(tx, brand_id=tea.id, picture=None, version=0, actor="b"),
    ):
        with pytest.raises(EditedMeanwhile) as refused:
            async with opened.db.transaction() as tx:
                await use(tx)
        assert (refused.value.code, refused.value.status, refused.value.details["version"]) == (
            "edited_meanwhile",
            409,
            1,
        )
    async with opened.db.transaction() as tx:
        assert await brands.settings(tx, tea.id) == replace(FULL, version=1)


async def test_wrong_settings_are_refused_as_a_whole(opened: Runtime, tea: Brand):
    with pytest.raises(InvalidInput) as refused:
        async with opened.db.transaction() as tx:
            await brands.update(
                tx, brand_id=tea.id, wanted=replace(FULL, colour="red", operator="x" * 999), version=0, actor="a"
            )
    assert {each.field for each in refused.value.details["problems"]} == {"colour", "operator"}  # type: ignore[attr-defined]
    async with opened.db.transaction() as tx:
        assert await brands.settings(tx, tea.id) == DEFAULTS


async def test_change_reaches_another_process_at_its_next_look_with_two_statements(opened: Runtime, tea: Brand):
    live = LiveSettings(opened.db)
    await live.refresh()
    before = opened.db.statements
    shown = live.of("tea")
    assert shown is not None
    assert shown.settings == DEFAULTS
    assert live.of("nobody") is None
    assert opened.db.statements == before
    async with opened.db.transaction() as tx:
        await brands.update(tx, brand_id=tea.id, wanted=FULL, version=0, actor="a")
        picture = pictures.read(picture_of(40, 20), field="logo")
        await brands.set_logo(tx, brand_id=tea.id, picture=picture, version=1, actor="a")
    before = opened.db.statements
    await live.refresh()
    assert opened.db.statements == before + 2
    shown = live.of("tea")
    assert shown is not None
    assert shown.settings.version == 2
    assert shown.settings.operator == FULL.operator
    assert await live.logo("tea", picture.hash) == picture
    before = opened.db.statements
    assert await live.logo("tea", picture.hash) == picture
    assert await live.logo("tea", "0" * 16) is None
    assert await live.logo("tea", "") is None
    assert opened.db.statements == before
    await live.refresh()
    assert opened.db.statements == before + 1
    assert brands.REFRESH_S <= 1


def test_pictures_become_small_and_lose_their_metadata():
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    found = pictures.read(picture_of(2_000, 1_000, "JPEG", exif=exif), field="logo")
    with Image.open(io.BytesIO(found.content)) as made:
        assert made.size == (pictures.SIDE_PX_MAX, pictures.SIDE_PX_MAX // 2)
        assert not made.getexif()
        assert "exif" not in made.info
    assert b"secret place" not in found.content


def test_a_turned_photograph_is_stored_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(pictures.read(picture_of(40, 20, "JPEG", exif=exif), field="logo").content)) as made:
        assert made.size == (20, 40)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "L"), ("WEBP", "RGB"), ("JPEG", "CMYK"), ("PNG", "P")]
)
def test_every_kind_of_picture_is_read(kind: str, mode: str):
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (1, 2, 3, 100)).convert(mode).save(out, kind)
    assert pictures.read(out.getvalue(), field="logo").type in {"png", "jpeg"}


def problem_of(upload: bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        pictures.read(upload, field="logo")
    [problem] = refused.value.details["problems"]  # type: ignore[misc]
    assert problem.field == "logo"
    return str(problem.kind)


def test_what_is_no_picture_is_refused():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    whole = picture_of(50, 50)
    for upload in (svg, b"", b"GIF89a", whole[: len(whole) // 2], picture_of(5, 5, "BMP"), picture_of(5, 5, "GIF")):
        assert problem_of(upload) == "picture_kind"


def test_picture_limits_hold_at_their_edges():
    small = picture_of(8, 8)
    padded = small + b"\0" * (pictures.UPLOAD_BYTES_MAX - len(small))
    assert pictures.read(padded, field="logo")
    assert problem_of(padded + b"\0") == "picture_large"
    assert pictures.read(picture_of(pictures.PIXELS_MAX // 1_000, 1_000), field="logo")
    assert problem_of(picture_of(pictures.PIXELS_MAX // 1_000 + 1, 1_000)) == "picture_pixels"
