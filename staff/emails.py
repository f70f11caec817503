"""E-mail addresses: judged once, kept in one form. Pure.

The part before the @ is ASCII and the domain is kept in its ASCII (Punycode) form, so that two addresses that
merely look alike are never taken for one, and a look-alike shows as the `xn--` that it is.
"""

from __future__ import annotations

import re

import idna

from kernel.errors import InvalidInput

EMAIL_CHARS_MAX = 254
LOCAL_CHARS_MAX = 64
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_TOP = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{2,59}", re.ASCII)


def parse(text: str) -> str:
    """An address in lower case with an ASCII domain.

    Raises:
        InvalidInput: no address that mail could reach; the sentence says which part is wrong.
    """
    given = text.strip() if len(text) <= 4 * EMAIL_CHARS_MAX else text
    if not given or len(given) > EMAIL_CHARS_MAX:
        raise InvalidInput(
            f"An e-mail address has 3 to {EMAIL_CHARS_MAX} characters.", field="email", reason="email_length"
        )
    local, at, domain = given.rpartition("@")
    if not at or not local or not domain:
        raise InvalidInput("An e-mail address has the form name@example.com.", field="email", reason="email_form")
    if not local.isascii() or len(local) > LOCAL_CHARS_MAX or not _LOCAL.fullmatch(local.lower()):
        raise InvalidInput(
            "Before the @ of an e-mail address stand at most 64 letters a-z, digits and signs such as . _ + -.",
            field="email",
            reason="email_local",
        )
    folded = f"{local.lower()}@{_domain(domain)}"
    if len(folded) > EMAIL_CHARS_MAX:
        raise InvalidInput(
            f"An e-mail address has 3 to {EMAIL_CHARS_MAX} characters.", field="email", reason="email_length"
        )
    return folded


def _domain(domain: str) -> str:
    problem = InvalidInput(
        "After the @ of an e-mail address stands a domain such as example.com.", field="email", reason="email_domain"
    )
    try:
        folded = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise problem from error
    labels = folded.split(".")
    if len(labels) < 2 or not _TOP.fullmatch(labels[-1]):
        raise problem
    return folded
