"""Words of the console's page of alarms."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "alarms.title": ("试码警报", "Alarms"),
    "alarms.lead": (
        "有人在 {minutes} 分钟内试了大量从未签发的码。每个时段最多一条。",
        "Somebody tried many codes that were never issued within {minutes} minutes. One alarm a window at most.",
    ),
    "alarms.waiting": ("待查看", "Waiting"),
    "alarms.all": ("全部", "All"),
    "alarms.none": ("没有警报", "No alarm"),
    "alarms.none.hint": (
        "少量输错的码不会引起警报；每日的数目见“非签发的码”。",
        "A few mistyped codes make no alarm; refused codes tells how many there are each day.",
    ),
    "alarms.by.device": ("设备", "device"),
    "alarms.by.network": ("网段", "network"),
    "alarms.by.key": ("密钥", "key"),
    "alarms.by.unissued": ("密钥相符但未签发", "signed, never issued"),
    "alarms.count": ("至少 {n} 次", "at least {n} tries"),
    "alarms.block": ("拦截", "block"),
    "alarms.unissued": (
        "这些码的签名与密钥相符，却从未签发：密钥可能已外泄。请立即查看该密钥。",
        "These codes bear the key's signature and were never issued: the key may have leaked. Look at it at once.",
    ),
    "alarms.samples": ("样本（脱敏）", "Samples, masked"),
    "alarms.masked": ("长度:开头", "Length:beginning"),
    "alarms.see": ("标为已查看", "I have looked at it"),
    "alarms.seen": ("已标为查看。", "Noted."),
    "alarms.seen.at": ("已于 {at} 查看", "looked at {at}"),
}
