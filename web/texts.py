"""The pages' words, Chinese and English side by side; the sentences about a scan come with the scan's reply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final, Literal, get_args

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

Say = Callable[..., str]
"""Gives the text of a key in the page's language, its gaps filled with the keyword arguments."""

_CHINA: Final = timezone(timedelta(hours=8))

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # Frame
    "name": ("一码", "Yima"),
    "skip": ("跳到正文", "Skip to the content"),
    "nav.label": ("网站导航", "Site"),
    "nav.me": ("我的", "My account"),
    "nav.figures": ("演示数据", "Figures"),
    "foot.operator": ("本页由{name}运营", "Operated by {name}"),
    "foot.privacy": ("隐私政策", "Privacy policy"),
    "foot.service": ("客服：{where}", "Help: {where}"),
    "claim.elsewhere": ("前往会员中心领取", "Go on to the member centre"),
    "claim.elsewhere.note": ("将打开 {host}，在那里登录并领取。", "Opens {host}, where you sign in and claim."),
    "foot.promise": ("看码不领奖；您点按钮才算扫码。", "Looking claims nothing; only your tap does."),
    # Home
    "home.title": ("核对商品上的码", "Look up the code on a product"),
    "home.lead": (
        "用手机扫描包装上的二维码，或在这里输入码，就能知道它由谁签发、此前是否有人扫过。",
        "Scan the QR code on the pack or type its code: learn who issued it and who was there before.",
    ),
    "home.label": ("20 位码", "The 20 symbols"),
    "home.hint": (
        "印在二维码旁边，每四位一组。大小写、空格和连字符都没关系。",
        "Printed beside the QR code in groups of four. Capitals, spaces and hyphens do not matter.",
    ),
    "home.go": ("查询", "Look up"),
    "home.empty": ("请先输入码。", "Type the code first."),
    # Landing
    "look.first": ("首次扫描", "First scan"),
    "look.seen": ("此前已被扫描", "Scanned before"),
    "look.leaked": ("需人工核实", "A person looks at this"),
    "look.claimed": ("奖励已被领取", "Reward already taken"),
    "look.outer": ("这是外码", "This is the outer code"),
    "look.inactive": ("尚未激活", "Not activated yet"),
    "look.voided": ("此码不能使用", "This code cannot be used"),
    "look.recalled": ("正在召回", "Recalled"),
    "look.forged": ("不是我们签发的码", "Not a code of ours"),
    "look.malformed": ("码不完整", "Not a whole code"),
    "facts.brand": ("签发方", "Issued by"),
    "facts.product": ("商品", "Product"),
    "facts.before": ("此前扫描", "Earlier scans"),
    "facts.never": ("无", "None"),
    "facts.once": ("1 次，{when}", "Once, {when}"),
    "facts.times": ("{n} 次，首次{when}", "{n} times, first {when}"),
    "facts.gtin": ("商品条码", "GTIN"),
    "facts.batch": ("批次", "Batch"),
    "facts.code": ("码", "Code"),
    "claim.go": ("领取奖励", "Check in and take my reward"),
    "claim.keep": ("登记，为我保留奖励", "Check in and keep my reward"),
    "claim.record": ("登记这次扫码", "Check in"),
    "claim.anonymous": ("不登录，只记录这次扫码", "Record this scan without signing in"),
    "claim.retrying": (
        "网络不稳，正在自动重试。您的领取不会重复，也不会丢失。",
        "The network is poor; trying again. Your claim is neither lost nor doubled.",
    ),
    "claim.resumed": (
        "正在完成您刚才的登记，不会重复领取。",
        "Finishing what you tapped before; nothing is claimed twice.",
    ),
    "claim.failed": (
        "仍然没有网络。网络恢复后会自动继续，也可以再点一次，不会重复领取。",
        "Still no network. It goes on by itself when there is one, or tap again; nothing is claimed twice.",
    ),
    "offline": (
        "您已离线。此页内容仍然有效；网络恢复后会自动继续。",
        "You are offline. What this page says stays true; it goes on by itself when you are back.",
    ),
    # Work that is asked of whoever is in doubt
    "work.title": ("安全验证", "A safety step"),
    "work.noscript": (
        "此前从这里试过许多码。此浏览器不运行脚本，无法完成验证。",
        "Many codes were tried from here. This browser runs no scripts, so it cannot do the step.",
    ),
    "work.lead": (
        "此前从这里试过许多码，所以您的手机需要先算几秒钟。不用做任何事，也不收集任何信息；奖励不受影响。",
        (
            "Many codes were tried from here, so your phone computes for some seconds first. You need not do anything, "
            "nothing is collected, and your reward is not touched."
        ),
    ),
    "work.without": ("不做验证，直接提交", "Go on without"),
    "work.without.note": (
        "这样提交后，由品牌人工核实您的领取。",
        "Then a person at the brand looks at your claim before it is paid.",
    ),
    # Claim later
    "later.title": ("本机记住的码", "Codes that this phone keeps"),
    "later.until": ("保留到{until}", "kept until {until}"),
    "later.note": (
        "不登录时，本机会记住此码 24 小时，方便您稍后领取；奖励不会为您预留，谁先登录领取归谁。",
        (
            "Without signing in, this phone keeps the code for 24 hours so that you can claim later. "
            "Nothing is reserved: the reward goes to whoever signs in and claims first."
        ),
    ),
    "later.lead": (
        "这次扫码已记录，奖励尚未领取。现在登录即可领取，24 小时内也可从首页或“我的”回来。",
        "Your scan is recorded and the reward not taken yet. Sign in now, or within 24 hours from “My account”.",
    ),
    "age.confirm": ("我已满 18 周岁", "I am 18 or older"),
    "age.why": (
        "法律不允许向未成年人提供酒类商品的奖励。我们只记录您的确认和时间，不问生日。",
        "The law keeps rewards for alcohol from minors. We keep your word and its time, and ask for no date of birth.",
    ),
    "location.share": ("同时告诉品牌我的位置（可选）", "Also tell the brand where I am (optional)"),
    "location.why": (
        "位置帮助品牌了解商品流向哪里。不提供不影响您的任何权益。",
        "It tells the brand where its goods surface; refusing costs you nothing.",
    ),
    "location.asking": ("正在获取位置…您可以不等，直接点按钮。", "Finding your place… you need not wait for it."),
    "location.shared": ("登记时将一并提供您的位置。", "Your place will be sent with your check-in."),
    "location.undo": ("不提供位置", "Do not send my place"),
    "location.refused": ("不提供位置，完全不影响领取。", "No place will be sent. It changes nothing for you."),
    # Sign-in
    "sign.title": ("登录并领取奖励", "Check in and take my reward"),
    "sign.lead": ("先用手机号登录，然后回到这里。", "Sign in with your phone number first; then you are back here."),
    "sign.title.keep": ("登录，为我保留奖励", "Check in and keep my reward"),
    "sign.title.plain": ("登录", "Sign in"),
    "sign.other": (
        "您登录的是另一品牌的会员。用手机号登录{brand}即可领取。",
        "You are signed in with another brand. Sign in with {brand} to take the reward.",
    ),
    "sign.phone": ("手机号", "Phone number"),
    "sign.send": ("发送验证码", "Send me a code"),
    "sign.consent": (
        "点击即表示您同意加密保存此手机号，仅用于登录和发放奖励。",
        "By tapping you agree that we store this number, encrypted, for sign-in and rewards only.",
    ),
    "sign.code.title": ("输入验证码", "Enter the code"),
    "sign.code.sent": (
        "已向 {phone} 发送 6 位验证码，5 分钟内有效。",
        "Six digits were sent to {phone}; they last five minutes.",
    ),
    "sign.code": ("6 位验证码", "Six digits"),
    "sign.enter": ("登录", "Sign in"),
    "sign.back": ("换一个手机号", "Use another number"),
    "sign.again": ("重新发送", "Send again"),
    "sign.unsent": (
        "没有网络，验证码没有发出。请稍后再点一次。",
        "No network: no code was sent. Tap again in a moment.",
    ),
    "sign.failed": (
        "网络不稳，没有登录成功。请再点一次；如提示验证码无效，请重新获取。",
        "The network failed, and you are not signed in. Tap again; if the code is refused, ask for a new one.",
    ),
    "sign.out": ("退出登录", "Sign out"),
    "sign.scan": (
        "请先扫描任一商品上的码，在那里登录。",
        "Scan the code on any product first; you sign in there.",
    ),
    # Sign-in with WeChat
    "wechat.go": ("微信一键登录", "Sign in with WeChat"),
    "wechat.consent": (
        "点击即表示您同意加密保存微信给出的身份编号，仅用于登录和发放奖励。",
        "By tapping you agree that we store WeChat's identifier of you, encrypted, for sign-in and rewards only.",
    ),
    "wechat.or": ("或用手机号登录", "Or sign in by phone"),
    "wechat.ended": ("没有登录", "Not signed in"),
    "wechat.home": ("返回首页", "Back to the start"),
    # Result
    "outcome.awarded": ("奖励已到账", "Reward added"),
    "outcome.authentic": ("扫码已记录", "Scan recorded"),
    "outcome.held": ("已登记，待核实", "Registered, to be looked at"),
    "outcome.inactive": ("尚未激活", "Not activated yet"),
    "outcome.repeat": ("您已领取过", "You have claimed this already"),
    "outcome.taken": ("奖励已被他人领取", "Taken by somebody else"),
    "outcome.refused": ("此次领取未通过", "Claim not accepted"),
    "outcome.voided": ("此码不能使用", "This code cannot be used"),
    "outcome.forged": ("不是我们签发的码", "Not a code of ours"),
    "outcome.malformed": ("码不完整", "Not a whole code"),
    "result.points": ("+{n} 积分", "+{n} points"),
    "result.balance": ("积分余额", "Points balance"),
    "result.prize": ("抽中", "You won"),
    "result.receipt": ("抽奖凭证", "Your receipt"),
    "result.receipt.lead": (
        "请保存：抽奖结束后，可用它核对结果是否如实。",
        "Keep these: once the draw is closed you can check with them that it was honest.",
    ),
    "result.entry": ("抽奖序号", "Entry number"),
    "result.scan": ("扫码编号", "Scan id"),
    "result.draw": ("此抽奖的规则与核对方法", "This draw's rules and how to check it"),
    "result.me": ("查看我的积分与奖品", "My points and prizes"),
    "result.back": ("返回此码", "Back to the code"),
    "outcome.kept": ("奖励已为您保留", "Your reward is kept"),
    "mine.kept": ("奖励已为您保留", "Your reward is kept"),
    "mine.kept.told": (
        "此码由{brand}签发，尚未激活；您的奖励已保留。",
        "{brand} issued this code, which is not activated yet; your reward is kept.",
    ),
    "mine.held": ("已登记，待核实", "Registered, to be looked at"),
    "mine.held.told": (
        "此码由{brand}签发；您的领取已登记，等待人工核实。",
        "{brand} issued this code; your claim is registered and waits for a person.",
    ),
    "mine.paid": ("您已领取过", "You have claimed this"),
    "mine.paid.told": ("此码由{brand}签发，奖励由您领取。", "{brand} issued this code, and its reward is yours."),
    "notice.title": ("{brand}的告知", "What {brand} says"),
    # Where a member stands with a reward, and appeals
    "standing.title": ("您的奖励", "Your reward"),
    "standing.kept": (
        "此码尚未激活。您的奖励已保留，激活后自动发放，无需再扫。",
        "This code is not activated yet. Your reward is kept and paid on activation; there is no need to scan again.",
    ),
    "standing.held": ("您的领取正在等待人工核实。", "Your claim waits for a person to look at it."),
    "standing.refused": ("您的领取未通过规则审核。", "A rule did not accept your claim."),
    "reason.place": (
        "原因：此码在相距很远的两地先后出现，可能被人复制。",
        "The reason: this code turned up at two places far apart, so it may have been copied.",
    ),
    "reason.key": (
        "原因：制作此码的密钥已外泄，仅凭码无法确认。",
        "The reason: the key that made this code has leaked, so the code alone proves little.",
    ),
    "reason.account": ("原因：您的会员账户已被暂停领取。", "The reason: your account may not claim at present."),
    "reason.page": ("原因：这次领取不是从扫码页面发出的。", "The reason: the claim did not come from the code's page."),
    "reason.check": ("原因：领取前的安全确认没有完成。", "The reason: a check before the claim was not finished."),
    "reason.pace": ("原因：短时间内领取过多。", "The reason: too many claims in a short time."),
    "reason.list": (
        "原因：此码或设备在核查名单上。",
        "The reason: this code or device is on a list to be looked into.",
    ),
    "reason.other": ("原因：触发了一条风险规则。", "The reason: one of our risk rules."),
    "appeal.go": ("请人工复核", "Ask a person to look"),
    "appeal.note": (
        "点一下即提交，不需要填写任何内容；请保留包装和购物凭证。",
        "One tap is enough; there is nothing to fill in. Keep the pack and the receipt.",
    ),
    "appeal.open": ("已请人工复核，最迟 {day} 答复。", "A person will look, and answer by {day} at the latest."),
    "appeal.granted": ("复核通过，奖励已发放。", "A person looked, and your reward is paid."),
    "appeal.declined": ("复核未通过。", "A person looked, and did not accept the claim."),
    "me.waiting": ("等待中的领取与复核", "Claims that wait, and what you asked for"),
    # Reports
    "report.link": ("发现问题？告诉品牌方", "Something is wrong? Tell the brand"),
    "report.title": ("发现问题？", "Something is wrong?"),
    "report.lead": (
        "请告诉{brand}这件“{product}”哪里不对，由人来看。",
        "Tell {brand} what is wrong with this “{product}”; a person reads it.",
    ),
    "report.kind": ("是什么问题", "What is it?"),
    "report.kind.fake": ("怀疑是假货或码被复制", "It may be a fake, or the code a copy"),
    "report.kind.quality": ("商品质量", "The product itself"),
    "report.kind.reward": ("奖励或领取", "The reward"),
    "report.kind.place": ("在不该卖的地方卖", "It is sold where it should not be"),
    "report.kind.other": ("其他", "Something else"),
    "report.words": ("说明（可选）", "In your words (optional)"),
    "report.photo": ("照片（可选）", "A photo (optional)"),
    "report.photo.hint": (
        "JPEG、PNG 或 WebP，最大 10 MB。照片里的位置等信息会去掉。",
        "JPEG, PNG or WebP, at most 10 MB. Where it was taken and the like is dropped.",
    ),
    "report.contact": ("怎样联系您（可选）", "How to reach you (optional)"),
    "report.contact.hint": ("电话或邮箱；不留也会处理。", "A phone number or an address. It is read without, too."),
    "report.send": ("提交", "Send"),
    "report.privacy": (
        "内容、联系方式和照片加密保存，只给品牌方看，最多保存两年。",
        "Words, contact and photo are stored encrypted, for the brand alone, for two years at most.",
    ),
    "report.done": ("已收到", "Thank you"),
    "report.thanks": ("{brand}会有人查看。", "Somebody at {brand} will look at it."),
    "report.number": ("编号", "Number"),
    "report.problem.choice": ("请选择一项。", "Choose one."),
    "report.problem.long": ("太长了：最多 {most} 个字。", "Too long: at most {most} characters."),
    "report.problem.unprintable": ("含有无法显示的字符，请删除。", "It holds characters that cannot be shown."),
    "report.problem.picture_large": ("照片超过 {most} kB，请压缩后再传。", "The photo has more than {most} kB."),
    "report.problem.picture_pixels": ("照片超过 {most} 百万像素。", "The photo has more than {most} million pixels."),
    "report.problem.picture_kind": (
        "无法识别照片：请上传 JPEG、PNG 或 WebP（苹果手机的 HEIC 请先转成 JPEG），或不传照片。",
        "The photo cannot be read: send a JPEG, PNG or WebP (have an iPhone save HEIC as JPEG), or leave it out.",
    ),
    "report.problem.other": ("无法接受这个内容，请检查。", "This cannot be taken; look at it again."),
    # Me
    "me.title": ("我的{brand}会员", "My {brand} account"),
    "me.balance": ("积分余额", "Points balance"),
    "me.pending": ("待发放的领取", "Claims waiting"),
    "me.prizes": ("我的奖品", "My prizes"),
    "me.prizes.none": ("还没有奖品。领取奖励时自动参加抽奖。", "No prize yet. Claiming a reward enters the draws."),
    "me.recent": ("最近的积分变动", "Recent points"),
    "me.recent.none": ("还没有积分变动。", "No points yet."),
    "me.signed_out": ("您还没有登录", "You are not signed in"),
    "entry": ("第 {n} 号", "entry {n}"),
    # Draw
    "draw.title": ("抽奖：{title}", "Draw: {title}"),
    "draw.open": ("进行中", "Open"),
    "draw.closed": ("已于 {day} 结束", "Closed on {day}"),
    "draw.published": ("规则公布于", "Rules published"),
    "draw.entries": ("已抽奖次数", "Entries so far"),
    "draw.odds": ("奖品与中奖率", "Prizes and odds"),
    "draw.none": ("此抽奖没有奖品。", "This draw has no prizes."),
    "draw.fixed": ("事先公布、不能更改的", "Published beforehand and never changed"),
    "draw.hash": ("规则的 SHA-256", "SHA-256 of the rules"),
    "draw.commitment": ("随机种子的 SHA-256（承诺）", "SHA-256 of the seed (the commitment)"),
    "draw.rules": ("规则全文", "The rules in full"),
    "draw.check": ("怎样核对", "How to check it"),
    "draw.check.1": (
        "抽奖开始前，规则与随机种子的指纹已公布在上面。请现在记下它们。",
        "The fingerprints above, of the rules and of the seed, were published beforehand. Note them now.",
    ),
    "draw.check.2": (
        "每次抽奖按顺序编号，结果只由种子和序号决定；保存您的序号和扫码编号。",
        "Entries are numbered in order, and the seed and the number alone decide. Keep your entry number and scan id.",
    ),
    "draw.check.3": (
        "抽奖结束后公布种子和全部记录。任何人都能重新计算每一个结果：",
        "When the draw closes, the seed and the whole log are published. Anyone can recompute every result:",
    ),
    "draw.proof": ("下载证明文件", "Download the proof"),
    "draw.proof.later": ("抽奖结束后，这里提供证明文件。", "The proof can be downloaded here once the draw is closed."),
    # The API's description
    "api.title": ("接口说明", "The HTTP API"),
    "api.version": ("版本 {version}", "Version {version}"),
    "api.english": ("说明文字为英文。", "Its texts are English."),
    "api.programs": ("供程序读取", "For programs"),
    "api.contents": ("目录", "Contents"),
    "api.bearer": ("须带令牌：{who}", "Needs the token of: {who}"),
    "api.bearer.may": ("可带令牌：{who}", "May bear the token of: {who}"),
    "api.fields": ("参数", "Parameters"),
    "api.required": ("必填", "required"),
    "api.body": ("请求体", "Body"),
    "api.answers": ("应答", "Answers"),
    "api.documents": ("数据格式", "Documents"),
    # Figures
    "story.title": ("演示数据", "Figures of the trial"),
    "story.lead": (
        "由原始记录实时统计。地点只到省。",
        "Counted from the raw records as you look. Places are given by province only.",
    ),
    "story.scans": ("扫码", "Scans"),
    "story.units": ("被扫过的商品", "Units scanned"),
    "story.members": ("会员", "Members"),
    "story.points": ("发放积分", "Points earned"),
    "story.copied": ("疑似复制的码", "Codes seen copied"),
    "story.early": ("激活前扫码", "Scans before activation"),
    "story.outcomes": ("扫码结果", "Scans by outcome"),
    "story.unverified": ("另有不是我们签发的码", "Besides, texts that were no code of ours"),
    "story.provinces": ("各省扫码", "Scans by province"),
    "story.products": ("商品", "Products"),
    "story.claims": ("{scans} 次扫码 · {claims} 次领取", "{scans} scans · {claims} claims"),
    "story.dealers": ("经销商：销区外扫码占比", "Dealers: scans outside their territory"),
    "story.dealers.note": (
        "占比本身不是窜货的证据；是否窜货要按箱检验。",
        "A share alone proves no diversion; only a test on distinct cartons could.",
    ),
    "story.outside": ("{outside} / {placed} 次（{percent}）", "{outside} of {placed} ({percent})"),
    "story.prizes": ("抽奖与剩余奖品", "Draws and prizes left"),
    "story.chance": ("中奖率 {chance}", "Chance {chance}"),
    "story.left": ("剩 {left} / {stock}", "{left} of {stock} left"),
    "story.more": ("另有 {n} 项", "and {n} more"),
    "story.none.scans": ("还没有人扫码。", "Nothing has been scanned yet."),
    "story.none.provinces": ("还没有带地点的扫码。", "No scan with a known place yet."),
    "story.none.products": ("还没有商品。", "No products yet."),
    "story.none.dealers": ("还没有可判断销区的扫码。", "No scan yet that a territory could be judged by."),
    "story.none.prizes": ("还没有抽奖。", "No draws yet."),
    "outcome.short.awarded": ("已发奖", "Rewarded"),
    "outcome.short.authentic": ("已核对，未领奖", "Looked up, nothing claimed"),
    "outcome.short.held": ("待核实", "Held for a look"),
    "outcome.short.inactive": ("尚未激活", "Not activated yet"),
    "outcome.short.repeat": ("本人再次扫描", "Scanned again by the claimant"),
    "outcome.short.taken": ("奖励已被他人领取", "Taken by somebody else"),
    "outcome.short.refused": ("未通过", "Refused"),
    "outcome.short.voided": ("已停用", "Voided"),
    "outcome.short.forged": ("不是我们签发", "Not issued by us"),
    "outcome.short.malformed": ("码不完整", "Not a whole code"),
    # Errors, by code; in English the error's own sentence is shown
    # GS1 resolver
    "resolver.product": ("这是{brand}的商品。", "A product of {brand}."),
    "resolver.links": ("更多信息", "More about it"),
    "resolver.invalid.title": ("这个链接不对", "This link is not right"),
    "resolver.invalid": (
        "它不是有效的 GS1 数字链接，可能是抄写或印刷有误。请重新扫描商品上的码。",
        "It is no valid GS1 Digital Link: something was copied or printed wrong. Scan the code on the product again.",
    ),
    "resolver.unknown.title": ("这里没有这个商品", "Not a product of ours"),
    "resolver.unknown": (
        "这个链接指的商品不在这里登记，我们无法告诉您任何信息。请联系销售者或品牌方。",
        "What this link names is not registered here, so we can tell you nothing of it. Ask the seller or the brand.",
    ),
    "resolver.no_type": (
        "这个商品没有您要的那种信息。",
        "There is nothing of the kind that was asked for about this product.",
    ),
    "error.title": ("出了点问题", "Something is not right"),
    "error.invalid_input": ("输入的内容无法识别，请检查后重试。", ""),
    "error.not_authenticated": ("登录无效或已过期，请重新登录。", ""),
    "error.forbidden": ("不能这样操作。", ""),
    "error.not_found": ("没有找到。", ""),
    "error.conflict": ("与已有的记录不一致，请返回后重新扫码。", ""),
    "error.too_many_codes": (
        "从您的网络查询的码较多，请歇一会儿，稍后再试。您的奖励不受影响。",
        "",
    ),
    "error.too_many": ("操作太频繁，请稍后再试。", ""),
    "error.unavailable": ("服务暂时不可用，请稍后再试。", ""),
    "error.other": ("暂时无法完成，请稍后再试。", ""),
    "error.sign.invalid_input": ("请检查手机号或验证码。", ""),
    "error.sign.not_authenticated": ("验证码不正确、已过期，或不是在本设备上获取的。", ""),
    "error.sign.too_many": ("验证码发送太频繁，请稍后再试。", ""),
    "error.wechat_code": ("微信的登录凭证已使用过，或已超过五分钟。请再登录一次。", ""),
    "error.wechat_risk": ("微信认为此账号存在风险，未予登录。请改用手机号登录。", ""),
    "error.wechat_snapshot": ("当前是微信的网页快照。请先点底部的“使用完整服务”，再登录一次。", ""),
    "error.wechat_busy": ("现在用微信登录的人较多，请一分钟后再试，或改用手机号登录。", ""),
    "error.wechat_away": ("微信暂时没有回应。请再试一次，或改用手机号登录。", ""),
    "error.wechat_misconfigured": ("品牌方的微信登录尚未设置好。请改用手机号登录。", ""),
    "error.wechat_not_offered": ("该品牌没有开通微信登录。", ""),
    "error.wechat_foreign": ("这次登录不是从本浏览器开始的。请重新扫码，再登录。", ""),
    "error.wechat_expired": ("这次登录开始后已超过十分钟。请再登录一次。", ""),
    "error.wechat_used": ("这次登录已经完成过了。请再登录一次。", ""),
    "error.wechat_declined": ("您没有同意微信登录，我们没有保存任何信息。您仍可用手机号登录。", ""),
    "error.wait.title": ("请稍等一会儿", "One moment, please"),
    "error.page.title": ("没有这个页面", "No such page"),
    "error.page": (
        "地址可能不完整。请重新扫码，或输入商品上的码。",
        "The address may be incomplete. Scan again, or type the code.",
    ),
    "error.method": ("请从商品的页面重新开始。", "Start again from the product's page."),
    "error.large": ("提交的内容太大。", "What was sent is too large."),
    "error.defect": ("我们这里出了错，请稍后再试。", "Something went wrong on our side; try again later."),
}


