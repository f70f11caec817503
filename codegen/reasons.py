"""Why codes are given a state: a fixed list, so that reasons can be counted; words of one's own may be added. Pure."""

from __future__ import annotations

from typing import Final

from kernel.errors import InvalidInput

REASONS: Final[dict[str, tuple[str, str]]] = {
    "print_waste": ("印刷废品", "printing waste"),
    "lost": ("丢失", "lost"),
    "stolen": ("被盗", "stolen"),
    "leaked": ("码泄漏", "codes leaked"),
    "quality": ("质量问题", "quality defect"),
    "safety": ("安全召回", "safety recall"),
    "wrong_product": ("商品错误", "wrong product"),
    "shelf_life": ("已过保质期", "past its shelf life"),
    "inquiry": ("调查中", "under investigation"),
    "order_cancelled": ("订单取消", "order cancelled"),
    "released": ("出厂放行", "released for sale"),
    "sold": ("已售出", "sold"),
    "other": ("其他", "other"),
}
"""By code: Chinese, English."""

_FOR: Final[dict[str, tuple[str, ...]]] = {
    "activated": ("released", "sold", "other"),
    "frozen": ("inquiry", "quality", "leaked", "stolen", "lost", "other"),
    "recalled": ("safety", "quality", "wrong_product", "other"),
    "void": ("print_waste", "lost", "stolen", "leaked", "wrong_product", "quality", "order_cancelled", "other"),
    "expired": ("shelf_life", "other"),
}


def of_state(state: str) -> tuple[str, ...]:
    """The reason codes that suit a state, the likeliest first."""
    return _FOR[state]


def judge(state: str, code: str | None) -> None:
    """Refuse a reason code that does not suit the state.

    Raises:
        InvalidInput: there is no such code, or not for this state.
    """
    if code is not None and code not in _FOR[state]:
        raise InvalidInput(
            f"The reason code for {state} is one of {', '.join(_FOR[state])}, not {code!r}.", field="reason_code"
        )
