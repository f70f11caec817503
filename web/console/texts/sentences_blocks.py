"""What block lists refuse, in English as it is said and in Chinese."""

from typing import Final

BLOCKS: Final[tuple[tuple[str, str], ...]] = (
    ("A reason has 1 to {most} characters on one line.", "说明为 1 到 {most} 个字符，不换行。"),
    ("A block holds 1 to {most} days.", "有效天数为 1 到 {most} 天。"),
    ("Block {id} holds for {kind} {what} already: lift it first.", "{what} 已在名单上（第 {id} 号）：请先解除。"),
    (
        "The brand has {most} blocks, which is as many as there may be: lift some first.",
        "名单已有 {most} 条，达到上限：请先解除一些。",
    ),
    ("what has 1 to {most} characters.", "对象为 1 到 {most} 个字符。"),
    ("Batch {batch} has {count} lines.", "批次 {batch} 只有 {count} 行。"),
    ("A unit is named by its code or as BATCH:LINE.", "请填写码，或 批次:行号。"),
    ("This is no code that the brand issued.", "这不是本品牌签发的码。"),
    ("A device is named by the id of a scan that it made.", "请填写该设备的一次扫码的编号。"),
    ("The brand has no scan {id} by a device.", "本品牌没有由设备发出的扫码 {id}。"),
    ("The brand has no member {name}.", "本品牌没有会员 {name}。"),
    ("The brand has no batch {name}.", "本品牌没有批次 {name}。"),
    ("The brand has no block {id}.", "本品牌没有第 {id} 号拦截。"),
    (
        "{what} is no network, such as 203.0.113.0/24 or 2001:db8::/48.",
        "{what} 不是网段，例如 203.0.113.0/24 或 2001:db8::/48。",
    ),
    ("A network to block is at most a /{bits} of IPv{version}.", "网段不能大于 IPv{version} 的 /{bits}。"),
)
