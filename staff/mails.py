"""The mails to the people of the console, in their own language. They leave through the outbox (kind `mail`).

A mail tells of a link and of nothing else: no name, no brand's figures; mail is read by many.
"""

from __future__ import annotations

import json
from typing import Final

from kernel import outbox
from kernel.crypto import Vault
from kernel.db import Tx
from staff.people import Staff

KIND: Final = "mail"

_SUBJECTS: Final = {
    "reset": ("重设一码管理台的密码", "Set a new password for the Yima console"),
    "invitation": ("邀请您使用一码管理台", "You are invited to the Yima console"),
    "changed": ("一码管理台的密码已更改", "Your password for the Yima console was changed"),
}
_TEXTS: Final = {
    "reset": (
        (
            "您好：\n\n有人（应该是您）要求重设一码管理台的密码。请在 30 分钟内打开下面的链接，设置新密码；"
            "链接只能使用一次。\n\n{link}\n\n如果不是您本人操作，请忽略这封邮件，密码不会改变。\n"
        ),
        (
            "Hello,\n\nSomebody, you we hope, asked for a new password for the Yima console. Open this link within "
            "30 minutes to set one; it works once.\n\n{link}\n\nIf it was not you, do nothing: your password stays as "
            "it is.\n"
        ),
    ),
    "invitation": (
        (
            "您好：\n\n您被邀请使用一码管理台。请在 72 小时内打开下面的链接，设置您的密码；链接只能使用一次。\n\n"
            "{link}\n\n之后请用本邮箱地址和密码登录。如果您不认识邀请人，请忽略这封邮件。\n"
        ),
        (
            "Hello,\n\nYou are invited to the Yima console. Open this link within 72 hours to set your password; "
            "it works once.\n\n{link}\n\nThen sign in with this e-mail address and the password. If you do not know "
            "who invites you, do nothing.\n"
        ),
    ),
    "changed": (
        "您好：\n\n一码管理台的密码刚刚更改，其他登录均已退出。如果不是您本人操作，请立即重设密码：\n\n{link}\n",
        (
            "Hello,\n\nYour password for the Yima console was changed just now, and all other sessions were ended. "
            "If it was not you, set a new one at once:\n\n{link}\n"
        ),
    ),
}


async def put(tx: Tx, vault: Vault, *, to: Staff, kind: str, key: str, link: str) -> None:
    """Add a mail to the outbox in the caller's transaction.

    Args:
        tx: the transaction.
        vault: seals it at rest.
        to: the person.
        kind: `reset`, `invitation` or `changed`.
        key: never changes, so that a mail goes once.
        link: the address in it.
    """
    place = 0 if to.language == "zh" else 1
    body = {
        "to": to.email, "subject": _SUBJECTS[kind][place], "text": _TEXTS[kind][place].format(link=link),
        "language": to.language,
    }  # fmt: skip
    message = outbox.Message(kind=KIND, key=f"mail/{key}", body=json.dumps(body, ensure_ascii=False).encode())
    await outbox.put(tx, vault, [message])
