"""Words of the console's page `appeals`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "nav.appeals": ("申诉", "Appeals"),
    "overview.appeals": (
        "有 {n:,} 件申诉待答复，其中 {late:,} 件逾期。",
        "{n:,} appeals wait for an answer, {late:,} of them overdue.",
    ),
    "appeals.title": ("申诉", "Appeals"),
    "appeals.lead": (
        "被规则拒绝或暂缓的消费者请人工复核。通过即发放奖励；不通过须写一句话，消费者会看到。期限在品牌设置里定。",
        (
            "Consumers whom a rule refused or held ask a person to look. To grant pays the reward; to decline takes a "
            "sentence, which the consumer reads. The deadline is set with the brand."
        ),
    ),
    "appeals.states": ("申诉状态", "State"),
    "appeals.state.open": ("待答复", "Open"),
    "appeals.state.granted": ("已通过", "Granted"),
    "appeals.state.declined": ("未通过", "Declined"),
    "appeals.counts": ("待答复 {n:,} 件，其中逾期 {late:,} 件。", "{n:,} open, {late:,} of them overdue."),
    "appeals.one": ("申诉 {id}", "Appeal {id}"),
    "appeals.due": ("最迟 {day} 答复", "answer by {day}"),
    "appeals.overdue": ("已逾期", "Overdue"),
    "appeals.made": ("提交于 {at}", "made {at}"),
    "appeals.decided": ("{at} 由 {by} 答复", "answered {at} by {by}"),
    "appeals.held": ("领取被暂缓", "Claim held"),
    "appeals.refused": ("扫码被拒绝", "Scan refused"),
    "appeals.said": ("告诉消费者的话", "What to tell the consumer"),
    "appeals.said.hint": (
        "不通过时必填；消费者原样看到，并记入操作留痕。",
        "Needed to decline; the consumer reads it as it is, and it goes into the audit trail.",
    ),
    "appeals.said.wrong": (
        "不通过时请写一句话告诉消费者，1 到 {n} 个字符。",
        "To decline, tell the consumer why in 1 to {n} characters.",
    ),
    "appeals.grant": ("通过并发放", "Grant and pay"),
    "appeals.decline": ("不通过", "Decline"),
    "appeals.choose": ("请选择通过或不通过。", "Choose to grant or to decline."),
    "appeals.taken": (
        "这件商品的奖励此后已被他人领取，只能发放一次：请改为不通过并说明。",
        "Somebody has claimed this unit's reward since; it can be paid once only. Decline, and say so.",
    ),
    "appeals.done.grant": ("申诉 {id} 已通过，奖励已发放。", "Appeal {id} is granted and paid."),
    "appeals.done.decline": ("申诉 {id} 已答复。", "Appeal {id} is declined."),
    "appeals.gone": (
        "申诉 {id} 已由他人答复，没有改动。",
        "Appeal {id} was answered by somebody else; nothing changed.",
    ),
    "appeals.none": ("没有这样的申诉", "No such appeal"),
    "appeals.none.hint": (
        "消费者在扫码结果页或“我的”里点一下即可申诉。",
        "Consumers appeal in one tap, on the scan's page or their own.",
    ),
}
