"""Custody: who keeps the keys that keys are sealed under, the environment or a token that really runs."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

from kernel import custody as custody_module
from kernel.crypto import Vault
from kernel.custody import Custody, Kept
from kernel.errors import ConfigurationError, Conflict, InvalidInput, Unavailable
from kernel.pkcs11 import Token
from tests import tokens
from tests.tokens import MODULE, SoftToken

MASTER = "a-master-secret-of-this-house"
OTHER = "another-secret-of-this-house"
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    return tokens.make(tmp_path_factory.mktemp("hsm") / "token")


# --- the token ----------------------------------------------------------------------------------------------


async def test_a_token_opens_what_it_sealed_and_what_the_environment_sealed_before(token: SoftToken) -> None:
    old = await Vault([MASTER]).custody.seal(SECRET, "code_key/1")
    vault = Vault([MASTER], [token.custodian()])
    sealed = await vault.custody.seal(SECRET, "code_key/1")
    fresh = Vault([MASTER], [token.custodian()]).custody
    assert await fresh.open(sealed, "code_key/1") == await fresh.open(old, "code_key/1") == SECRET
    assert SECRET not in sealed
    assert (fresh.kept(sealed).custodian, fresh.kept(sealed).newest) == ("pkcs11", True)
    assert (fresh.kept(old).custodian, fresh.kept(old).newest, fresh.kept(old).readable) == ("environment", False, True)


async def test_a_vault_on_its_way_back_to_the_environment_still_opens_what_the_token_sealed(token: SoftToken) -> None:
    sealed = await Vault([MASTER], [token.custodian()]).custody.seal(SECRET, "c")
    back = Vault([MASTER], [token.custodian()], sealing=False).custody
    assert (back.name, await back.open(sealed, "c")) == ("environment", SECRET)


def test_the_wrapping_key_cannot_be_taken_out_of_the_token(token: SoftToken) -> None:
    opened = pkcs11.lib(str(MODULE)).get_token(token_label=token.settings.token)
    token.custodian().seal(SECRET, "c")  # the process is logged in from here on
    with opened.open() as session:
        [key] = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: "wrap-1"})
        assert (key[Attribute.EXTRACTABLE], key[Attribute.SENSITIVE], key.key_length) == (False, True, 256)
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[Attribute.VALUE]


async def test_a_sealed_secret_opens_for_its_own_key_only(token: SoftToken) -> None:
    custody = Vault([MASTER], [token.custodian()]).custody
    sealed = await custody.seal(SECRET, "code_key/1")
    with pytest.raises(ConfigurationError, match="belongs elsewhere"):
        await custody.open(sealed, "code_key/2")


@pytest.mark.parametrize("kept", [0, 1, 4, 5, 16, 17, 33, 64])
async def test_a_sealed_secret_that_was_cut_off_is_refused(token: SoftToken, kept: int) -> None:
    custody = Vault([MASTER], [token.custodian()]).custody
    sealed = await custody.seal(SECRET, "c")
    with pytest.raises(ConfigurationError):
        await custody.open(sealed[:kept], "c")


async def test_a_changed_bit_anywhere_is_noticed(token: SoftToken) -> None:
    custody = Vault([MASTER], [token.custodian()]).custody
    sealed = await custody.seal(SECRET, "c")
    changed = [bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]]) for at in range(len(sealed))]
    answers = await custody.open_all([(each, "c") for each in changed])
    assert all(isinstance(answer, ConfigurationError) for answer in answers)


async def test_a_second_wrapping_key_seals_and_the_first_still_opens(token: SoftToken) -> None:
    sealed = await Vault([MASTER], [token.custodian()]).custody.seal(SECRET, "c")
    token.custodian().make_wrapping_key("wrap-2")
    both = Vault([MASTER], [token.custodian("wrap-1", "wrap-2")]).custody
    assert await both.open(sealed, "c") == SECRET
    assert (both.kept(sealed).readable, both.kept(sealed).newest) == (True, False)
    newer = await both.seal(SECRET, "c")
    only = Vault([MASTER], [token.custodian("wrap-2")]).custody
    assert await only.open(newer, "c") == SECRET
    with pytest.raises(ConfigurationError, match="YIMA_PKCS11_KEY does not name"):
        await only.open(sealed, "c")
    with pytest.raises(Conflict, match="wrap-2"):
        token.custodian().make_wrapping_key("wrap-2")


@pytest.mark.parametrize("label", ["", "x" * 61, "two words", "a,b", "new\nline"])
def test_a_label_that_could_not_be_named_in_the_settings_makes_no_key(token: SoftToken, label: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 60"):
        token.custodian().make_wrapping_key(label)


# --- what can be wrong ----------------------------------------------------------------------------------------


async def _probe(custodian: Token) -> None:
    await Vault([MASTER], [custodian]).custody.probe()


async def test_a_wrong_pin_is_told_and_tried_once(tmp_path: Path) -> None:
    made = tokens.make(tmp_path / "token")
    pkcs11.lib(str(MODULE)).reinitialize()  # nobody is logged in
    wrong = made.custodian(pin="000000")
    for _ in range(3):
        with pytest.raises(ConfigurationError, match=r"YIMA_PKCS11_PIN.*refuses the PIN"):
            await _probe(wrong)
    assert "000000" not in repr(wrong) + repr(made.settings)


async def test_missing_module_token_and_key_are_each_told(token: SoftToken, tmp_path: Path) -> None:
    for module in (tmp_path / "none.so", Path("/etc/hostname")):
        with pytest.raises(ConfigurationError, match="YIMA_PKCS11_MODULE"):
            await _probe(token.custodian(module=module))  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match=r"YIMA_PKCS11_TOKEN.*nowhere"):
        await _probe(token.custodian(token="nowhere"))
    with pytest.raises(ConfigurationError, match=r"no AES key 'nothing' .*wrapping-key --label nothing"):
        await _probe(token.custodian("nothing"))


async def test_a_wrapping_key_that_can_be_taken_out_is_refused(token: SoftToken) -> None:
    await _probe(token.custodian())
    opened = pkcs11.lib(str(MODULE)).get_token(token_label=token.settings.token)
    with opened.open(rw=True) as session:
        session.generate_key(
            pkcs11.KeyType.AES, 256, label="loose", store=True,
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )  # fmt: skip
    with pytest.raises(ConfigurationError, match="can be taken out"):
        await _probe(token.custodian("loose"))


async def test_what_was_opened_once_is_remembered_while_the_token_is_away(tmp_path: Path) -> None:
    made = tokens.make(tmp_path / "token")
    custody = Vault([MASTER], [made.custodian()]).custody
    known, other = await custody.seal(SECRET, "c"), await Vault([MASTER], [made.custodian()]).custody.seal(SECRET, "d")
    made.unplug()
    assert await custody.open(known, "c") == SECRET
    with pytest.raises(Unavailable, match="away"):
        await custody.open(other, "d")


async def test_a_token_that_lost_its_session_is_opened_again(token: SoftToken) -> None:
    custodian = token.custodian()
    sealed = custodian.seal(SECRET, "c")
    pkcs11.lib(str(MODULE)).reinitialize()  # all sessions and handles are gone
    assert custodian.open(sealed, "c") == SECRET


# --- without a token ------------------------------------------------------------------------------------------


async def test_what_a_token_sealed_is_named_where_no_token_is_set(token: SoftToken) -> None:
    sealed = await Vault([MASTER], [token.custodian()]).custody.seal(SECRET, "c")
    bare = Vault([MASTER]).custody
    assert bare.kept(sealed) == Kept("unknown", sealed[1:5].hex(), readable=False, newest=False)
    with pytest.raises(ConfigurationError, match="YIMA_PKCS11_MODULE"):
        await bare.open(sealed, "c")


async def test_masters_are_told_apart_by_their_marks() -> None:
    old = await Vault([MASTER]).custody.seal(SECRET, "c")
    both = Vault([MASTER, OTHER]).custody
    assert (both.kept(old).readable, both.kept(old).newest) == (True, False)
    assert both.kept(await both.seal(SECRET, "c")).newest
    assert not Vault([OTHER]).custody.kept(old).readable


class _Hung:
    name, form, marks = "hung", b"\x03", (b"hung",)

    def seal(self, plain: bytes, context: str) -> bytes:  # noqa: ARG002
        time.sleep(0.3)
        return b"\x03hung" + plain

    def open(self, sealed: bytes, context: str) -> bytes:  # noqa: ARG002
        return sealed[5:] + b"changed"


async def test_a_custodian_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody_module, "ANSWER_S_MAX", 0.05)
    with pytest.raises(Unavailable, match="hung did not answer"):
        await Custody(_Hung()).seal(SECRET, "c")


async def test_a_custodian_that_hangs_takes_no_thread_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody_module, "ANSWER_S_MAX", 0.01)
    asked, answers = [], threading.Event()

    class Silent(_Hung):
        def seal(self, plain: bytes, context: str) -> bytes:  # noqa: ARG002
            asked.append(plain)
            answers.wait()
            return b"\x03hung" + plain

    custody = Custody(Silent())
    try:
        for _ in range(40):  # more than there are threads for everybody
            with pytest.raises(Unavailable):
                await custody.seal(SECRET, "c")
        assert len(asked) == 1
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(lambda: "answered") == "answered"
    finally:
        answers.set()


async def test_a_custodian_that_gives_back_something_else_seals_nothing() -> None:
    with pytest.raises(ConfigurationError, match="does not give back"):
        await Custody(_Hung()).seal(SECRET, "c")
