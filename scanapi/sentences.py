"""What a consumer is told: one sentence an outcome, in Chinese and English, that says what happened and what to do.

The page never says "genuine" on the strength of a copyable code: it says who issued it and whether this is its
first scan. A stranger is told the day and the province of the first scan, not the minute and the place.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final, Literal

Language = Literal["zh", "en"]

CHINA: Final = timezone(timedelta(hours=8))

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "malformed": (
        "这不是一个完整的码。请对准整个二维码重新扫描，或核对输入的 20 位字符。",
        "This is not a whole code. Scan the full QR code again, or compare the 20 characters you typed.",
    ),
    "forged": (
        "这个码不是我们签发的。请不要使用该商品，并联系销售者或品牌方。",
        "We did not issue this code. Do not use the product; ask the seller or the brand.",
    ),
    "voided.void": (
        "{brand}已将此码作废，不能再使用。请联系品牌方。",
        "{brand} has voided this code; it can no longer be used. Please ask the brand.",
    ),
    "voided.recalled": (
        "此商品正在召回，请勿使用，并联系{brand}退换。",
        "This product is being recalled. Do not use it; ask {brand} for a return.",
    ),
    "voided.frozen": (
        "此码已被{brand}暂停使用，正在核查。请稍后再扫或联系品牌方。",
        "{brand} has frozen this code while it is being looked into. Scan again later or ask the brand.",
    ),
    "voided.expired": (
        "此码已过有效期，不能再参加活动。",
        "This code has expired and takes part in no campaign any more.",
    ),
    "voided.leaked": (
        "制作此码的密钥已外泄，{brand}已停用尚未扫过的码。如果商品是您购买的，请保留包装和购物凭证并向{brand}申诉，由人工核实。",
        (
            "The key that made this code has leaked, so {brand} has stopped the codes that nobody had scanned yet. If "
            "you have bought the product, keep pack and receipt and appeal to {brand}: a person will look at it."
        ),
    ),
    "leaked": (
        "此码的密钥已外泄，仅凭此码不能说明商品的来历。请保留包装和购物凭证，登录后扫码登记，由{brand}人工核实；也可直接向{brand}申诉。",
        (
            "The key that made this code has leaked: the code alone does not tell where the product comes from. Keep "
            "pack and receipt, sign in and scan to register your claim, which a person at {brand} will look at; or "
            "appeal to {brand} directly."
        ),
    ),
    "leaked.kept": (
        "已登记您的领取。此码的密钥已外泄，{brand}将由人工核实后发放；请保留包装和购物凭证，有疑问可向{brand}申诉。",
        (
            "Your claim is registered. The key that made this code has leaked, so a person at {brand} looks at it "
            "before it is paid. Keep pack and receipt; you can appeal to {brand}."
        ),
    ),
    "inactive.kept": (
        "此码由{brand}签发，但尚未激活。您的奖励已为您保留，激活后自动发放。",
        "{brand} issued this code, but it is not activated yet. Your reward is kept and will be paid on activation.",
    ),
    "inactive": (
        "此码由{brand}签发，但尚未激活。如果是刚购买的商品，请登录后再扫，奖励会为您保留。",
        (
            "{brand} issued this code, but it is not activated yet. If you have just bought it, sign in and scan "
            "again: your reward will be kept."
        ),
    ),
    "inactive.unrewarded": (
        "此码由{brand}签发，但尚未激活。如果是刚购买的商品，请稍后再扫，或联系{brand}。",
        "{brand} issued this code, but it is not activated yet. If you have just bought it, scan later or ask {brand}.",
    ),
    "inactive.age": (
        "此码由{brand}签发，但尚未激活。请先确认您已满 18 周岁，奖励才能为您保留。",
        "{brand} issued this code, but it is not activated yet. Confirm that you are 18 or older to keep the reward.",
    ),
    "repeat": (
        "您已领取过此码的奖励{first}。",
        "You have taken this code's reward already{first}.",
    ),
    "repeat.pending": (
        "您的领取已登记，正在等待发放。",
        "Your claim is registered and waiting to be paid.",
    ),
    "taken": (
        "此码由{brand}签发，但奖励已被他人领取{first}。如果包装在您手中才第一次打开，请联系品牌方。",
        (
            "{brand} issued this code, but somebody else has taken its reward{first}. If you were the first to open "
            "the pack, please ask the brand."
        ),
    ),
    "refused": (
        "此次领取未通过。码仍然有效；如有疑问请联系{brand}。",
        "This claim was not accepted. The code stays valid; ask {brand} if you think this is wrong.",
    ),
    "refused.copied": (
        "此次领取未通过：此码被{brand}列为疑似复制。如果包装在您手中才第一次打开，请保留包装和购物凭证并联系{brand}，由人工核实。",
        (
            "This claim was not accepted: {brand} believes that this code was copied. If you were the first to open "
            "the pack, keep it with the receipt and ask {brand}: a person will look at it."
        ),
    ),
    "refused.abuse": (
        "此次领取未通过：{brand}因滥用活动而限制了领取。码仍然有效；如有疑问请联系{brand}，由人工核实。",
        (
            "This claim was not accepted: {brand} has restricted claims because of abuse. The code stays valid; ask "
            "{brand} if you think this is wrong, and a person will look at it."
        ),
    ),
    "refused.stolen": (
        "此次领取未通过：{brand}登记这批货物为被盗。请保留包装和购物凭证并联系{brand}，由人工核实。",
        (
            "This claim was not accepted: {brand} has registered these goods as stolen. Keep pack and receipt and ask "
            "{brand}: a person will look at it."
        ),
    ),
    "held.velocity": (
        "已登记您的领取。短时间内扫码较多，{brand}核实后发放。",
        "Your claim is registered. There were many scans within a short time: {brand} looks at it first.",
    ),
    "held.page_token": (
        "已登记您的领取。此页面已用过一次，{brand}核实后发放；下次请重新扫码打开页面。",
        (
            "Your claim is registered. This page was used before: {brand} looks at the claim before it is paid. Scan "
            "the code again for a fresh page next time."
        ),
    ),
    "held.block_list": (
        "已登记您的领取。您的网络被限制，{brand}将由人工核实后发放。",
        "Your claim is registered. Your network is restricted: a person at {brand} looks at it first.",
    ),
    "held.proof_of_work": (
        "已登记您的领取。您的浏览器没有完成安全验证，{brand}核实后发放。",
        "Your claim is registered. Your browser did not finish the safety step: {brand} looks at it first.",
    ),
    "held": (
        "已登记您的领取，{brand}核实后发放。",
        "Your claim is registered; {brand} will look at it before it is paid.",
    ),
    "awarded": (
        "此码由{brand}签发{seen}。您获得 {points} 积分。",
        "{brand} issued this code{seen}. You earned {points} points.",
    ),
    "awarded.prize": (
        "此码由{brand}签发{seen}。您获得 {points} 积分，并抽中：{prizes}！",
        "{brand} issued this code{seen}. You earned {points} points and won: {prizes}!",
    ),
    "awarded.nothing_won": (
        "此码由{brand}签发{seen}。您获得 {points} 积分，这次没有抽中奖品。",
        "{brand} issued this code{seen}. You earned {points} points; the draw brought no prize this time.",
    ),
    "look": (
        "此码由{brand}签发{seen}。",
        "{brand} issued this code{seen}.",
    ),
    "look.claimed": (
        "此码由{brand}签发，奖励已被领取{first}。如果不是您领取的，请联系品牌方。",
        "{brand} issued this code, and its reward is taken{first}. If that was not you, please ask the brand.",
    ),
    "authentic": (
        "此码由{brand}签发{seen}。登录后即可领取奖励。",
        "{brand} issued this code{seen}. Sign in to take its reward.",
    ),
    "authentic.nothing": (
        "此码由{brand}签发{seen}。目前没有可领取的奖励。",
        "{brand} issued this code{seen}. There is nothing to earn with it at present.",
    ),
    "authentic.unrewarded": (
        "此码由{brand}签发{seen}。按照法律规定，此类商品不参加奖励活动。",
        "{brand} issued this code{seen}. By law, products of this kind take part in no rewards.",
    ),
    "authentic.age": (
        "此码由{brand}签发{seen}。请先确认您已满 18 周岁，再领取奖励；您的奖励没有被领取。",
        "{brand} issued this code{seen}. Confirm that you are 18 or older before you claim; nothing is claimed yet.",
    ),
    "authentic.outer": (
        "此码由{brand}签发{seen}。领取奖励请扫描盖内或刮层下的码。",
        "{brand} issued this code{seen}. For the reward, scan the code under the cap or the scratch layer.",
    ),
    "authentic.other_brand": (
        "此码由{brand}签发{seen}。您登录的是另一品牌的会员，无法领取奖励。",
        "{brand} issued this code{seen}. You are signed in as another brand's member, so there is no reward.",
    ),
}

UNREWARDED: Final = {
    "inactive": "inactive.unrewarded", "authentic": "authentic.unrewarded", "authentic.outer": "authentic.unrewarded",
    "look.claimed": "look",
}  # fmt: skip
"""What is said in place of a sentence that speaks of a reward, of a product that has none."""

_FIRST_SEEN: Final = ("，这是它第一次被扫描", ", and this is its first scan")
_NEVER_SEEN: Final = ("，此前没有人扫描过", ", and nobody has scanned it before")
_SEEN_BY_YOU: Final = ("，首次扫描：{when}", "; you first scanned it {when}")
_SEEN_BEFORE: Final = (
    "，此前已被扫描 {times} 次，首次为{when}{by}",
    "; it was scanned {times_en} before, first {when}{by}",
)
_BY_OTHER: Final = ("（非您本人）", " by somebody else")
_FIRST: Final = ("，首次扫描：{when}", ", first scanned {when}")
_WITHIN: Final = ("{day}，{province}", "on {day} in {province}")
_ON: Final = ("{day}", "on {day}")


def day(at: datetime, language: Language) -> str:
    """A day as China's calendar has it: `2026年5月3日`, `3 May 2026`."""
    local = at.astimezone(CHINA)
    if language == "zh":
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {local:%B} {local.year}"


