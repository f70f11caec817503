"""The files of a deployment: whole, well formed, and true to the program. No container engine runs here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from scanapi.service import ScanService
from tests.production.conftest import client
from yima import settings
from yima.edge import Edge
from yima.environment import Environment
from yima.metrics import Figures, Stored
from yima.processes import ROLES

ROOT = Path(__file__).parents[2]
CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


# --- compose ------------------------------------------------------------------------------------------------


def test_the_compose_file_follows_the_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [str(checker), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_production_needs_is_there(compose: dict[str, Any]) -> None:
    needed = {"postgres", "rabbitmq", "valkey", "migrate", "web-1", "web-2", "worker", "long-worker", "beat", "proxy",
              "backup"}  # fmt: skip
    assert needed == set(services(compose))
    commands = {name: each.get("command") for name, each in services(compose).items()}
    started = {command[2] for command in commands.values() if command and command[:2] == ["up", "--only"]}
    assert started == set(ROLES)


def test_every_service_is_guarded(compose: dict[str, Any]) -> None:
    for name, each in services(compose).items():
        uid = str(each["user"]).split(":")[0]
        assert uid.isdigit(), name
        assert int(uid) >= 100, name
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert "no-new-privileges:true" in each["security_opt"], name
        assert not each.get("privileged"), name
        assert each["tmpfs"], name
        limits = each["deploy"]["resources"]["limits"]
        assert {"memory", "cpus", "pids"} <= set(limits), name
        assert each["logging"]["options"]["max-size"], name
        assert each["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        check = each["healthcheck"]
        assert check.get("test") or (name == "migrate" and check == {"disable": True}), name


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for name, each in services(compose).items():
        tag = each["image"].rpartition(":")[2]
        assert (
            re.fullmatch(r"\d+\.\d+(\.\d+)?(-[a-z]+)?|\$\{YIMA_VERSION:-\d+\.\d+\.\d+\}", tag) or ":-" in each["image"]
        ), name
        assert "latest" not in each["image"], name
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", base) for base in bases)


def test_secrets_come_as_files_only(compose: dict[str, Any]) -> None:
    for name, each in services(compose).items():
        for key, value in each.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|_KEYS|DATABASE_URL|BROKER_URL|REDIS_URL|SMTP_URL", key):
                assert key.endswith("_FILE"), (name, key)
                assert value.removeprefix("/run/secrets/") in each["secrets"], (name, key)
        for secret in each.get("secrets", []):
            assert secret in compose["secrets"], (name, secret)
    prepared = (ROOT / "deploy" / "prepare.sh").read_text()
    for secret in compose["secrets"]:
        assert re.search(rf"\bmake {secret} ", prepared), f"nobody makes {secret}"
    ignored = (ROOT / ".gitignore").read_text()
    assert "/deploy/secrets/" in ignored
    assert "/deploy/yima.env" in ignored


def test_the_proxy_and_the_world_do_not_reach_the_database(compose: dict[str, Any]) -> None:
    networks = {name: set(each["networks"]) for name, each in services(compose).items()}
    for hidden in ("postgres", "rabbitmq", "valkey", "backup"):
        assert networks[hidden] == {"back"}, hidden
        assert "ports" not in services(compose)[hidden]
    assert not networks["proxy"] & networks["postgres"]
    assert networks["proxy"] == {"front", "edge"}
    assert [name for name, each in services(compose).items() if "ports" in each] == ["proxy"]
    for name in ("front", "back", "watch"):
        assert compose["networks"][name]["internal"] is True


def test_the_proxys_network_is_trusted_and_the_watchers_is_not(compose: dict[str, Any]) -> None:
    environment = services(compose)["web-1"]["environment"]
    subnet = {
        name: each["ipam"]["config"][0]["subnet"] for name, each in compose["networks"].items() if each.get("ipam")
    }
    assert environment["YIMA_TRUSTED_PROXIES"] == subnet["front"]
    assert subnet["watch"] in environment["YIMA_METRICS_NETWORKS"].split(",")
    assert subnet["front"] not in environment["YIMA_METRICS_NETWORKS"]


def test_the_settings_of_compose_are_settings_of_the_program(compose: dict[str, Any], tmp_path: Path) -> None:
    given = {}
    contents = {"secret_keys": "k" * 40, "database_url": "postgresql://yima:x@postgres/yima", "broker_url": "amqp://x",
                "redis_url": "redis://x", "sms_secret": "s", "smtp_url": "smtps://u:p@mail.example"}  # fmt: skip
    for name, value in services(compose)["web-1"]["environment"].items():
        given[name] = value
        if value.startswith("/run/secrets/"):
            path = tmp_path / value.rpartition("/")[2]
            path.write_text(contents[path.name])
            given[name] = str(path)
    for line in (ROOT / "deploy" / "yima.env.example").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            given[name] = value
    found = settings.load(given)
    assert found.env == "production"
    assert found.broker_url == "amqp://x"
    asked: set[str] = set()

    class Noting(Environment):
        def get(self, name: str) -> str | None:
            asked.add(name)
            return super().get(name)

    original = settings.Environment
    settings.Environment = Noting  # type: ignore[misc]
    try:
        settings.load(given)
    finally:
        settings.Environment = original  # type: ignore[misc]
    unknown = {name.removesuffix("_FILE") for name in given} - asked - {"OPENBLAS_NUM_THREADS"}  # numpy reads this
    assert not unknown, f"settings that nothing reads: {unknown}"


def test_what_is_mounted_is_there(compose: dict[str, Any]) -> None:
    for name, each in services(compose).items():
        for volume in each.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), (name, source)
            elif not source.startswith("$"):
                assert source in compose["volumes"], (name, source)


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_shell_and_may_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_secrets_are_prepared_once_and_for_their_owners_only(tmp_path: Path) -> None:
    folder = tmp_path / "yima"
    (folder / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "prepare.sh", folder / "deploy")
    if os.geteuid() != 0:
        pytest.skip("it gives files to the containers' accounts, which only root may")
    environment = {
        **os.environ,
        "YIMA_BACKUP_FOLDER": str(tmp_path / "backups"),
        "YIMA_CADDY_FOLDER": str(tmp_path / "caddy"),
    }
    made = []
    for _ in range(2):
        subprocess.run([str(folder / "deploy" / "prepare.sh")], check=True, env=environment, capture_output=True)
        made.append({path.name: path.read_text() for path in (folder / "deploy" / "secrets").iterdir()})
    assert made[0] == made[1]
    password = made[0]["database_password"].strip()
    assert len(password) == 40
    assert made[0]["database_url"].strip() == f"postgresql://yima:{password}@postgres/yima"
    broker = json.loads(made[0]["rabbitmq_definitions"])["users"][0]["password"]
    assert f":{broker}@" in made[0]["broker_url"]
    for path in (folder / "deploy" / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o400
        assert path.stat().st_uid != 0


def test_the_image_holds_no_secret_and_nothing_that_is_not_needed() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for name in ("deploy", ".git", "tests", ".env"):
        assert f"!{name}" not in ignored
    written = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes" in written
    assert "USER 10001:10001" in written
    assert not re.search(r"SECRET|PASSWORD|TOKEN", written)
    last = written.rpartition("FROM ")[2]
    assert "COPY --from=build /opt/yima /opt/yima" in last
    assert "COPY . ." not in last
    # every package of ours goes into the image
    packages = re.search(r"packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert packages is not None
    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"!{package}" in ignored, package


# --- the proxy ----------------------------------------------------------------------------------------------


def adapted(**env: str) -> dict[str, Any]:
    caddy = shutil.which("caddy")
    assert caddy, "caddy is not installed: scripts/system.sh test"
    environment = {**os.environ, "YIMA_SITE": "q.example.cn", **env}
    done = subprocess.run([caddy, "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile", "--validate"],
                          capture_output=True, text=True, check=False, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_proxys_file_is_valid_and_hides_what_is_internal(tmp_path: Path) -> None:
    found = adapted(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path),
                    YIMA_CADDY_STORAGE=str(tmp_path))  # fmt: skip
    assert found["admin"]["disabled"] is True
    text = json.dumps(found)
    assert '"/metrics"' in text
    assert '"dial": "web-1:8000"' in text
    assert '"dial": "web-2:8000"' in text
    assert "X-Request-Id" in text or "X-Request-ID" in text
    assert '"logs"' not in json.dumps(found["apps"]), "an access log would hold codes"
    assert all(level == "WARN" for level in re.findall(r'"level": "(\w+)"', text))


# --- figures, alerts, dashboard -----------------------------------------------------------------------------

_WORDS = frozenset({
    "sum", "absent", "max", "min", "rate", "increase", "changes", "histogram_quantile", "by", "on", "offset", "and",
    "or", "unless", "le", "job", "route", "status", "outcome", "state", "process", "instance", "version", "up",
})  # fmt: skip


def metrics_in(expression: str) -> set[str]:
    """Names of metrics in an expression: words that are no function, label, number or duration."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|by\s*\([^)]*\)', " ", expression)
    return {word for word in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare) if word not in _WORDS and len(word) > 2}


