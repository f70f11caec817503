"""`yima doctor` names what is wrong with a deployment, and health checks tell it of one process."""

from __future__ import annotations

import dataclasses
import ipaddress
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from codegen import keys as code_keys
from tests.world import World
from tests.yima.conftest import Home, free_port
from yima import examination, key_examination, probe, runtime
from yima.environment import Environment
from yima.examination import BACKUP_AGE_S_MAX, HEARTBEAT_AGE_S_MAX, Finding
from yima.probe import HEARTBEAT_AGE_S_MAX as PROBE_AGE_S_MAX
from yima.runtime import Runtime
from yima.settings import Settings

GOOD = "nJ2v8Qw0ZrT5yK7bX1cD4fG6hL9mPsUe"


@pytest.fixture
def production(settings: Settings) -> Settings:
    return dataclasses.replace(settings, env="production", secret_keys=(GOOD,))


def named(found: list[Finding], name: str) -> Finding:
    (each,) = [finding for finding in found if finding.name == name]
    return each


@pytest.mark.parametrize(
    ("keys", "ok"),
    [
        ((GOOD,), True),
        ((GOOD[:-1],), False),
        (("a" * 40,), False),
        (("x" * 16, GOOD), False),
        ((GOOD, GOOD[::-1]), True),
    ],
)
def test_weak_secrets_are_named_by_their_place_only(production: Settings, keys: tuple[str, ...], ok: bool) -> None:
    found = examination.secrets(dataclasses.replace(production, secret_keys=keys))
    assert found.ok is ok
    assert not any(key in found.said for key in keys)


@pytest.mark.parametrize(
    ("networks", "ok", "said"),
    [
        ((), False, "not set"), (("10.0.0.0/8",), True, "10.0.0.0/8"), (("0.0.0.0/0",), False, "any address"),
        (("0.0.0.0/7",), False, "any address"), (("::/0",), False, "any address"), (("fd00::/16",), True, "fd00::/16"),
    ],
)  # fmt: skip
def test_proxies_are_known_and_nobody_else_is(
    production: Settings, networks: tuple[str, ...], ok: bool, said: str
) -> None:
    trusted = tuple(ipaddress.ip_network(each) for each in networks)
    found = examination.proxies(dataclasses.replace(production, trusted_proxies=trusted))
    assert found.ok is ok
    assert said in found.said


