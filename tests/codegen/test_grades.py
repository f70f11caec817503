"""Each parameter falls with its own fault, and with no other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from codegen import anatomy, decoders, grades
from codegen.anatomy import anatomy as parts_of
from codegen.decoders import Sighting
from codegen.grades import Grades, grade
from codegen.symbols import SymbolFactory

FACTORY = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
CODE = np.frombuffer(b"ABCDEFGHJKMNPQRSTVWX", np.uint8).reshape(1, 20)
MODULES = FACTORY.render(CODE)[0].astype(bool)
SIZE = len(MODULES)
VERSION = (SIZE - 17) // 4
QUIET = 6
PX = 8
NAMES = [
    "decode", "symbol_contrast", "modulation", "reflectance_margin", "fixed_pattern_damage", "format_information",
    "axial_nonuniformity", "grid_nonuniformity", "unused_error_correction", "quiet_zone",
]  # fmt: skip


def drawn(modules: np.ndarray = MODULES, *, dark: int = 10, light: int = 245) -> np.ndarray:
    grey = np.where(np.pad(modules, QUIET), dark, light).astype(np.uint8)
    return grey.repeat(PX, axis=0).repeat(PX, axis=1)


def flipped(places: list[tuple[int, int]]) -> np.ndarray:
    modules = MODULES.copy()
    for row, column in places:
        modules[row, column] = not modules[row, column]
    return drawn(modules)


def graded(picture: np.ndarray, seen: Sighting | None = None) -> Grades:
    """The grades of a picture; `seen` where what is wrong would keep the decoder from finding it."""
    if seen is None:
        (seen,) = decoders.read_zxing(picture)
    return grade(np.ascontiguousarray(picture), seen)


def by_name(found: Grades) -> dict[str, int | None]:
    return {each.name: each.grade for each in found.parameters}


def values(found: Grades) -> dict[str, float]:
    return {each.name: each.value for each in found.parameters}


def assert_falls(steps: list[np.ndarray], *names: str, to: int = 0, seen: Sighting | None = None) -> None:
    """The named parameters fall step by step from A to a grade at most `to`; all others stay at A."""
    found = [by_name(graded(step, seen)) for step in steps]
    for name in NAMES:
        course = [each[name] for each in found]
        if name in names:
            assert course == sorted(course, reverse=True), (name, course)
            assert course[0] == 4, (name, course)
            assert course[-1] <= to, (name, course)
        else:
            assert course == [4] * len(steps), (name, course)


def test_a_clean_symbol_has_all_parameters_at_grade_a() -> None:
    found = graded(drawn())
    assert [each.name for each in found.parameters] == NAMES
    assert {each.letter for each in found.parameters} == {"A"}
    assert (found.overall, found.letter, found.inverted) == (4, "A", False)
    assert found.growth == pytest.approx(0, abs=0.02)
    assert values(found)["symbol_contrast"] == pytest.approx(235 / 255)


def test_the_overall_grade_is_the_lowest() -> None:
    picture = flipped([(SIZE - 4, SIZE - 12)])
    picture[0:PX, :] = picture[:, :PX] = 245
    picture[(QUIET - 2) * PX : (QUIET - 1) * PX, 100:164] = 10
    found = graded(picture)
    assert found.overall == min(each.grade for each in found.parameters if each.grade is not None) == 0
    assert found.letter == "F"


def test_less_contrast_lowers_symbol_contrast_alone() -> None:
    assert_falls([drawn(dark=dark, light=245) for dark in (10, 90, 130, 170, 200)], "symbol_contrast")


@pytest.mark.parametrize(("share", "expected"), [(0.71, 4), (0.69, 3), (0.54, 2), (0.39, 1), (0.19, 0)])
def test_symbol_contrast_has_the_standards_limits(share: float, expected: int) -> None:
    assert by_name(graded(drawn(dark=250 - round(share * 255), light=250)))["symbol_contrast"] == expected


def test_a_spoilt_quiet_zone_lowers_the_quiet_zone_alone() -> None:
    steps = []
    for count in range(5):
        picture = drawn()
        for number in range(count):
            at = (QUIET + 3 + 4 * number) * PX
            picture[(QUIET - 2) * PX : (QUIET - 1) * PX, at : at + PX] = 10
        steps.append(picture)
    assert_falls(steps, "quiet_zone")
    assert [values(graded(step))["quiet_zone"] for step in steps] == [0, 1, 2, 3, 4]


def test_a_quiet_zone_that_is_cut_off_is_none() -> None:
    edge = (QUIET - 2) * PX
    found = graded(np.ascontiguousarray(drawn()[edge:-edge, edge:-edge]))
    assert by_name(found) == dict.fromkeys(NAMES, 4) | {"quiet_zone": 0}


@pytest.mark.parametrize("turned", [False, True])
def test_a_stretched_print_lowers_axial_nonuniformity_alone(turned: bool) -> None:
    def stretched(percent: int) -> np.ndarray:
        image = Image.fromarray(drawn())
        grey = np.asarray(image.resize((image.width * percent // 100, image.height), Image.Resampling.BICUBIC))
        return np.ascontiguousarray(grey.T if turned else grey)

    steps = [stretched(percent) for percent in (100, 104, 107, 109, 111, 116)]
    assert_falls(steps, "axial_nonuniformity")
    assert values(graded(steps[1]))["axial_nonuniformity"] == pytest.approx(0.04, abs=0.01)


def test_a_picture_from_the_side_does_not_grade_the_axes() -> None:
    image = Image.fromarray(drawn())
    slanted = image.transform(
        image.size, Image.Transform.PERSPECTIVE, (1, 0, 0, -0.12, 1.12, 0, -0.0006, 0), Image.Resampling.BICUBIC,
        fillcolor=245,
    )  # fmt: skip
    found = graded(np.asarray(slanted))
    assert by_name(found)["axial_nonuniformity"] is None
    assert by_name(found)["grid_nonuniformity"] == 4
    assert found.letter == "A"


def one_of_each_codeword(count: int) -> list[tuple[int, int]]:
    """A module of each of the first `count` codewords."""
    codewords = parts_of(VERSION).codewords
    return [tuple(np.argwhere(codewords == number)[3]) for number in range(count)]


def test_wrong_modules_lower_unused_error_correction_and_the_reflectance_margin_alone() -> None:
    steps = [flipped(one_of_each_codeword(count)) for count in (0, 2, 5, 7, 9, 12)]
    assert_falls(steps, "unused_error_correction", "reflectance_margin")


def test_unused_error_correction_is_what_the_blocks_of_the_version_leave() -> None:
    owners, spendable = anatomy.blocks(VERSION, "M")
    assert (len(owners), spendable) == (70, (26,))
    left = values(graded(flipped(one_of_each_codeword(5))))["unused_error_correction"]
    assert left == pytest.approx(1 - 2 * 5 / 26, abs=0.02)


def test_pale_modules_lower_modulation_alone_with_the_reflectance_margin() -> None:
    steps = []
    codewords = parts_of(VERSION).codewords
    for level in (10, 70, 90, 105, 115):
        picture = drawn()
        for number in range(14):
            row, column = next(place for place in np.argwhere(codewords == number) if MODULES[tuple(place)])
            picture[(QUIET + row) * PX : (QUIET + row + 1) * PX, (QUIET + column) * PX : (QUIET + column + 1) * PX] = (
                level
            )
        steps.append(picture)
    assert_falls(steps, "modulation", "reflectance_margin")
    course = [values(graded(step))["modulation"] for step in steps]
    assert course == sorted(course, reverse=True)


def test_blur_lowers_modulation_and_no_contrast_axes_or_quiet_zone() -> None:
    whole = Image.fromarray(drawn())
    found = [graded(np.asarray(whole.filter(ImageFilter.GaussianBlur(radius)))) for radius in (0, 1.5, 2.5, 3.5)]
    course = [values(each)["modulation"] for each in found]
    assert course == sorted(course, reverse=True)
    assert by_name(found[-1])["modulation"] <= 1
    for name in ("symbol_contrast", "axial_nonuniformity", "grid_nonuniformity", "quiet_zone"):
        assert {by_name(each)[name] for each in found} == {4}


DAMAGE: dict[str, list[tuple[int, int]]] = {
    "separator": [(7, 7), (7, 1), (3, 7), (1, 7)],
    "finder": [(0, 3), (0, 0), (6, 0), (0, 5)],
    "other finder": [(1, SIZE - 1), (5, SIZE - 1), (3, SIZE - 1), (0, SIZE - 1)],
}


@pytest.mark.parametrize("where", DAMAGE)
def test_each_damaged_module_of_a_corner_lowers_fixed_pattern_damage_by_a_grade_alone(where: str) -> None:
    places = DAMAGE[where]
    (seen,) = decoders.read_zxing(drawn())
    steps = [flipped(places[:count]) for count in range(len(places) + 1)]
    assert_falls(steps, "fixed_pattern_damage", seen=seen)
    found = [graded(step, seen) for step in steps]
    assert [by_name(each)["fixed_pattern_damage"] for each in found] == [4, 3, 2, 1, 0]
    assert [values(each)["fixed_pattern_damage"] for each in found] == [0, 1, 2, 3, 4]


def test_damaged_timing_and_alignment_patterns_lower_fixed_pattern_damage_alone() -> None:
    timing = [(6, 9), (6, 12), (6, 15), (6, 18)]
    assert_falls([flipped(timing[:count]) for count in range(4)], "fixed_pattern_damage")
    middle = SIZE - 7
    offsets = [(-1, -1), (1, 1), (-2, 0), (2, 0), (0, -2), (0, 2), (-2, 2), (2, 2)]
    alignment = [(middle + row, middle + column) for row, column in offsets]
    assert_falls([flipped(alignment[:count]) for count in (0, 1, 3, 6, 8)], "fixed_pattern_damage")


def test_three_of_five_timing_modules_side_by_side_fail() -> None:
    found = grades._in_a_row
    assert not found(np.array([1, 0, 0, 0, 1, 1, 0], bool))
    assert found(np.array([0, 1, 0, 1, 1, 0, 0], bool))


def test_wrong_format_modules_lower_the_format_information_alone() -> None:
    first = [(8, 0), (8, 2), (8, 4)]
    second = [(8, SIZE - 1), (8, SIZE - 3)]
    steps = [flipped([*first[:a], *second[:b]]) for a, b in ((0, 0), (2, 0), (3, 0), (3, 1), (3, 2))]
    assert_falls(steps, "format_information", to=2)


def waved(pixels: float) -> np.ndarray:
    rows, columns = np.indices(drawn().shape)
    moved = np.clip(np.round(columns + pixels * np.sin(rows / 45)), 0, drawn().shape[1] - 1).astype(int)
    return np.ascontiguousarray(drawn()[rows, moved])


def test_a_wavy_print_raises_grid_nonuniformity() -> None:
    course = [values(graded(waved(pixels)))["grid_nonuniformity"] for pixels in (0, 1, 2, 3)]
    assert course == sorted(course)
    assert course[0] < 0.02
    assert course[-1] > 0.2
    assert {each.grade for each in graded(waved(1)).parameters} == {4}


@pytest.mark.parametrize(("value", "expected"), [(0.38, 4), (0.39, 3), (0.51, 2), (0.64, 1), (0.76, 0)])
def test_grid_nonuniformity_has_the_standards_limits(value: float, expected: int) -> None:
    assert grades._at_most(value, grades._GRID) == expected


@pytest.mark.parametrize("filtered", [ImageFilter.MinFilter, ImageFilter.MaxFilter])
def test_print_growth_is_told_and_changes_no_grade(filtered: Callable[[int], ImageFilter.Filter]) -> None:
    found = graded(np.asarray(Image.fromarray(drawn()).filter(filtered(3))))
    expected = 2 / PX if filtered is ImageFilter.MinFilter else -2 / PX
    assert found.growth == pytest.approx(expected, abs=0.08)
    assert {each.grade for each in found.parameters} == {4}


@pytest.mark.parametrize("changed", [lambda g: 255 - g, lambda g: g[:, ::-1], lambda g: g.T, np.rot90])
def test_inverted_mirrored_and_turned_symbols_are_graded_the_same(changed: Callable[[np.ndarray], np.ndarray]) -> None:
    whole = graded(np.ascontiguousarray(changed(drawn())))
    assert {each.grade for each in whole.parameters} == {4}
    hurt = graded(np.ascontiguousarray(changed(flipped(one_of_each_codeword(5)))))
    assert by_name(hurt)["reflectance_margin"] < 4


def test_symbols_that_others_made_are_graded_too() -> None:
    made = anatomy.symbol("https://example.com/a?b=c", 3, "Q", 5, mode=anatomy.MODES[1])
    assert made is not None
    assert {each.grade for each in graded(drawn(made)).parameters} == {4}


def test_a_symbol_whose_coding_is_not_known_is_graded_by_what_it_shows() -> None:
    (seen,) = decoders.read_zxing(drawn())
    unknown = Sighting("漢字" * 3, seen.corners, seen.version, seen.level, seen.mask, 0.4)
    found = grade(drawn(), unknown)
    assert by_name(found) == dict.fromkeys(NAMES, 4) | {"unused_error_correction": 2}


def test_where_the_grid_cannot_be_followed_the_grade_is_f() -> None:
    (seen,) = decoders.read_zxing(drawn())
    assert grade(np.full((300, 300), 9, np.uint8), seen).letter == "F"
    assert grade(drawn()[:200], seen).letter == "F"


@pytest.mark.parametrize("version", [1, 2, 6, 7, 14, 40])
def test_every_module_belongs_to_one_part(version: int) -> None:
    parts = parts_of(version)
    owners, _ = anatomy.blocks(version, "M")
    counts = np.bincount(parts.codewords[parts.codewords >= 0])
    assert (counts == 8).all()
    assert len(counts) == len(owners)
    assert sum(int(copy.sum()) for copy in parts.formats) == 30
    for each in (*parts.corners, *parts.timings, parts.alignment, *parts.formats):
        assert not (each & (parts.codewords >= 0)).any()


@pytest.mark.parametrize("version", [2, 7, 14])
def test_fixed_patterns_are_those_of_the_library(version: int) -> None:
    made = anatomy.symbol("A" * 10, version, "M", 0, mode=anatomy.MODES[0])
    parts = parts_of(version)
    fixed = np.logical_or.reduce([*parts.corners, *parts.timings, parts.alignment])
    assert made is not None
    assert (made[fixed] == grades._fixed(parts, len(made))[fixed]).all()
