"""Words of the console's page of block lists."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "blocks.title": ("拦截名单", "Block list"),
    "blocks.lead": (
        "名单上的单件、批次、会员、设备和网段扫码时照常告知真伪，但不能领取奖励；到期自动失效。",
        (
            "Scans of these units and batches, and by these members, devices and networks, are told what the code is "
            "and pay nothing. Each block ends by itself."
        ),
    ),
    "blocks.standing": ("生效中", "In force"),
    "blocks.past": ("已失效", "Past ones"),
    "blocks.none": ("没有任何拦截", "Nothing is blocked"),
    "blocks.none.hint": (
        "先查看可疑的扫码记录，再从那里拦截其设备或单件。",
        "Look at a scan that you doubt, and block its device or unit from there.",
    ),
    "blocks.none.past": ("还没有失效的拦截", "No block has ended yet"),
    "blocks.kind": ("类别", "Kind"),
    "blocks.kind.unit": ("单件", "unit"),
    "blocks.kind.batch": ("批次", "batch"),
    "blocks.kind.member": ("会员", "member"),
    "blocks.kind.device": ("设备", "device"),
    "blocks.kind.network": ("网段", "network"),
    "blocks.what": ("对象", "What"),
    "blocks.what.hint": (
        "单件：码，或 批次:行号；批次：名称；会员：编号；设备：其一次扫码的编号；网段：如 203.0.113.0/24。",
        (
            "A unit: its code, or BATCH:LINE. A batch: its name. A member: the number. A device: the id of a scan that "
            "it made. A network: an address or CIDR, such as 203.0.113.0/24."
        ),
    ),
    "blocks.why": ("原因类别", "Class of reason"),
    "blocks.why.hint": ("消费者会看到这一类别。", "The consumer is told this class."),
    "blocks.why.copied": ("疑似复制的码", "copied codes"),
    "blocks.why.abuse": ("滥用活动", "abuse of a campaign"),
    "blocks.why.stolen": ("被盗货物", "stolen goods"),
    "blocks.why.other": ("其他", "other"),
    "blocks.reason": ("说明", "Reason"),
    "blocks.reason.hint": ("仅内部可见，并记入操作留痕。", "For colleagues and the audit trail; no consumer sees it."),
    "blocks.days": ("有效天数", "Days"),
    "blocks.until": ("有效至", "Until"),
    "blocks.by": ("操作人", "By"),
    "blocks.add": ("添加拦截", "Block something"),
    "blocks.add.lead": (
        "拦截在两秒内生效，已领取的奖励不受影响。网段由许多人共用，因此只暂缓领取，由人核实。",
        (
            "A block holds within two seconds; rewards taken before stay taken. Many people share a network, so that "
            "its claims are held for a person instead of refused."
        ),
    ),
    "blocks.add.go": ("拦截", "Block"),
    "blocks.added": ("{what} 已拦截。", "{what} is blocked."),
    "blocks.lift": ("解除", "Lift"),
    "blocks.lift.ask": ("解除对 {what} 的拦截？", "Lift the block of {what}?"),
    "blocks.lifted": ("已解除对 {what} 的拦截。", "The block of {what} is lifted."),
    "blocks.lifted.by": ("由 {who} 解除", "lifted by {who}"),
    "blocks.ended": ("已到期", "ended"),
    "blocks.this.unit": ("拦截此单件", "Block this unit"),
    "blocks.this.device": ("拦截此设备", "Block this device"),
}
