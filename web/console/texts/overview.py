"""Words of the console's page `overview`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "overview.title": ("概览", "Overview"),
    "overview.lead": (
        "统计截至 {at}（北京时间）。点任意数字，查看它所计的每一行。",
        "As of {at}, China time. Every figure leads to the rows that it counts.",
    ),
    "overview.slow": (
        "统计超过 8 秒，已停止。请稍后重新打开此页。",
        "Counting took longer than 8 seconds and was stopped. Open the page again in a while.",
    ),
    "overview.held": ("有 {n:,} 笔领取待您核查。", "{n:,} claims wait for a decision."),
    "overview.held.one": ("有 1 笔领取待您核查。", "One claim waits for a decision."),
    "overview.held.note": ("消费者的奖励在此期间暂缓。", "The consumers' rewards are held meanwhile."),
    "overview.today": ("今天", "Today"),
    "overview.today.lead": (
        "从 {since} 起，与一周前的同一天到同一时刻相比。",
        "Since {since}, beside the same day a week ago up to the same time of day.",
    ),
    "overview.today.was": ("一周前此时 {was}", "a week ago {was}"),
    "overview.today.forged": ("一周前全天 {was}", "that whole day a week ago {was}"),
    "overview.week": ("最近 7 天", "Last 7 days"),
    "overview.week.lead": (
        "{since} 到 {until}，与再往前的 7 天相比。",
        "From {since} to {until}, beside the 7 days before.",
    ),
    "overview.week.was": ("前 7 天 {was}", "the 7 days before {was}"),
    "overview.week.forged": ("前 7 天 {was}", "the 7 days before {was}"),
    "overview.scans": ("扫码", "Scans"),
    "overview.first": ("首次扫码", "First scans"),
    "overview.joined": ("新会员", "Members joined"),
    "overview.points": ("发放积分", "Points given"),
    "overview.prizes": ("中奖", "Prizes won"),
    "overview.copied": ("疑似复制", "Copied codes"),
    "overview.outside": ("区域外扫码", "Outside the territory"),
    "overview.early": ("激活前扫码", "Before activation"),
    "overview.forged": ("伪造尝试", "Forged tries"),
    "overview.forged.note": (
        (
            "伪造尝试按 UTC 日计数（北京时间 8:00 到次日 8:00），计入码中所写密钥所属的品牌；"
            "根本不成码的输入不属于任何品牌，不计在内。疑似复制、区域外、激活前按扫码次数计。"
        ),
        (
            "Forged tries are counted by UTC day (8:00 to 8:00 in China) for the brand whose key the code names; "
            "texts that are no code at all belong to nobody and are left out. Copied, outside and early are "
            "numbers of scans."
        ),
    ),
    "overview.none": ("最近 {n} 天没有扫码", "No scan in the last {n} days"),
    "overview.none.hint": (
        "印好的码激活之后，第一次扫码几秒钟内就会出现在这里。",
        "Once printed codes are activated, the first scan appears here within seconds.",
    ),
    "overview.all": ("扫码", "Scans"),
    "overview.day": ("日期", "Day"),
    "overview.hour": ("时段", "Hour"),
    "overview.unknown": ("地点不明", "Place not known"),
    "overview.days": ("每日扫码，最近 {n} 天", "Scans a day, last {n} days"),
    "overview.days.note": (
        "发奖：得到积分或抽奖；首看：可领而未领；重复：已领过的码；等待：暂缓或未激活；拦下：拒绝、失效、非签发。",
        (
            "Rewarded: points or a draw. Looked up: claimable, not claimed. Again: claimed before. "
            "Waiting: held or not activated. Stopped: refused, voided, never issued."
        ),
    ),
    "overview.group.rewarded": ("发奖", "Rewarded"),
    "overview.group.looked": ("首看", "Looked up"),
    "overview.group.again": ("重复", "Again"),
    "overview.group.waiting": ("等待", "Waiting"),
    "overview.group.stopped": ("拦下", "Stopped"),
    "overview.outcomes": ("扫码结果，最近 {n} 天", "Outcomes, last {n} days"),
    "overview.outcomes.one": ("结果", "Outcome"),
    "overview.outcomes.note": ("每次扫码恰有一个结果。", "Each scan has exactly one outcome."),
    "overview.hours": ("一天中的时段，最近 {n} 天", "Hours of the day, last {n} days"),
    "overview.hours.note": ("北京时间，各日相加。", "China time, all days together."),
    "overview.provinces": ("省份，最近 {n} 天", "Provinces, last {n} days"),
    "overview.provinces.one": ("省份", "Province"),
    "overview.provinces.note": (
        "有精确位置的按位置，否则按网络地址；网络地址有时会错省。",
        "By precise place where there is one, else by network address, which is sometimes wrong.",
    ),
    "overview.products": ("商品，最近 {n} 天", "Products, last {n} days"),
    "overview.products.one": ("商品", "Product"),
    "overview.products.note": (
        "从未签发的码没有商品，不在此列。",
        "Codes never issued have no product and are not here.",
    ),
}
