"""What a camera or hand scanner saw, judged code by code. Pure: what was looked up is given.

A verdict says whether the code belongs here; a remark says that it came out of its order. Texts never come back:
an answer stands at its text's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from codegen import scheme
from codegen.batches import Batch
from codegen.issued import Issued
from codegen.scheme import MalformedCode, Ring, VerifiedCode

GOOD: Final = "good"
BLOCKED: Final = ("void", "recalled", "frozen", "expired")
VERDICTS: Final = (
    GOOD, "repeat", "malformed", "forged", "other_brand", "other_batch", "never_issued", "canary", *BLOCKED,
    "same_side", "swapped", "paired",
)  # fmt: skip
"""In words: `forged` was made by no key of ours; `canary` stands on a set-up label that got among the goods: a mix-up
in the plant, to be taken off, and no leak, which only a scan tells of (0030); of pairs, `same_side` are two codes of
one batch, `swapped` outer and inner the wrong way round, and `paired` a code that is on another unit already."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict on a code or pair.

    Attributes:
        verdict: one of `VERDICTS`.
        line: the line of the (outer) code in its batch, where it is one of the session's.
        inner_line: of a pair.
        side: of a pair that is not good: the code at fault, `outer` or `inner`.
        active: whether the code is activated.
        remark: `gap` or `backwards`, of a good code that came out of order.
        gap: lines left out before it.
    """

    verdict: str
    line: int | None = None
    inner_line: int | None = None
    side: str | None = None
    active: bool = False
    remark: str | None = None
    gap: int = 0


def verify(texts: Sequence[str], ring: Ring) -> list[VerifiedCode | str]:
    """Each text's code, or `malformed` or `forged`; looks nothing up."""
    found: list[VerifiedCode | str] = []
    for each in texts:
        try:
            code = ring.verify(scheme.parse(each))
        except MalformedCode:
            found.append("malformed")
        else:
            found.append("forged" if code is None else code)
    return found


def judge_code(code: VerifiedCode | str, issued: dict[int, Issued], batch: Batch) -> Answer:
    """Whether a code is one of a batch's that goods may bear; repeats are for the caller to see."""
    if isinstance(code, str):
        return Answer(code)
    known = issued.get(code.position)
    if known is None or known.brand_id != batch.brand_id:
        return Answer("other_brand")
    if known.batch_id is None or known.line is None:
        return Answer("never_issued")
    if code.url_gtin not in (None, known.gtin):
        return Answer("forged")
    return _judge_known(known, batch)


def _judge_known(known: Issued, batch: Batch) -> Answer:
    if known.batch_id != batch.id:
        return Answer("other_batch")
    if known.line is not None and known.line > batch.count:
        return Answer("canary")
    return Answer(known.blocked or GOOD, known.line, active=known.active)


def remark(answer: Answer, before: int | None, direction: str) -> Answer:
    """A good answer with what there is to say of its order after the line `before`."""
    if before is None or answer.line is None or direction == "any":
        return answer
    step = answer.line - before if direction == "up" else before - answer.line
    if step == 1:
        return answer
    if step > 1:
        return Answer(GOOD, answer.line, answer.inner_line, active=answer.active, remark="gap", gap=step - 1)
    return Answer(GOOD, answer.line, answer.inner_line, active=answer.active, remark="backwards")


def judge_pair(
    outer: VerifiedCode | str, inner: VerifiedCode | str, issued: dict[int, Issued], batch: Batch, inner_batch: Batch
) -> Answer:
    """Whether two codes may be put on one unit: the first of `batch`, the second of `inner_batch`."""
    ids = [_batch_id(outer, issued), _batch_id(inner, issued)]
    if ids == [inner_batch.id, batch.id]:
        return Answer("swapped")
    if ids[0] == ids[1] and ids[0] in (batch.id, inner_batch.id):
        return Answer("same_side", side="inner" if ids[0] == batch.id else "outer")
    one, two = judge_code(outer, issued, batch), judge_code(inner, issued, inner_batch)
    if one.verdict != GOOD:
        return Answer(one.verdict, one.line, two.line, side="outer")
    if two.verdict != GOOD:
        return Answer(two.verdict, one.line, two.line, side="inner")
    assert isinstance(outer, VerifiedCode)
    assert isinstance(inner, VerifiedCode)
    return _judge_mates(one, two, outer, inner, issued)


def _judge_mates(
    one: Answer, two: Answer, outer: VerifiedCode, inner: VerifiedCode, issued: dict[int, Issued]
) -> Answer:
    lines = (one.line, two.line)
    mates = issued[outer.position].mate_id, issued[inner.position].mate_id
    if mates == (inner.unit_id, outer.unit_id):
        return Answer("repeat", *lines)
    if mates != (None, None):
        return Answer("paired", *lines, side="inner" if mates[0] is None else "outer")
    return Answer(GOOD, *lines, active=one.active or two.active)


def _batch_id(code: VerifiedCode | str, issued: dict[int, Issued]) -> int | None:
    known = None if isinstance(code, str) else issued.get(code.position)
    return None if known is None else known.batch_id
