"""Words of the console's orders and code packages."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "orders.order.ordered": ("已订购", "Ordered"),
    "orders.order.generating": ("生成中", "Generating"),
    "orders.order.ready": ("码包就绪", "Ready"),
    "orders.order.downloaded": ("已下载", "Downloaded"),
    "orders.order.activated": ("已激活", "Activated"),
    "orders.order.closed": ("已关闭", "Closed"),
    "orders.order.failed": ("生成失败", "Failed"),
    "orders.order.cancelled": ("已取消", "Cancelled"),
    "orders.state.waiting": ("排队中", "Waiting"),
    "orders.state.requested": ("排队中", "Waiting"),
    "orders.state.writing": ("生成中", "Being written"),
    "orders.state.ready": ("就绪", "Ready"),
    "orders.state.taken": ("命令行已取走", "Taken by a command"),
    "orders.state.failed": ("失败", "Failed"),
    "orders.state.cancelled": ("已取消", "Cancelled"),
    "orders.state.removed": ("已删除", "Removed"),
    "orders.encryption.none": ("未加密", "not encrypted"),
    "orders.encryption.key": ("已用收件方公钥加密", "encrypted to the recipient"),
    "orders.encryption.passphrase": ("已用口令加密", "encrypted with a passphrase"),
    "orders.packages": ("码包", "Code packages"),
    "orders.packages.none": ("还没有码包。", "No package yet."),
    "orders.cash": (
        "码包请像现金一样保管：谁打开它，谁就能领走奖励。未加密的尤其如此。每次下载都会记录是谁、何时、从哪里。",
        (
            "Handle packages like cash: whoever opens one can claim, above all one not encrypted. Each download "
            "is recorded."
        ),
    ),
    "orders.package.lines": ("第 {first}–{last} 行", "Lines {first}–{last}"),
    "orders.package.setup": ("含 {n} 行调机码", "with {n} set-up lines"),
    "orders.package.writing": ("正在生成，{percent}%", "Being written, {percent}%"),
    "orders.package.passphrase": (
        "此收件方没有公钥。要用口令加密，请在服务器上运行：{command}",
        "This recipient has no key. To encrypt with a passphrase, run on the server: {command}",
    ),
    "orders.package.size": ("文件", "File"),
    "orders.package.kb": ("{size} KB", "{size} KB"),
    "orders.package.mb": ("{size} MB", "{size} MB"),
    "orders.package.another": ("再生成一个码包", "Another package"),
    "orders.package.another.lead": (
        "可按行范围、收件方和版式另出码包。给收件方的码包首尾带调机码：那几行只印调机废标，永不激活；一旦被扫，即可查出是哪个码包泄漏。",
        (
            "Of some lines, for a recipient, in a layout. A recipient's package begins and ends with set-up lines for "
            "make-ready waste: they are never activated, and name the package if one is ever scanned."
        ),
    ),
    "orders.package.ask": ("生成", "Have it written"),
    "orders.package.asked": ("码包正在生成。", "The package is being written."),
    "orders.recipient": ("收件方", "Recipient"),
    "orders.recipient.none": ("不指定收件方", "Nobody in particular"),
    "orders.recipient.open": ("{name}（无公钥，不加密）", "{name} (no key: not encrypted)"),
    "orders.recipient.hint": (
        "码包将加密给收件方，并带有只属于它的调机码。",
        "Its package is encrypted to it, with set-up codes of its own.",
    ),
    "orders.layout": ("数据文件版式", "Layout of the data file"),
    "orders.spare": ("备品率 %", "Spare, %"),
    "orders.spare.hint": (
        "印刷损耗备用，0 到 {most}，最多两位小数，向上取整。",
        "For waste: 0 to {most}, at most two decimals, rounded up to whole units.",
    ),
    "orders.spare.told": ("订购 {ordered}，备品 {spare}", "{ordered} ordered, {spare} spare"),
    "orders.host": ("印刷域名", "Printed host"),
    "orders.host.hint": (
        "码所指向的域名，留空即用 {url}。印出去的域名要多年有效。",
        "Empty for {url}. What is printed must live for years.",
    ),
    "orders.end": ("结束订单", "End the order"),
    "orders.close": ("关闭订单", "Close the order"),
    "orders.close.lead": (
        "关闭后不再生成、下载码包，服务器上的码包文件会删除；已激活的码照常有效。",
        "No package is made or handed out any more, and those on this server are removed. Its codes work on.",
    ),
    "orders.close.ask": ("关闭此订单并删除码包文件？", "Close the order and remove its package files?"),
    "orders.closed": ("批次 {name} 的订单已关闭。", "The order of batch {name} is closed."),
    "orders.cancel": ("取消订单", "Cancel the order"),
    "orders.cancel.lead": (
        "尚未激活任何码时可以取消：全部行作废，正在进行的生成会停止，码包文件会删除。",
        "Possible while nothing is activated: all lines become void, running jobs stop, package files are removed.",
    ),
    "orders.cancel.ask": (
        "取消此订单并作废全部 {n} 件？此操作不能撤销。",
        "Cancel the order and void all {n} units? This cannot be undone.",
    ),
    "orders.cancel.reason": ("取消理由", "Why"),
    "orders.cancel.yes": ("取消订单并作废", "Cancel and void"),
    "orders.cancelled": (
        "批次 {name} 的订单已取消，全部行已作废。",
        "The order of batch {name} is cancelled; its lines are void.",
    ),
    "problem.spare": ("备品率是 0 到 50 之间的数，最多两位小数。", "A percentage from 0 to 50."),
    "problem.printed_host": (
        "填写域名，例如 https://t.example.cn，只含协议、域名和端口，最多 80 个字符。",
        "A host such as https://t.example.cn.",
    ),
    "problem.recipient": ("没有这个收件方，或已停用。", "There is no such recipient, or it is retired."),
    "problem.layout": ("没有这个版式，或它不适合此批次。", "There is no such layout, or it does not suit the batch."),
    "problem.package_first": ("行号是 1 到批次数量之间的整数。", "A line is a whole number within the batch."),
    "problem.package_last": ("行号是 1 到批次数量之间的整数。", "A line is a whole number within the batch."),
}
