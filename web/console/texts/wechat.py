"""Words of the console's page of a brand's apps at WeChat."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "wechat.title": ("微信登录", "Sign-in with WeChat"),
    "wechat.lead": (
        "消费者在微信内扫码时，可以一键登录，不必输入手机号。密钥保存后不再显示。",
        "Within WeChat consumers sign in by one tap, without a phone number. A secret is never shown again.",
    ),
    "wechat.back": ("返回品牌设置", "Back to brand settings"),
    "wechat.open": ("设置微信登录", "Set up sign-in with WeChat"),
    "wechat.set": ("已设置", "Set"),
    "wechat.unset": ("未设置", "Not set"),
    "wechat.official": ("公众号（服务号）", "Official account (service account)"),
    "wechat.official.lead": (
        "须为已认证的服务号，并在公众平台把 {host} 登记为网页授权域名。",
        "It must be a verified service account, with {host} registered there as the page authorisation domain.",
    ),
    "wechat.mini": ("小程序", "Mini Program"),
    "wechat.mini.lead": (
        "小程序用 wx.login 取得凭证，再调用 POST /api/v1/sign-in/wechat。",
        "The Mini Program takes a code by wx.login and calls POST /api/v1/sign-in/wechat.",
    ),
    "wechat.app_id": ("AppID", "App id"),
    "wechat.secret": ("AppSecret", "App secret"),
    "wechat.secret.hint": ("32 位字母和数字，加密保存。", "32 letters and digits; stored encrypted."),
    "wechat.secret.kept": ("留空则沿用已保存的密钥。", "Left empty, the stored one is kept."),
    "wechat.scope": ("授权方式", "What WeChat asks"),
    "wechat.scope.snsapi_base": ("静默授权（snsapi_base）", "Nothing (snsapi_base)"),
    "wechat.scope.snsapi_base.why": (
        "不弹窗。公众号与小程序中的同一人会是两个会员。",
        "No question. The same person by account and by Mini Program are two members.",
    ),
    "wechat.scope.snsapi_userinfo": ("用户确认（snsapi_userinfo）", "The person's consent (snsapi_userinfo)"),
    "wechat.scope.snsapi_userinfo.why": (
        "微信弹窗确认，并给出 unionid：两者绑定同一开放平台账号时，同一人是一个会员。",
        "WeChat asks, and gives the unionid: bound to one open-platform account, one person is one member.",
    ),
    "wechat.failed": (
        "微信在 {at} 拒绝了此应用（错误码 {errcode}）：请核对 AppID、AppSecret 和 IP 白名单。",
        "At {at} WeChat refused this app (errcode {errcode}): look at app id, secret and the IP list there.",
    ),
    "wechat.saved": ("已保存，两秒内生效。", "Saved; in force within two seconds."),
    "wechat.remove": ("移除", "Remove"),
    "wechat.remove.ask": (
        "移除后密钥即被删除，微信登录随之关闭；已登录的会员不受影响。",
        "The secret is deleted and this sign-in ends; members who came by it stay members.",
    ),
    "wechat.removed": ("已移除。", "Removed."),
    "problem.app_id": ("AppID 是 wx 加 16 位小写字母或数字。", "The app id is wx and 16 small letters or digits."),
    "problem.secret": (
        "AppSecret 是 32 位字母和数字；更换 AppID 时须一并填写。",
        "The app secret is 32 letters and digits; another app needs its own.",
    ),
    "problem.scope": ("请选择授权方式。", "Choose what WeChat asks."),
}
