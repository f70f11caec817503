"""Words of the console's pages of code keys."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "keys.title": ("码密钥", "Code keys"),
    "keys.lead": (
        "每个码都由一个密钥制作。密钥只加密保存，任何页面都不显示。",
        "Every code is made with a key. Keys are stored sealed, and no page ever shows one.",
    ),
    "keys.none": ("还没有密钥", "No key yet"),
    "keys.none.hint": ("第一次订购码批次时自动生成。", "The first order of a batch makes one."),
    "keys.of": ("密钥 {number}", "Key {number}"),
    "keys.key": ("密钥", "Key"),
    "keys.symbols": ("码的前两位", "Its codes begin with"),
    "keys.state": ("状态", "State"),
    "keys.state.active": ("使用中", "Active"),
    "keys.state.unreleased": ("待放行", "Waits for release"),
    "keys.state.retired": ("已停用", "Retired"),
    "keys.state.revoked": ("已吊销", "Revoked"),
    "keys.state.leaked": ("已外泄", "Leaked"),
    "keys.used": ("已用", "Used"),
    "keys.used.of": ("{used:,} / {most:,} 件", "{used:,} of {most:,} units"),
    "keys.used.nearly": ("即将用完，请更换", "Nearly used up: rotate it"),
    "keys.batches": ("批次", "Batches"),
    "keys.created": ("生成时间", "Made"),
    "keys.retired_at": ("停用时间", "Retired"),
    "keys.revoked_at": ("吊销时间", "Revoked"),
    "keys.leaked_at": ("外泄时间", "Leaked"),
    "keys.reason": ("原因", "Reason"),
    "keys.custody": ("保管", "Kept by"),
    "keys.custody.environment": ("环境主密钥", "The environment's master secrets"),
    "keys.custody.pkcs11": ("加密设备（PKCS#11）", "A token (PKCS#11)"),
    "keys.custody.unknown": ("未配置的设备", "A device that is not configured"),
    "keys.custody.older": ("较旧的主密钥，请运行 yima keys rewrap", "An older one: run yima keys rewrap"),
    "keys.custody.unreadable": ("无法打开，请联系运维", "Cannot be opened: tell the operator"),
    "keys.words": ("放行", "Release"),
    "keys.words.of": ("{n} / {of} 人", "{n} of {of} people"),
    "keys.rotate": ("更换密钥", "Rotate"),
    "keys.rotate.first": ("生成密钥", "Make a key"),
    "keys.rotate.lead": (
        "新批次改用新密钥；已印的码照常有效，旧批次仍可继续生成。",
        "New batches use the new key. Printed codes keep verifying, and batches ordered before can still be written.",
    ),
    "keys.rotated": ("新码改用密钥 {number}。", "New codes are made with key {number}."),
    "keys.rotated.unreleased": (
        "已生成密钥 {number}。须由两人放行后才能写出码。",
        "Key {number} is made. Two people release it before any code of it is written.",
    ),
    "keys.release": ("放行此密钥", "Release this key"),
    "keys.release.lead": (
        "生产环境的新密钥须由两位不同的负责人各自确认，然后才会写出第一批码。放行前可以订购，但不生成码包。",
        (
            "In production two different people each give their word for a new key before its first codes are "
            "written. Orders are taken before that; packages are not written."
        ),
    ),
    "keys.release.yours": (
        "您已确认，还需要另一位负责人。",
        "You have given your word; it takes another person's.",
    ),
    "keys.release.do": ("确认放行", "Give my word"),
    "keys.released": ("密钥 {number} 已放行。", "Key {number} is released."),
    "keys.released.first": (
        "已记录您的确认；密钥 {number} 还需要另一人放行。",
        "Noted. Key {number} waits for a second person's word.",
    ),
    "keys.released.by": ("放行人", "Released by"),
    "keys.end": ("停用或吊销", "Retire or revoke"),
    "keys.end.lead": (
        "停用：不再制作新码，已印的码永远有效。吊销：连已订购的批次也不再写出。两者都不影响已印的码；如果密钥外泄，请用上方的外泄处置。",
        (
            "Retired, it makes no new codes, and printed ones verify for ever. Revoked, nothing is written with it "
            "any more, not even what is ordered. Neither touches printed codes: if the key has leaked, use the page "
            "for that."
        ),
    ),
    "keys.end.retire": ("停用", "Retire"),
    "keys.end.revoke": ("吊销", "Revoke"),
    "keys.done.retire": ("密钥 {number} 已停用。", "Key {number} is retired."),
    "keys.done.revoke": ("密钥 {number} 已吊销。", "Key {number} is revoked."),
    "keys.leak": ("密钥外泄处置", "If the key has leaked"),
    "keys.leak.of": ("密钥 {number} 外泄处置", "Key {number} has leaked"),
    "keys.leak.open": ("打开外泄处置页", "Open the page for a leak"),
    "keys.leak.lead": (
        "吊销密钥，停发未扫过的码，列出流通中的商品，并用新密钥重新订购。可以重复执行，不会重复生效。",
        (
            "Revoke the key, stop codes that nobody scanned, list what is in the field, and order the goods again "
            "under a new key. Every step may be said again."
        ),
    ),
    "keys.leak.done": (
        "此密钥自 {at} 起视为外泄：此前未扫过的码不再自动发奖。",
        "This key counts as leaked since {at}: codes that were not scanned before are no longer paid by themselves.",
    ),
    "keys.leak.again": ("发现更早外泄", "It leaked earlier than that"),
    "keys.leak.stop": ("停止未扫过的码", "Stop what was not scanned"),
    "keys.leak.what": ("发生了什么", "What happened"),
    "keys.leak.since": ("自何时起可能外泄（中国时间）", "Since when it may be in wrong hands (China's time)"),
    "keys.leak.since.hint": (
        "不填表示现在。此后首次扫描的码都待核实。",
        "Empty for now. What was first scanned since then waits.",
    ),
    "keys.leak.answer": ("未扫过的码", "Codes that nobody scanned"),
    "keys.leak.answer.hold": (
        "登记领取，由人核实后发放（推荐：真品买家不会吃亏）",
        "Hold claims for a person (an honest buyer loses nothing)",
    ),
    "keys.leak.answer.void": ("作废，并告知可以申诉", "Void, and tell how to appeal"),
    "keys.leak.next": ("查看将发生什么", "Show what that means"),
    "keys.leak.confirm": ("确认停止 {n} 件", "Stop {n} units?"),
    "keys.leak.confirm.lead": (
        (
            "密钥 {number} 将被吊销。{batches} 个批次中，{n} 件未扫过的商品不再自动发奖；"
            "{scanned} 件已扫过的不受影响。吊销无法撤销。"
        ),
        (
            "Key {number} is revoked. Of {batches} batches, {n} units that nobody scanned are no longer paid by "
            "themselves; {scanned} scanned ones keep their standing. A revocation cannot be taken back."
        ),
    ),
    "keys.leak.do": ("吊销并停止", "Revoke and stop"),
    "keys.leaked": ("已处置：{n} 个批次停止自动发奖。", "Done: {n} batches are stopped."),
    "keys.field": ("流通中的商品", "What is in the field"),
    "keys.field.more": ("另有 {n} 行，见文件。", "{n} more rows are in the file."),
    "keys.field.none": ("此密钥还没有批次。", "The key has no batch yet."),
    "keys.field.unshipped": ("未发货", "Not shipped"),
    "keys.units": ("件数", "Units"),
    "keys.shipped": ("已发货", "Shipped"),
    "keys.activated": ("已激活", "Activated"),
    "keys.scanned": ("已扫码", "Scanned"),
    "keys.unscanned": ("未扫码", "Unscanned"),
    "keys.since": ("外泄后首扫", "First scanned since"),
    "keys.claimed": ("已领取", "Claimed"),
    "keys.dealer": ("经销商", "Dealer"),
    "keys.shipment": ("发货单", "Shipment"),
    "keys.order": ("订单号", "Order"),
    "keys.answer": ("答复", "Answer"),
    "keys.answer.hold": ("人工核实", "Held"),
    "keys.answer.void": ("作废", "Void"),
    "keys.answer.set.hold": ("所选改为人工核实", "Hold the chosen"),
    "keys.answer.set.void": ("所选改为作废", "Void the chosen"),
    "keys.answered": ("{n} 个批次已改变答复。", "{n} batches changed their answer."),
    "keys.reissued_as": ("重新订购为", "Ordered again as"),
    "keys.reissue": ("重新订购所选", "Order the chosen again"),
    "keys.reissue.lead": (
        "用新密钥按原数量、形式和收件方重新订购，供工厂重印。新密钥在生产环境须先由两人放行。",
        (
            "Orders the same contents again under a new key, for the plant to reprint. In production two people "
            "release that key first."
        ),
    ),
    "keys.reissued": ("{n} 个批次已重新订购。", "{n} batches are ordered again."),
    "keys.password": ("您的密码", "Your password"),
    "keys.code": ("动态验证码", "Code of your second factor"),
    "keys.choose": ("选择", "Choose"),
    "problem.key_password": ("密码不正确。", "This is not your password."),
    "problem.key_otp": ("验证码不正确或已用过。", "This code is wrong or was used already."),
    "problem.key_batch": ("请选择 1 到 100 个批次。", "Choose 1 to 100 batches."),
    "problem.since": ("请填写一个已经过去的时间。", "A moment that has passed."),
    "problem.answer": ("请选择答复。", "Choose an answer."),
    "problem.how": ("请选择停用或吊销。", "Choose to retire or to revoke."),
    "problem.too_many": ("错误次数过多，请稍后再试。", "Too many wrong tries; wait a little."),
}
