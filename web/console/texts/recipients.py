"""Words of the console's pages of recipients and leaks."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "recipients.title": ("收件方", "Recipients"),
    "recipients.lead": (
        "印刷厂和工厂。码包用收件方的公钥加密，只有对方能打开；并带有只属于它的调机码。",
        "A package is encrypted to its recipient, who alone opens it, with set-up codes of its own.",
    ),
    "recipients.none": ("还没有收件方", "No recipient yet"),
    "recipients.none.lead": ("添加第一家印刷厂或工厂。", "Add the first printer or plant."),
    "recipients.add": ("添加收件方", "Add a recipient"),
    "recipients.added": ("已添加 {name}。", "{name} is added."),
    "recipients.retire": ("停用", "Retire"),
    "recipients.retire.ask": (
        "停用 {name}？不再为其生成码包；已有的码包仍可追溯到它。",
        "Retire {name}? No more packages are made for it; those it has stay traced to it.",
    ),
    "recipients.retired": ("已停用 {name}。", "{name} is retired."),
    "recipients.gone": ("已停用", "Retired"),
    "recipients.name": ("名称", "Name"),
    "recipients.kind": ("类别", "Kind"),
    "recipients.kind.printer": ("印刷厂", "Printer"),
    "recipients.kind.plant": ("工厂", "Plant"),
    "recipients.key": ("公钥", "Public key"),
    "recipients.key.none": ("无：码包不加密", "None: not encrypted"),
    "recipients.key.hint": (
        "对方运行 age-keygen 后发来的一行，以 age1 开头。私钥绝不要发给任何人。没有可留空，改用口令加密。",
        (
            "The line that begins with age1, which the recipient gets from age-keygen. The secret key stays there. "
            "Leave it empty to encrypt with a passphrase instead."
        ),
    ),
    "recipients.contact": ("联系人", "Contact"),
    "recipients.contact.hint": ("加密保存。", "Stored encrypted."),
    "leaks.title": ("泄漏线索", "Leaks"),
    "leaks.lead": (
        "给收件方的码包首尾有调机码，不随货出厂。它们被扫，说明码包或调机废标泄漏。",
        (
            "A recipient's package begins and ends with set-up codes, not for goods. A scan of one says that the "
            "package, or its make-ready waste, got out."
        ),
    ),
    "leaks.none": ("没有泄漏线索", "No leak seen"),
    "leaks.none.lead": ("没有任何调机码被扫过。", "No set-up code was ever scanned."),
    "leaks.scans": ("被扫 {n} 次，{codes} 个码", "Scans: {n}, codes: {codes}"),
    "leaks.between": ("{first} 至 {last}", "{first} to {last}"),
    "leaks.takers": ("谁取走过此码包", "Who took the package"),
    "leaks.sightings": ("在哪里被扫", "Where it surfaced"),
    "leaks.note": (
        "扫码者看到的与未激活的码完全相同。车间里试扫也会出现在这里：是线索，不是定论。",
        (
            "Whoever scans one is told what any code not activated is told. A trial in the plant shows too: a lead, "
            "not a proof."
        ),
    ),
    "problem.recipient_name": (
        "名称有 1 到 80 个字，不能与现有的重复。",
        "A name has 1 to 80 characters and is used once.",
    ),
    "problem.public_key": (
        "这不是 age 公钥：公钥以 age1 开头。若您填的是私钥，请让对方立即更换。",
        "That is no public key of the age format.",
    ),
    "problem.contact": ("联系人最多 200 个字。", "At most 200 characters."),
    "problem.recipient_kind": ("请选择类别。", "Choose a kind."),
}