def test_secrets_that_others_can_read_are_named(
    production: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    monkeypatch.setenv("YIMA_SECRET_KEYS_FILE", str(path))
    path.chmod(0o644)
    assert str(path) in examination.files(production).said
    assert not examination.files(production).ok
    path.chmod(0o640)
    assert examination.files(production).ok


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_a_broker_that_is_away_is_told_without_its_password(production: Settings, scheme: str) -> None:
    url = f"{scheme}://user:pass-word@127.0.0.1:{free_port()}/0"
    found = examination.brokers(
        dataclasses.replace(production, broker_url=url, redis_url=url if scheme == "redis" else None)
    )
    assert not any(each.ok for each in found)
    assert "pass-word" not in str(found)
    assert examination.brokers(production)[0].ok, "over the database there is nothing to reach"


def test_the_age_of_the_last_backup_is_told(production: Settings, tmp_path: Path) -> None:
    assert examination.backup_folder(production) == []
    watched = dataclasses.replace(production, backup_folder=tmp_path)
    assert not examination.backup_folder(watched)[0].ok
    for age_s, ok in ((60, True), (BACKUP_AGE_S_MAX - 60, True), (BACKUP_AGE_S_MAX + 60, False)):
        (tmp_path / "last").write_text(f"{int(time.time()) - age_s}\n")
        assert examination.backup_folder(watched)[0].ok is ok


async def test_the_database_tells_who_lives_what_is_archived_and_what_is_ahead(
    opened: Runtime, production: Settings
) -> None:
    deployed = dataclasses.replace(opened, settings=production)
    found = await examination.database(deployed)
    assert named(found, "postgresql").ok
    assert named(found, "schema").ok
    assert named(found, "journal partitions").ok
    archive = named(found, "wal archive")
    assert (archive.ok, "restore" in archive.said) == (False, True)
    assert {role: named(found, role).ok for role in examination.ROLES} == dict.fromkeys(examination.ROLES, False)

    async with opened.db.transaction() as tx:
        for role, age_s in zip(examination.ROLES, (1, HEARTBEAT_AGE_S_MAX - 5, HEARTBEAT_AGE_S_MAX + 5), strict=True):
            await tx.execute(
                text("INSERT INTO heartbeat VALUES (:role, now() - make_interval(secs => :age))"),
                {"role": role, "age": age_s},
            )
        await tx.execute(
            text("""
                DO $$ DECLARE part regclass; BEGIN
                FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'scan'::regclass LOOP
                    EXECUTE 'DROP TABLE ' || part;
                END LOOP; END $$""")
        )
    found = await examination.database(deployed)
    assert [named(found, role).ok for role in examination.ROLES] == [True, True, False]
    assert not named(found, "journal partitions").ok


async def test_what_is_sealed_under_an_older_secret_is_counted(
    opened: Runtime, settings: Settings, database_url: str
) -> None:
    assert "newest" in named(await examination.database(opened), "older secrets").said
    rotated = dataclasses.replace(settings, secret_keys=(*settings.secret_keys, GOOD))
    async with runtime.connect(rotated, database_url, application="test") as later:
        found = named(await examination.database(later), "older secrets")
    assert found.ok, "it can be read while the older secret is configured"
    assert "1 data keys" in found.said


async def test_every_key_is_told_with_its_batches_and_what_is_wrong_with_it(
    world: World, settings: Settings, database_url: str
) -> None:
    opened = world.opened
    [old] = [each for each in await key_examination.keys_of(opened) if each.name.startswith("key ") and each.ok][1:]
    assert world.batch in old.said
    assert "tea, active, 1 batches" in old.said
    async with opened.db.transaction() as tx:
        made = await code_keys.rotate(tx, opened.vault, brand_id=world.brand.id, actor="test")
        await tx.execute(
            text("UPDATE code_key SET released = false, next_unit = :n WHERE id = :id"),
            {"n": code_keys.UNITS_PER_KEY - 5, "id": made.id},
        )
    other = dataclasses.replace(settings, secret_keys=(GOOD,))
    found = named(await key_examination.keys_of(opened), f"key {made.id}")
    assert (found.ok, "unreleased" in found.said, "0 of 2 people" in found.said) == (False, True, True)
    assert "nearly used up" in found.said
    async with opened.db.transaction() as tx:
        await tx.execute(text("DELETE FROM data_key"))  # made anew under the other secret, so that it opens at all
    async with runtime.connect(other, database_url, application="test") as later:
        told = await key_examination.keys_of(later)
    unread = [each for each in told if each.name.startswith("key ") and "cannot be opened" in each.said]
    assert len(unread) == 2
    assert not any(each.ok for each in unread)


def test_a_deployment_that_is_wrong_in_many_ways_is_told_all_of_them(tmp_path: Path, durable_url: str) -> None:
    done = Home(tmp_path / "home").run(
        "doctor", "--json",
        env={"YIMA_ENV": "production", "YIMA_SECRET_KEYS": "a" * 20, "YIMA_DATABASE_URL": durable_url,
             "YIMA_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0", "YIMA_TRUSTED_PROXIES": "0.0.0.0/0"},
    )  # fmt: skip
    assert done.status == 1
    (found,) = done.lines
    wrong = {each["name"] for each in found if not each["ok"]}
    assert {"text messages", "e-mail", "secret keys", "proxies", "broker", "wal archive", "worker", "beat"} <= wrong
    assert {"fsync", "clock", "postgresql", "schema"} <= {each["name"] for each in found if each["ok"]}


# --- health checks ------------------------------------------------------------------------------------------


async def test_a_background_process_is_well_while_it_shows_life(opened: Runtime, database_url: str) -> None:
    environment = Environment({"YIMA_DATABASE_URL": database_url})
    assert "never" in str(probe.probe("long-worker", environment))
    for age_s, well in ((1, True), (PROBE_AGE_S_MAX - 5, True), (PROBE_AGE_S_MAX + 5, False)):
        async with opened.db.transaction() as tx:
            await tx.execute(text("DELETE FROM heartbeat"))
            await tx.execute(
                text("INSERT INTO heartbeat VALUES ('long worker', now() - make_interval(secs => :age))"),
                {"age": age_s},
            )
        assert (probe.probe("long-worker", environment) is None) is well
        assert probe.probe("beat", environment) is not None


def test_a_probe_of_nothing_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "does not answer" in str(probe.probe("web", Environment({"YIMA_BIND": f"0.0.0.0:{free_port()}"})))
    assert "missing" in str(probe.probe("worker", Environment({})))
    away = Environment({"YIMA_DATABASE_URL": f"postgresql+asyncpg://u:pass-word@/x?host={tmp_path}"})
    said = str(probe.probe("worker", away))
    assert "cannot be asked" in said
    assert "pass-word" not in said
    for wrong in ([], ["database"], ["web", "web"]):
        assert probe.main(wrong) == 2
    assert "One of web" in capsys.readouterr().err


def test_one_part_is_not_started_without_a_database_of_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert "YIMA_DATABASE_URL is missing" in home.refuse("up", "--only", "web")
    assert home.run("up", "--only", "everything").status == 2
    assert home.run("up", "--only", "beat", "--web", "2").status == 2
    assert home.run("up", "--web", "0").status == 2