def say(key: str, language: Language, /, **values: object) -> str:
    """The text of `key` in a language, its gaps filled.

    Raises:
        KeyError: there is no such text.
    """
    text = TEXTS[key][LANGUAGES.index(language)]
    return text.format(**values) if values else text


def choose_language(asked: str | None, remembered: str | None, accepted: str) -> Language:
    """The page's language: what the address asks for, else what was chosen before, else what the browser speaks.

    Args:
        asked: the value of `?lang=`, if any.
        remembered: the value of the language cookie, if any.
        accepted: the Accept-Language header (RFC 9110 §12.5.4).

    Returns:
        The acceptable language of the greatest weight; Chinese where none of ours is named.
    """
    for given in (asked, remembered):
        for language in LANGUAGES:
            if given == language:
                return language
    best: Language = "zh"
    best_weight = 0.0
    for part in accepted[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        for language in LANGUAGES:
            if tag.strip().lower().split("-")[0] == language and weight > best_weight:
                best, best_weight = language, weight
    return best


def day(at: datetime, language: Language) -> str:
    """A day as China's calendar has it: `2026年5月3日`, `3 May 2026`."""
    local = at.astimezone(_CHINA)
    if language == "zh":
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def minute(at: datetime, language: Language) -> str:
    """A day and time of day in China."""
    return f"{day(at, language)} {at.astimezone(_CHINA):%H:%M}"


def percent(part: int, whole: int) -> str:
    """A share as per cent with one decimal; nothing of nothing is 0%."""
    return f"{100 * part / whole:.1f}%" if whole else "0%"


# Not strftime's: month names there follow the machine's locale.
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _weight(parameter: str) -> float:
    """A quality value; what cannot be read counts as not acceptable."""
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip().lower() == "q" and 0 <= weight <= 1 else 0.0