def when(at: datetime, province: str | None, language: Language) -> str:
    """The day and the province of a scan, or the day alone where the place is not known."""
    at_index = 0 if language == "zh" else 1
    form = (_WITHIN if province else _ON)[at_index]
    return form.format(day=day(at, language), province=province)


def seen(
    scans_before: int,
    first_at: datetime | None,
    province: str | None,
    *,
    yours: bool,
    language: Language,
    other: bool = True,
) -> str:
    """The half sentence that says whether somebody was there before.

    Args:
        scans_before: how many scans came before this one.
        first_at: when the first of them was.
        province: where, if known.
        yours: whether the first one was by whoever is told.
        language: of the sentence.
        other: whether it is known that it was by somebody else (a landing page does not know who looks).
    """
    index = 0 if language == "zh" else 1
    if scans_before == 0 or first_at is None:
        return (_NEVER_SEEN if not other else _FIRST_SEEN)[index]
    moment = when(first_at, province, language)
    if yours:
        return _SEEN_BY_YOU[index].format(when=moment)
    times_en = "once" if scans_before == 1 else f"{scans_before:,} times"
    by = _BY_OTHER[index] if other else ""
    return _SEEN_BEFORE[index].format(times=scans_before, times_en=times_en, when=moment, by=by)


def first(first_at: datetime | None, province: str | None, language: Language) -> str:
    """The half sentence that tells of the first scan; empty where there was none."""
    if first_at is None:
        return ""
    return _FIRST[0 if language == "zh" else 1].format(when=when(first_at, province, language))


def tell(key: str, language: Language, **values: object) -> str:
    """The sentence for an outcome."""
    return SENTENCES[key][0 if language == "zh" else 1].format(**values)
