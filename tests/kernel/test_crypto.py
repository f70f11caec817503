"""Sealing, tokens and blind indexes, and what happens to each when the master secrets change."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import BadSignature, SignatureExpired
from sqlalchemy import text

from kernel.crypto import CLOCK_SKEW_S_MAX, BlindIndex, Vault, load_data_key
from kernel.errors import ConfigurationError
from yima.runtime import Runtime

OLD, NEW, OTHER = "the-old-secret-01", "the-new-secret-02", "a-strange-secret-3"


@given(plain=st.binary(max_size=2000), context=st.text(st.characters(codec="utf-8"), max_size=80))
def test_what_is_sealed_opens_again_in_its_context(plain: bytes, context: str) -> None:
    vault = Vault([OLD])
    assert vault.open(vault.seal(plain, context), context) == plain


def test_equal_data_is_sealed_differently_each_time_and_is_not_readable() -> None:
    vault = Vault([OLD])
    first, second = (vault.seal(b"+8613800000000", "phone") for _ in range(2))
    assert first != second
    assert b"13800000000" not in first


def test_data_sealed_before_a_rotation_is_readable_after_it() -> None:
    sealed = Vault([OLD]).seal(b"x", "c")
    assert Vault([OLD, NEW]).open(sealed, "c") == b"x"


def test_after_a_rotation_data_is_sealed_under_the_newest_key() -> None:
    sealed = Vault([OLD, NEW]).seal(b"x", "c")
    assert Vault([NEW]).open(sealed, "c") == b"x"
    with pytest.raises(ConfigurationError, match="YIMA_SECRET_KEYS"):
        Vault([OLD]).open(sealed, "c")


def test_data_of_a_key_that_was_taken_away_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="YIMA_SECRET_KEYS"):
        Vault([NEW]).open(Vault([OLD]).seal(b"x", "c"), "c")


def test_data_in_another_context_does_not_open() -> None:
    vault = Vault([OLD])
    with pytest.raises(ConfigurationError, match="altered or belongs elsewhere"):
        vault.open(vault.seal(b"x", "code_key/1"), "code_key/2")


@pytest.mark.parametrize("place", range(len(Vault([OLD]).seal(b"abc", "c"))))
def test_data_with_any_altered_byte_does_not_open(place: int) -> None:
    vault = Vault([OLD])
    sealed = bytearray(vault.seal(b"abc", "c"))
    sealed[place] ^= 1
    with pytest.raises(ConfigurationError):
        vault.open(bytes(sealed), "c")


@pytest.mark.parametrize("kept", range(len(Vault([OLD]).seal(b"abc", "c"))))
def test_data_that_was_cut_short_is_an_error_with_a_sentence(kept: int) -> None:
    vault = Vault([OLD])
    with pytest.raises(ConfigurationError):
        vault.open(vault.seal(b"abc", "c")[:kept], "c")


@pytest.mark.parametrize("masters", [[], ["short"], [OLD, "fifteen-bytes-1"], [""]])
def test_missing_and_short_secrets_are_refused_by_the_settings_name(masters: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="YIMA_SECRET_KEYS") as raised:
        Vault(masters)
    assert "fifteen" not in raised.value.message


def test_a_vault_does_not_show_its_secrets() -> None:
    vault = Vault([OLD, NEW])
    assert OLD not in repr(vault)
    assert NEW not in f"{vault}"


def test_tokens_of_an_older_master_stay_valid_while_it_is_configured() -> None:
    token = Vault([OLD]).serializer("member").dumps([1, 2])
    assert Vault([OLD, NEW]).serializer("member").loads(token, max_age=60) == [1, 2]
    with pytest.raises(BadSignature):
        Vault([NEW]).serializer("member").loads(token, max_age=60)


def test_new_tokens_are_signed_with_the_newest_master() -> None:
    token = Vault([OLD, NEW]).serializer("member").dumps([1, 2])
    assert Vault([NEW]).serializer("member").loads(token, max_age=60) == [1, 2]
    with pytest.raises(BadSignature):
        Vault([OLD]).serializer("member").loads(token, max_age=60)


def test_a_token_for_one_purpose_is_none_for_another() -> None:
    vault = Vault([OLD])
    with pytest.raises(BadSignature):
        vault.serializer("member").loads(vault.serializer("page").dumps([1, 2]))


def test_a_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Vault([OLD]).serializer("page")
    token = signer.dumps("x")
    moment = __import__("time").time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: moment + 301)
    with pytest.raises(SignatureExpired):
        signer.loads(token, max_age=300)


def test_a_blind_index_finds_equal_values_of_one_kind_and_nothing_else() -> None:
    index = BlindIndex(b"k" * 32)
    assert index.of("phone", "+8613800000000") == index.of("phone", "+8613800000000")
    marks = {
        index.of("phone", "+8613800000000"),
        index.of("phone", "+8613800000001"),
        index.of("device", "+8613800000000"),
        BlindIndex(b"l" * 32).of("phone", "+8613800000000"),
        index.of("phone\x00", "+8613800000000"),
    }
    assert len(marks) == 5
    assert {len(mark) for mark in marks} == {16}


async def test_a_data_key_is_made_once_and_survives_a_rotation_of_the_masters(opened: Runtime) -> None:
    async def load(vault: Vault) -> bytes:
        async with opened.db.transaction() as tx:
            return await load_data_key(tx, vault, "test-purpose")

    made = await load(Vault([OLD]))
    assert len(made) == 32
    assert await load(Vault([OLD])) == made
    assert await load(Vault([OLD, NEW])) == made
    with pytest.raises(ConfigurationError, match="YIMA_SECRET_KEYS"):
        await load(Vault([OTHER]))


async def test_processes_that_start_at_once_agree_on_a_data_key(opened: Runtime) -> None:
    async def load() -> bytes:
        async with opened.db.transaction() as tx:
            return await load_data_key(tx, opened.vault, "raced")

    assert len(set(await asyncio.gather(*(load() for _ in range(8))))) == 1


async def test_data_keys_are_different_for_each_purpose_and_not_stored_readably(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        first, second = [await load_data_key(tx, opened.vault, purpose) for purpose in ("one", "two")]
        stored = list((await tx.execute(text("SELECT sealed FROM data_key"))).scalars())
    assert first != second
    assert not any(first in row or second in row for row in stored)


@pytest.mark.parametrize(
    ("behind_s", "good"), [(0, True), (1, True), (CLOCK_SKEW_S_MAX, True), (CLOCK_SKEW_S_MAX + 1, False)]
)
def test_a_token_is_good_at_once_where_the_clock_is_a_little_behind(
    monkeypatch: pytest.MonkeyPatch, behind_s: int, good: bool
) -> None:
    """It was made by a process on another machine, whose clock is ahead."""
    serializer = Vault(["x" * 32]).serializer("page")
    moment = 1_800_000_000
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: moment)
    token = serializer.dumps("a")
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: moment - behind_s)
    if good:
        assert serializer.loads(token, max_age=300) == "a"
        with pytest.raises(BadSignature):
            serializer.loads(("b" if token[0] == "a" else "a") + token[1:], max_age=300)
    else:
        with pytest.raises(SignatureExpired):
            serializer.loads(token, max_age=300)
