"""What `yima doctor` says of code keys: which batches each covers, its state, and whether it can be opened."""

from __future__ import annotations

from typing import Final

from codegen import coverage, keys, releases
from codegen.coverage import Cover
from codegen.keys import SealedKey
from kernel.errors import YimaError
from traceability import catalogue
from yima.examination import Finding
from yima.runtime import Runtime

KEYS_TOLD_MAX: Final = 50
"""So many keys are told one by one, the newest first; what is wrong with one is always told."""
NAMES_TOLD_MAX: Final = 5


async def keys_of(opened: Runtime) -> list[Finding]:
    """The custody, and every key."""
    custody = opened.vault.custody
    try:
        await custody.probe()
        found = [Finding("key custody", ok=True, said=f"new keys are sealed by: {custody.name}")]
    except YimaError as error:
        found = [Finding("key custody", ok=False, said=error.message)]
    async with opened.db.transaction() as tx:
        slugs = {brand.id: brand.slug for brand in await catalogue.list_brands(tx)}
        known = await keys.list_of(tx)
        covers = await coverage.covers(tx, opened.vault, known)
        words = await releases.releases(tx, [key.id for key in known])
        stored = await keys.read_sealed(tx)
    unreadable = await _unreadable(opened, stored)
    told = 0
    for each in covers:
        finding = _of_key(each, slugs[each.key.brand_id], len(words.get(each.key.id, ())), unreadable.get(each.key.id))
        if not finding.ok or told < KEYS_TOLD_MAX:
            found.append(finding)
            told += 1
    if len(covers) > told:
        found.append(Finding("code keys", ok=True, said=f"{len(covers) - told:,} more; `yima keys list` names them"))
    return found


async def _unreadable(opened: Runtime, stored: list[SealedKey]) -> dict[int, str]:
    answers = await keys.open_keys(opened.vault, stored)
    return {key.id: each.message for key, each in zip(stored, answers, strict=True) if isinstance(each, YimaError)}


def _of_key(cover: Cover, brand: str, words: int, why: str | None) -> Finding:
    """One key in a sentence. Pure."""
    key, kept = cover.key, cover.kept
    names = ", ".join(cover.names[:NAMES_TOLD_MAX])
    more = cover.batches - min(len(cover.names), NAMES_TOLD_MAX)
    said = f"{brand}, {key.standing}, {cover.batches:,} batches" + (f" ({names}" if names else "")
    said += (f" and {more:,} more)" if more else ")") if names else ""
    said += f", {cover.used_share:.2%} used, {kept.custodian} {kept.mark}"
    wrong = []
    if why is not None:
        wrong.append(f"cannot be opened: {why}")
    elif not kept.newest:
        said += "; sealed under an older key: `yima keys rewrap`"
    if key.standing == "unreleased":
        said += f"; {words} of {releases.PEOPLE} people released it"
    if cover.nearly_used_up:
        wrong.append(f"nearly used up: `yima keys rotate --brand {brand}`")
    if key.leaked_at is not None:
        said += f"; leaked {key.leaked_at:%Y-%m-%d %H:%M} UTC"
    return Finding(f"key {key.id}", ok=not wrong, said="; ".join([said, *wrong]))
