"""Words of the console's page `reports`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "nav.reports": ("消费者反馈", "Reports"),
    "reports.title": ("消费者反馈", "Reports"),
    "reports.lead": (
        "消费者在扫码页面上说有问题的商品。内容和照片加密保存；两年没有改动即自动清除。",
        (
            "What consumers say is wrong with a unit. Words and photos are stored encrypted, and go when two years "
            "pass without a change."
        ),
    ),
    "reports.states": ("反馈状态", "State"),
    "reports.state": ("状态", "State"),
    "reports.state.open": ("待处理", "Open"),
    "reports.state.answered": ("已答复", "Answered"),
    "reports.state.closed": ("已关闭", "Closed"),
    "reports.one": ("反馈 {id}", "Report {id}"),
    "reports.at": ("时间", "When"),
    "reports.what": ("问题", "What"),
    "reports.photo": ("照片", "Photo"),
    "reports.photo.of": ("反馈 {id} 的照片", "Photo of report {id}"),
    "reports.with_photo": ("有照片", "with a photo"),
    "reports.words": ("说明", "In their words"),
    "reports.contact": ("联系方式", "How to reach them"),
    "reports.member": ("会员", "Member"),
    "reports.nothing": ("没有填写", "Nothing given"),
    "reports.erased": ("个人信息已清除", "What was personal is erased"),
    "reports.none": ("没有这样的反馈", "No such report"),
    "reports.none.hint": (
        "消费者扫码后点“发现问题？”即可反馈。",
        "Consumers report with “Something is wrong?” on a code's page.",
    ),
    "reports.notes": ("处理记录", "Notes"),
    "reports.notes.none": ("还没有记录。", "No note yet."),
    "reports.note": ("添加记录", "Add a note"),
    "reports.note.hint": (
        "给同事看的；最多 {most} 字，请勿写个人信息。",
        "For colleagues; at most {most} characters, no personal data.",
    ),
    "reports.saved": ("已保存。", "Saved."),
    "reports.erase": ("清除个人信息", "Erase what is personal"),
    "reports.erase.question": (
        "说明、联系方式、照片以及与会员和设备的关联将永久清除；处理记录保留。",
        "Words, contact, photo and the links to member and device go for good; the notes stay.",
    ),
    "reports.erased.done": ("个人信息已清除。", "What was personal is erased."),
}
