"""Classes of products by law: what pays, and to whom."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kernel.errors import InvalidInput
from tests.world import GTIN, World
from traceability import catalogue, legal_classes
from traceability.legal_classes import CLASSES


@pytest.mark.parametrize(
    ("legal_class", "default", "on", "adults"),
    [
        ("none", True, True, False),
        ("alcohol", True, True, True),
        ("medicine", False, True, False),
        ("tobacco", False, False, False),
        ("infant_formula", False, False, False),
        ("a class of tomorrow", False, False, True),
    ],
)
def test_class_and_choice_decide_about_rewards_and_age(legal_class: str, default: bool, on: bool, adults: bool):
    assert legal_classes.pays(legal_class, "default") is default
    assert legal_classes.pays(legal_class, "on") is on
    assert legal_classes.pays(legal_class, "off") is False
    assert legal_classes.adults_only(legal_class) is adults


@pytest.mark.parametrize("legal_class", [name for name, found in CLASSES.items() if found.rewards == "never"])
def test_rewards_of_tobacco_and_infant_formula_cannot_be_switched_on(legal_class: str):
    (problem,) = catalogue.judge_product(name="x", name_en="x", units_per_case=1, legal_class=legal_class, rewards="on")
    assert (problem.field, problem.kind) == ("rewards", "rewards_never")


@pytest.mark.parametrize(("field", "value"), [("legal_class", "candy"), ("rewards", "maybe"), ("legal_class", "")])
def test_unknown_words_are_refused_by_name(field: str, value: str):
    (problem,) = catalogue.judge_product(name="x", name_en="x", units_per_case=1, **{field: value})
    assert problem.field == field


async def test_class_is_kept_and_its_change_stands_in_the_trail(world: World):

    async with world.opened.db.transaction() as tx:
        kept = await catalogue.product(tx, GTIN, brand_id=world.brand.id)
        given = {
            "brand_id": world.brand.id,
            "gtin": GTIN,
            "name": kept.name,
            "name_en": kept.name_en,
            "actor": "x",
            "units_per_case": kept.units_per_case,
            "version": kept.version,
        }
        with pytest.raises(InvalidInput):
            await catalogue.update_product(tx, **given, legal_class="tobacco", rewards="on")
        changed = await catalogue.update_product(tx, **given, legal_class="alcohol")
        assert (changed.legal_class, changed.rewards, changed.version) == ("alcohol", "default", kept.version + 1)
        shown = (await catalogue.shown(tx, [GTIN]))[GTIN]
        assert (shown.pays, shown.adults_only) == (True, True)
        after = await tx.execute(text("SELECT after FROM audit_trail WHERE action = 'product.update'"))
        assert after.scalar_one() == {"legal_class": "alcohol"}
