"""Words of the sign-in, of links that set a password, and of one's own account."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "sign_in.title": ("登录管理台", "Sign in to the console"),
    "sign_in.email": ("邮箱", "E-mail address"),
    "sign_in.password": ("密码", "Password"),
    "sign_in.go": ("登录", "Sign in"),
    "sign_in.forgotten": ("忘记密码？", "Password forgotten?"),
    "sign_in.refused": (
        "邮箱或密码不对。多次失败后，账号会暂停登录 1 到 15 分钟。",
        "Address or password is wrong. After several failures an account waits for 1 to 15 minutes.",
    ),
    "sign_in.wait": (
        "此网络登录失败次数过多，请 {minutes} 分钟后再试。",
        "Too many failures from this network; try again in {minutes} minutes.",
    ),
    "sign_in.code_title": ("两步验证", "Second factor"),
    "sign_in.code": ("验证码", "Code"),
    "sign_in.code_hint": (
        "手机验证器上的 6 位数字；手机不在身边时，可用一个恢复码。",
        "The 6 digits on your phone; without the phone, one of your recovery codes.",
    ),
    "sign_in.code_wrong": ("验证码不对，或已用过；请等下一个。", "This code is wrong or was used; wait for the next."),
    "sign_in.code_missing": ("请输入验证码。", "Enter the code."),
    "sign_in.again": ("换一个账号", "Another account"),
    "sign_in.out": ("已退出登录。", "You are signed out."),
    "reset.title": ("重设密码", "Set a new password"),
    "reset.lead": (
        "输入您的邮箱，我们会发一个链接；30 分钟内有效，只能使用一次。",
        "Enter your address, and we mail you a link; it works once, within 30 minutes.",
    ),
    "reset.ask": ("发送链接", "Send the link"),
    "reset.sent": (
        "如果此邮箱有账号，链接已经发出。请查收邮件（包括垃圾邮件）；一分钟内不会重复发送。",
        ("If this address has an account, a link is on its way. Look into your mail, and the junk folder too; "
        "none is sent twice within a minute."),
    ),
    "reset.no_mail": (
        "本系统尚未配置邮件。请联系系统管理员，由其用 yima staff reset 命令生成链接。",
        "E-mail is not configured here. Ask whoever runs the installation for a link (yima staff reset).",
    ),
    "reset.gone": (
        "此链接已使用或已过期。请重新申请；如果是邀请链接，请邀请人重新发送。",
        "This link was used or has expired. Ask for a new one; an invitation is sent again by who invited you.",
    ),
    "reset.set": ("设置密码", "Set the password"),
    "reset.for": ("账号：{email}", "Account: {email}"),
    "reset.done": ("密码已设置，请登录。", "The password is set. Sign in with it."),
    "reset.back": ("返回登录", "Back to the sign-in"),
    "account.title": ("我的账号", "My account"),
    "account.profile": ("姓名与语言", "Name and language"),
    "account.name": ("姓名", "Name"),
    "account.language": ("邮件与页面的语言", "Language of mails and pages"),
    "account.saved": ("已保存。", "Saved."),
    "account.password": ("密码", "Password"),
    "account.password.old": ("现在的密码", "Present password"),
    "account.password.new": ("新密码", "New password"),
    "account.password.again": ("再次输入新密码", "New password again"),
    "account.password.hint": (
        "12 到 128 个字符；几个不相干的词就很好。",
        "12 to 128 characters; a few words that have nothing to do with each other are good.",
    ),
    "account.password.change": ("更改密码", "Change the password"),
    "account.password_set": ("密码已更改，其他登录均已退出。", "The password is changed; all other sessions ended."),
    "account.totp": ("两步验证", "Second factor"),
    "account.totp.is_off": (
        "未开启。开启后，登录时除密码外还需要手机上的验证码。",
        "Off. When it is on, signing in needs a code of your phone besides the password.",
    ),
    "account.totp.is_on": ("已开启。还有 {n} 个恢复码未用。", "On. {n} recovery codes are left."),
    "account.totp.begin": ("开启", "Switch on"),
    "account.totp.off": ("关闭两步验证", "Switch off"),
    "account.totp.new_codes": ("换一批恢复码", "New recovery codes"),
    "account.totp_off": ("两步验证已关闭。", "The second factor is off."),
    "account.totp.scan": (
        "用手机验证器扫描二维码，再输入它显示的 6 位数字。",
        "Scan the symbol with the authenticator on your phone, then enter the 6 digits that it shows.",
    ),
    "account.totp.symbol": ("验证器二维码", "QR code for the authenticator"),
    "account.totp.secret": ("或手工输入密钥", "Or type the key"),
    "account.totp.confirm": ("确认开启", "Confirm"),
    "account.codes": ("恢复码", "Recovery codes"),
    "account.codes.lead": (
        "手机丢失时，每个恢复码可以代替一次验证码。请现在抄下或打印；以后不再显示，之前的恢复码均已作废。",
        ("Without your phone each of these stands for a code, once. Write them down or print them now: they are not "
        "shown again, and earlier ones no longer work."),
    ),
    "account.codes.kept": ("我已保存", "I have kept them"),
    "account.sessions": ("登录中的设备", "Sessions"),
    "account.sessions.agent": ("浏览器", "Browser"),
    "account.sessions.opened": ("登录时间", "Signed in"),
    "account.sessions.seen": ("最近使用", "Last seen"),
    "account.sessions.this": ("本次登录", "This one"),
    "account.sessions.close": ("退出", "End"),
    "account.sessions.close_all": ("退出其他所有登录", "End all others"),
    "account.sessions_closed": ("已退出 {n} 个登录。", "Sessions ended: {n}."),
    "account.roles": ("您的权限", "Your roles"),
    "account.problem.email_length": ("邮箱地址长 3 到 254 个字符。", "An e-mail address has 3 to 254 characters."),
    "account.problem.email_form": (
        "邮箱地址的格式如 name@example.com。", "An e-mail address has the form name@example.com.",
    ),
    "account.problem.email_local": (
        "邮箱 @ 之前只能是字母、数字和 . _ + - 等符号，最多 64 个。",
        "Before the @ stand at most 64 letters a-z, digits and signs such as . _ + -.",
    ),
    "account.problem.email_domain": (
        "邮箱 @ 之后应是域名，如 example.com。", "After the @ stands a domain such as example.com.",
    ),
    "account.problem.email_taken": ("此邮箱已有账号。", "This e-mail address has an account already."),
    "account.problem.name_length": ("姓名为 1 到 80 个字符。", "A name has 1 to 80 characters."),
    "account.problem.name_unseen": (
        "姓名只能包含可见字符，不能换行。", "A name holds only characters that can be seen: no line breaks.",
    ),
    "account.problem.language": ("语言只能是中文或英文。", "The language is Chinese or English."),
    "account.problem.no_account": ("没有这个账号。", "There is no such account."),
    "account.problem.brand_full": ("一个品牌最多 500 人。", "A brand has at most 500 people."),
    "account.problem.state": ("账号状态只能是启用或停用。", "An account is active or disabled."),
    "account.problem.last_owner": (
        "这是该品牌最后一位可登录的管理员；请先指定另一位管理员。",
        "This is the brand's last owner who can sign in; make somebody else an owner first.",
    ),
    "account.problem.password_length": ("密码为 12 到 128 个字符。", "A password has 12 to 128 characters."),
    "account.problem.password_worst": (
        "这个密码太容易被猜到，请换一个。", "This password is among the first that anybody tries; take another.",
    ),
    "account.problem.password_own": (
        "密码不能主要由您的姓名或邮箱构成。", "This password is little more than your own name or e-mail address.",
    ),
    "account.problem.password_wrong": ("这不是您现在的密码。", "This is not your password."),
    "account.problem.passwords_differ": ("两次输入的密码不一致。", "The two passwords differ."),
    "account.problem.passwords_wait": (
        "密码错误次数过多，请稍后再试。", "Too many wrong passwords; wait a little.",
    ),
    "account.problem.busy": ("登录的人太多，请稍候再试。", "Too many people are signing in; try again in a moment."),
    "account.problem.totp_on": (
        "两步验证已开启；换手机请先关闭。",
        "The second factor is on already; switch it off before you set up another phone.",
    ),
    "account.problem.totp_none_waits": (
        "没有等待确认的两步验证，请重新开始。", "No second factor waits to be confirmed; begin again.",
    ),
    "account.problem.totp_off": ("两步验证未开启。", "The second factor is off."),
    "account.problem.code_wrong": (
        "验证码不对；请检查手机的时间是否准确。", "This code is wrong; is the phone's clock right?",
    ),
    "account.problem.asked_too_often": (
        "此网络请求次数过多，请稍后再试。", "Too many links were asked for from here; try again later.",
    ),
    "account.problem.no_roles": ("请至少选择一个角色。", "Choose at least one role."),
    "account.problem.account_disabled": (
        "此账号已停用；系统管理员可以重新启用。",
        "This account is disabled; whoever runs the installation can enable it.",
    ),
    "account.problem.has_password": ("对方已设置密码，无需再次邀请。", "This person has set a password already."),
    "account.problem.invited_just_now": (
        "邀请刚刚发出，请一分钟后再试。", "An invitation was sent a moment ago; wait a minute.",
    ),
    "account.problem.link_gone": (
        "此链接已使用或已过期，请重新申请。", "This link was used already or has expired; ask for a new one.",
    ),
}  # fmt: skip
