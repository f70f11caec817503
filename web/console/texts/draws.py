"""Words of the console's page `draws`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "draws.title": ("抽奖", "Draws"),
    "draws.lead": (
        "规则和种子的指纹在开始前公布，此后无法更改；结束后任何人都能核对。",
        (
            "Rules and the seed's fingerprint are published before the opening and never change; after the close "
            "anyone can check them."
        ),
    ),
    "draws.wins": ("全部中奖", "All prizes won"),
    "draws.none": ("还没有抽奖", "No draw yet"),
    "draws.none.hint": (
        "抽奖由命令发布：yima draw publish --brand {slug} --rules 文件。",
        "A draw is published by command: yima draw publish --brand {slug} --rules FILE.",
    ),
    "draws.name": ("抽奖", "Draw"),
    "draws.state": ("状态", "State"),
    "draws.state.open": ("进行中", "Open"),
    "draws.state.announced": ("未开始", "Announced"),
    "draws.state.closing": ("到期，正在关闭", "Ended, closing"),
    "draws.state.closed": ("已结束", "Closed"),
    "draws.entries": ("抽奖次数", "Entries"),
    "draws.left": ("剩余奖品", "Prizes left"),
    "draws.left.of": ("{left:,} / {stock:,}", "{left:,} of {stock:,}"),
    "draws.chance": ("公布的中奖率", "Published chance"),
    "draws.closes": ("结束时间", "Closes"),
    "draws.commitment": ("承诺值", "Commitment"),
    "draws.rules": ("积分规则", "Earning rules"),
    "draws.rules.lead": (
        "领取一件商品得到的积分。有自己规则的商品不用通用规则。由命令设置：yima rule set。",
        (
            "What a claim of a product earns. A product with a rule of its own does not use the general one. Set by "
            "command: yima rule set."
        ),
    ),
    "draws.rules.none": ("还没有积分规则：领取不得积分。", "No earning rule yet: claims earn no points."),
    "draws.rule": ("规则", "Rule"),
    "draws.rule.value": ("{id} 第 {version} 版", "{id}, version {version}"),
    "draws.rule.any": ("没有自己规则的商品", "Products without a rule of their own"),
    "draws.rule.expires": ("有效期", "Expiry"),
    "draws.rule.days": ("{n:,} 天", "{n:,} days"),
    "draws.rule.from": ("生效", "From"),
    "draws.rule.until": ("失效", "Until"),
    "wins.title": ("全部中奖", "All prizes won"),
    "wins.lead": ("各次抽奖中的奖品，最新的在前。", "Prizes won in all draws, the newest first."),
    "wins.none": ("这段时间没有中奖", "No prize was won in this time"),
    "wins.none.hint": ("换一段时间再看。", "Look at another time."),
    "wins.prize": ("奖品", "Prize"),
    "wins.number": ("序号", "Entry"),
    "wins.entrant": ("参与标记", "Entrant"),
    "wins.state": ("兑现", "Fulfilment"),
    "draw.words": ("规则", "Rules in words"),
    "draw.period": ("时间", "Period"),
    "draw.period.value": ("{opens} 至 {closes}（不含）", "{opens} to {closes} (exclusive)"),
    "draw.products": ("参加的商品", "Products"),
    "draw.products.all": ("品牌的所有商品", "All products of the brand"),
    "draw.limit": ("每人上限", "Limit a person"),
    "draw.limit.ever": ("总共 {n:,} 次", "{n:,} entries in all"),
    "draw.limit.day": ("每天 {n:,} 次", "{n:,} a day"),
    "draw.limit.none": ("无", "None"),
    "draw.ends": ("奖品抽完时", "When a prize runs out"),
    "draw.ends.nothing": ("不中奖", "The entry wins nothing"),
    "draw.ends.prize": ("改得：{prize}", "It wins instead: {prize}"),
    "draw.nothing": ("不中奖的概率", "Chance of winning nothing"),
    "draw.published.at": ("公布于", "Published"),
    "draw.closed.at": ("结束于", "Closed"),
    "draw.hash.rules": ("规则指纹 SHA-256", "Rules, SHA-256"),
    "draw.hash.seed": ("种子承诺值 SHA-256", "Seed commitment, SHA-256"),
    "draw.document": ("规则文件（公布原文）", "The rules document as published"),
    "draw.stock": ("奖品余量", "Stock"),
    "draw.stock.value": ("{prize}：余 {left:,}，共 {stock:,}", "{prize}: {left:,} left of {stock:,}"),
    "draw.worth": ("每份 {yuan} 元", "{yuan} CNY each"),
    "draw.days": ("每日抽奖", "Entries a day"),
    "draw.days.entries": ("抽奖", "Entries"),
    "draw.days.wins": ("中奖", "Wins"),
    "draw.log": ("抽奖记录", "The log"),
    "draw.log.lead": (
        "序号连续无缺；参与标记代替个人，也写在证明文件里。",
        "Numbers without a gap; the entrant's mark stands for the person, in the proof too.",
    ),
    "draw.log.all": ("全部", "All entries"),
    "draw.log.won": ("只看中奖", "Wins only"),
    "draw.log.none": ("还没有人抽奖", "No entry yet"),
    "draw.log.none.won": ("还没有人中奖", "Nothing won yet"),
    "draw.log.hint": ("领取参加活动的商品时自动抽奖。", "A claim of a product that takes part enters by itself."),
    "draw.log.outcome": ("结果", "Outcome"),
    "draw.log.nothing": ("未中奖", "Nothing"),
    "draw.proof.take": ("下载证明文件", "Download the proof"),
    "draw.proof.open": (
        "抽奖结束后才有证明文件：在此之前，种子对谁都不公开。",
        "There is no proof before the draw is closed: its seed is nobody's to see until then.",
    ),
    "draw.proof.large": (
        "这次抽奖超过 {n:,} 次，请用命令生成证明文件：yima draw proof --draw {name} --out 文件。",
        "This draw has more than {n:,} entries: write its proof by yima draw proof --draw {name} --out FILE.",
    ),
    "draw.close": ("提前结束", "Close now"),
    "draw.close.question": (
        "结束后不能再抽奖，也不能重新打开；剩余奖品不再发放。公布的结束时间是 {at}：提前结束请先确认规则允许。",
        (
            "No entry is possible afterwards, and it cannot be opened again; prizes left stay unwon. The announced "
            "end is {at}: make sure that your rules allow an earlier one."
        ),
    ),
    "draw.closed.done": ("抽奖已结束，证明文件可以下载了。", "The draw is closed; its proof can be downloaded."),
    "draw.closed.before": ("抽奖此前已经结束。", "The draw was closed before."),
}
