"""Words of the console's page of a batch's notices."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "notices.title": ("告消费者书", "Notices to consumers"),
    "notices.of": ("批次 {name} 的告消费者书", "Notices of batch {name}"),
    "notices.lead": (
        "此批次的码被召回或作废后，扫码的消费者会在统一提示下面看到这些话：怎样退换、联系谁。不填则只显示统一提示。",
        (
            "Whoever scans a unit that is recalled or void reads this below the general sentence: where to bring it, "
            "whom to call. Without one the general sentence stands alone."
        ),
    ),
    "notices.recalled": ("召回时", "When recalled"),
    "notices.void": ("作废时", "When void"),
    "notices.zh": ("中文（最多 {most} 字）", "Chinese (at most {most} characters)"),
    "notices.en": ("英文（最多 {most} 字）", "English (at most {most} characters)"),
    "notices.none": ("没有填写。", "None."),
    "notices.saved": ("已保存，消费者立即看到。", "Saved. Consumers see it at once."),
    "problem.notice_both": ("中英文都要填写，或都不填。", "Fill in both languages, or neither."),
}
