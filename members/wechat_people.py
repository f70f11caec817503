"""Members who come by WeChat: found by openid or unionid, made at their first sign-in.

The openid names a person within one app and always finds the member that it found before; the unionid names them
within all apps of one open-platform account, and makes one member of those who come by official account and Mini
Program. It is noted as soon as WeChat gives it. Two members that turn out to be one person later stay two: merging is
no matter of signing in.
"""

from __future__ import annotations

from sqlalchemy import text

from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Tx
from members import people
from members.wechat import Person

KIND = "wechat"


def subjects(person: Person) -> list[str]:
    """How a person is named in identities, the steadiest name first."""
    names = [f"openid/{person.app_id}/{person.openid}"]
    return names if person.unionid is None else [*names, f"unionid/{person.unionid}"]


async def sign_in(tx: Tx, vault: Vault, index: BlindIndex, *, brand_id: int, person: Person) -> int:
    """The member whom WeChat named just now; made on the first time.

    First sign-ins of one person at once wait for each other on the names' advisory locks, taken in one order; the
    identities' unique constraint is the wall behind them.
    """
    names = subjects(person)
    marks = [index.of(KIND, name) for name in names]
    for lock in sorted(
        int.from_bytes(index.of("wechat-lock", f"{brand_id}/{name}")[:8], "big", signed=True) for name in names
    ):
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    rows = await tx.execute(
        text("""
            SELECT subject_index, member_id FROM identity
            WHERE brand_id = :brand AND kind = :kind AND subject_index = ANY(CAST(:marks AS bytea[]))"""),
        {"brand": brand_id, "kind": KIND, "marks": marks},
    )
    known = {bytes(row[0]): int(row[1]) for row in rows}
    member_id = next((known[mark] for mark in marks if mark in known), None)
    if member_id is None:
        (member_id,) = await people.join(tx, brand_id=brand_id, count=1, joined_at=now())
    missing = [(mark, name) for mark, name in zip(marks, names, strict=True) if mark not in known]
    if missing:
        await tx.execute(
            text("""
                INSERT INTO identity (brand_id, member_id, kind, subject_index, subject_sealed, verified_at)
                SELECT :brand, :member, :kind, n.mark, n.sealed, :at
                FROM unnest(CAST(:marks AS bytea[]), CAST(:sealed AS bytea[])) AS n(mark, sealed)"""),
            {
                "brand": brand_id,
                "member": member_id,
                "kind": KIND,
                "at": now(),
                "marks": [mark for mark, _ in missing],
                "sealed": [vault.seal(name.encode(), f"identity/{brand_id}") for _, name in missing],
            },
        )
    return member_id