def balanced(expression: str) -> bool:
    bare = re.sub(r'"[^"]*"', "", expression)
    return all(bare.count(a) == bare.count(b) for a, b in ("()", "{}", "[]"))


def expressions() -> list[str]:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "yima.json").read_text())
    return [*found, *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])]


async def test_every_metric_of_alerts_and_dashboard_exists(site: Edge) -> None:
    async with client(site) as asking:
        assert (await asking.get("/health")).status_code == 200
        assert (await asking.get("/metrics")).status_code == 200
    figures: Figures = site._figures
    assert isinstance(figures.scans, ScanService)
    # what only shows once it happened, or where WAL is archived
    figures.scans.outcomes["awarded"] += 1
    figures.stored = Stored(archived_age_s=1.0, rollup_lag_s=1.0, tasks={"due": 0}, messages={"due": 0},
                            heartbeats_s={"beat": 1.0}, alarms={"brand": 0}, hosts={"tea": True})  # fmt: skip
    known = figures.names()
    for expression in expressions():
        assert balanced(expression), expression
        named = metrics_in(expression)
        assert named or "up{" in expression, expression
        assert named <= known, (expression, named - known)


def test_alerts_say_what_happened_and_operations_says_what_to_do() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    manual = (ROOT / "docs" / "operations.md").read_text()
    for rule in rules["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["alert"] in manual, rule["alert"]


def test_the_dashboards_panels_lie_beside_each_other() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "yima.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)


def test_prometheus_scrapes_the_processes_themselves(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    targets = [
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    assert {target.split(":")[0] for target in targets} == {
        name for name in services(compose) if name.startswith("web-")
    }
    for target in targets:
        assert httpx.URL(f"http://{target}").port == 8000
