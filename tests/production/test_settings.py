"""Settings from files, networks, and everything that is wrong named at once."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from kernel.errors import ConfigurationError
from yima import settings
from yima.environment import FILE_BYTES_MAX
from yima.settings import ACCEPT_LOSS

KEY = "0123456789abcdef"


def given(home: Path, **more: str) -> settings.Settings:
    return settings.load({"YIMA_HOME": str(home), "YIMA_SECRET_KEYS": KEY, **more})


def refused(home: Path, **more: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        given(home, **more)
    return error.value.message


def write(folder: Path, content: bytes) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "value", "attribute"),
    [
        ("YIMA_DATABASE_URL", "postgresql://u:p@db/yima", "database_url"),
        ("YIMA_BROKER_URL", "amqp://u:p@broker//", "broker_url"),
        ("YIMA_REDIS_URL", "redis://:p@cache/0", "redis_url"),
        ("YIMA_OTLP_URL", "http://collector:4318/v1/traces", "otlp_url"),
    ],
)
def test_any_setting_may_be_in_a_file(tmp_path: Path, name: str, value: str, attribute: str) -> None:
    found = given(tmp_path, **{f"{name}_FILE": write(tmp_path, f"{value}\n".encode())})
    assert getattr(found, attribute) == value


def test_secret_keys_in_a_file_may_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path, f"{KEY}-old\n{KEY}-new\n".encode())
    found = settings.load({"YIMA_HOME": str(tmp_path), "YIMA_SECRET_KEYS_FILE": path})
    assert found.secret_keys == (f"{KEY}-old", f"{KEY}-new")


def test_a_setting_and_its_file_are_not_both_given(tmp_path: Path) -> None:
    said = refused(tmp_path, YIMA_SECRET_KEYS_FILE=write(tmp_path, KEY.encode()))
    assert "YIMA_SECRET_KEYS and YIMA_SECRET_KEYS_FILE are both set" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "no text"), (b"x" * (FILE_BYTES_MAX + 1), "larger than")],
)
def test_a_file_that_is_no_good_is_named_without_its_content(tmp_path: Path, content: bytes, said: str) -> None:
    sentence = refused(tmp_path, YIMA_BROKER_URL_FILE=write(tmp_path, content))
    assert f"YIMA_BROKER_URL_FILE: {tmp_path}/secret" in sentence
    assert said in sentence
    assert "xxx" not in sentence


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    content = b"redis://" + b"x" * (FILE_BYTES_MAX - 8)
    assert given(tmp_path, YIMA_BROKER_URL_FILE=write(tmp_path, content)).broker_url == content.decode()


def test_a_missing_file_and_everything_else_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        settings.load(
            {
                "YIMA_HOME": str(tmp_path),
                "YIMA_SECRET_KEYS_FILE": str(tmp_path / "none"),
                "YIMA_TRUSTED_PROXIES": "10.0.0.0/8, 10.0.0.1/8, web",
                "YIMA_METRICS_NETWORKS": "everywhere",
                "YIMA_METRICS_BIND": "9100",
                "YIMA_OTLP_URL": "collector:4318",
                "YIMA_LOG_REQUESTS": "some",
                "YIMA_UNSAFE_DATABASE": "yes",
            }
        )
    said = error.value.message
    for part in ("secret", "none cannot be read: No such file", "YIMA_TRUSTED_PROXIES holds '10.0.0.1/8'", "'web'",
                 "YIMA_METRICS_NETWORKS holds 'everywhere'", "YIMA_METRICS_BIND is HOST:PORT", "YIMA_OTLP_URL",
                 "YIMA_LOG_REQUESTS is slow or all", ACCEPT_LOSS):  # fmt: skip
        assert part in said.replace("SECRET", "secret"), part


def test_without_settings_nobody_is_trusted_and_only_this_machine_sees_figures(tmp_path: Path) -> None:
    found = given(tmp_path)
    assert found.trusted_proxies == ()
    assert set(found.metrics_networks) == {ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1")}
    assert not found.unsafe_database
    assert given(tmp_path, YIMA_UNSAFE_DATABASE=ACCEPT_LOSS).unsafe_database


# --- custody of code keys -----------------------------------------------------------------------------------

TOKEN = {
    "YIMA_PKCS11_MODULE": "/usr/lib/softhsm/libsofthsm2.so", "YIMA_PKCS11_TOKEN": "yima",
    "YIMA_PKCS11_PIN": "1234", "YIMA_PKCS11_KEY": "wrap-1, wrap-2",
}  # fmt: skip


def test_a_token_is_told_by_four_settings_and_its_pin_may_lie_in_a_file(tmp_path: Path) -> None:
    without_pin = {name: value for name, value in TOKEN.items() if name != "YIMA_PKCS11_PIN"}
    pin = write(tmp_path, b"1234\n")
    found = given(tmp_path, YIMA_KEY_CUSTODY="pkcs11", YIMA_PKCS11_PIN_FILE=pin, **without_pin)
    assert found.pkcs11 is not None
    assert (found.key_custody, found.pkcs11.pin, found.pkcs11.keys) == ("pkcs11", "1234", ("wrap-1", "wrap-2"))
    assert "1234" not in repr(found.pkcs11)


def test_a_token_may_be_set_while_the_environment_seals(tmp_path: Path) -> None:
    found = given(tmp_path, **TOKEN)
    assert (found.key_custody, found.pkcs11 is None) == ("environment", False)
    assert given(tmp_path).pkcs11 is None


def test_all_missing_settings_of_a_token_are_named_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, YIMA_KEY_CUSTODY="pkcs11")
    assert all(f"{name} is missing" in said for name in TOKEN)
    said = refused(tmp_path, YIMA_PKCS11_TOKEN="yima")
    assert [f"{name} is missing" in said for name in TOKEN] == [True, False, True, True]
    assert "YIMA_KEY_CUSTODY is environment or pkcs11" in refused(tmp_path, YIMA_KEY_CUSTODY="vault")


@pytest.mark.parametrize("labels", ["a,a", "x" * 61])
def test_a_wrapping_key_named_twice_or_too_long_is_refused(tmp_path: Path, labels: str) -> None:
    assert "YIMA_PKCS11_KEY" in refused(tmp_path, **(TOKEN | {"YIMA_PKCS11_KEY": labels}))


@pytest.mark.parametrize(("text", "most"), [("1", 1), ("1000000", 1_000_000), ("", 20_000), (" 500 ", 500)])
def test_one_time_codes_of_a_brand_a_day_are_as_many_as_the_setting_says(tmp_path: Path, text: str, most: int) -> None:
    assert given(tmp_path, YIMA_CODES_PER_BRAND_A_DAY=text).codes_per_brand_a_day_max == most


@pytest.mark.parametrize("text", ["0", "-1", "1000001", "1.5", "1e3", "many", "٣", "9" * 400])
def test_a_number_of_one_time_codes_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    said = refused(tmp_path, YIMA_CODES_PER_BRAND_A_DAY=text)
    assert "YIMA_CODES_PER_BRAND_A_DAY is a whole number from 1 to 1,000,000" in said
