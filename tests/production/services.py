"""The services of production as real processes, each of which may be killed and started again."""

from __future__ import annotations

import contextlib
import ctypes
import http.server
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.yima.conftest import YIMA, Home, free_port

ROOT = Path(__file__).parents[2]
WAIT_S_MAX = 90


def program(*names: str) -> str:
    """A program of the distribution; a missing one is a failure, never a skip."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(f"{names[0]} is not installed: scripts/system.sh test")


def wait_until(true: Callable[[], Any], what: str) -> Any:
    """Poll; the limit only keeps a defect from hanging the run."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not (found := true()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)
    return found


def _die_with_the_tests() -> None:
    """A run that is killed leaves nothing behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@dataclass(slots=True)
class Service:
    """One process of the installation, in a session of its own."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True, preexec_fn=_die_with_the_tests,  # noqa: PLW1509 (it only asks the kernel)
            )  # fmt: skip

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """As the kernel kills: the whole group at once, no word of farewell."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> float:
        """Ask for an orderly end; returns how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.kill()
        return time.monotonic() - began


@dataclass(slots=True)
class Gateway:
    """A text-message gateway that keeps what it was given; it answers only while it is open."""

    url: str = ""
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    is_open: threading.Event = field(default_factory=threading.Event)

    def codes_of(self, phone: str) -> list[str]:
        return [body["code"] for _, body in self.messages if body["to"].endswith(phone)]


@contextlib.contextmanager
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    found.is_open.set()

    class Post(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.messages.append((self.headers["Idempotency-Key"], body))
            found.is_open.wait(WAIT_S_MAX)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Post) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}/sms"
        try:
            yield found
        finally:
            found.is_open.set()
            server.shutdown()
            thread.join()


class Rabbit:
    """RabbitMQ with the configuration of production, on ports of its own, with its own port mapper."""

    def __init__(self, folder: Path) -> None:
        self.port, self.mapper = free_port(), free_port()
        self.password = secrets.token_hex(12)
        folder.mkdir()
        definitions = folder / "definitions.json"
        definitions.write_text(json.dumps({
            "users": [{"name": "yima", "password": self.password, "tags": []}],
            "vhosts": [{"name": "/"}],
            "permissions": [{"user": "yima", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
        }))  # fmt: skip
        config = (ROOT / "deploy" / "rabbitmq" / "rabbitmq.conf").read_text()
        assert "/run/secrets/rabbitmq_definitions" in config
        config = config.replace("/run/secrets/rabbitmq_definitions", str(definitions))
        config = config.replace("listeners.tcp.default = 5672", f"listeners.tcp.default = {self.port}")
        (folder / "rabbitmq.conf").write_text(config)
        environment = {
            **os.environ, "HOME": str(folder), "ERL_EPMD_PORT": str(self.mapper), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"yima-test-{self.port}@localhost", "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"), "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(ROOT / "deploy" / "rabbitmq" / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"), "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
        }  # fmt: skip
        server = program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server", "/usr/sbin/rabbitmq-server")
        self.service = Service("rabbitmq", [server], environment, folder)

    @property
    def url(self) -> str:
        return f"amqp://yima:{self.password}@127.0.0.1:{self.port}//"

    def start(self) -> None:
        self.service.start()
        wait_until(self._greets, "RabbitMQ answers")

    def _greets(self) -> bool:
        assert self.service.lives, self.service.log.read_text()
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
        ):
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(100).startswith(b"\x01")
        return False

    def stop(self) -> None:
        self.service.stop()

    def close(self) -> None:
        if self.service.lives:
            self.stop()
        subprocess.run(
            [program("epmd"), "-port", str(self.mapper), "-kill"], check=False, capture_output=True,
            env=self.service.environment,
        )  # fmt: skip


@dataclass(slots=True)
class Installation:
    """Everything that runs: two web processes behind Caddy, two workers, beat, broker and cache."""

    home: Home
    environment: dict[str, str]
    ports: tuple[int, int]
    proxy_port: int
    gateway: Gateway
    rabbit: Rabbit
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    def web(self, number: int) -> str:
        return f"http://127.0.0.1:{self.ports[number]}"

    def command(self, *arguments: object, status: int = 0, **more: Any) -> Any:
        """Run a command of the installation and read its JSON."""
        done = self.home.run(*arguments, "--json", env=self.environment, **more)
        assert done.status == status, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def is_ready(self, number: int) -> bool:
        web = self.services[f"web-{number + 1}"]
        assert web.lives, web.log.read_text()
        try:
            return httpx.get(f"{self.web(number)}/ready", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def figures(self, number: int) -> str:
        """One process's own figures."""
        answer = httpx.get(f"{self.web(number)}/metrics", timeout=10, trust_env=False)
        assert answer.status_code == 200
        return answer.text


def caddy(folder: Path, proxy_port: int, upstreams: list[str]) -> Service:
    """The proxy with production's Caddyfile, by environment at other addresses."""
    environment = {
        **os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder),
        "YIMA_SITE": f"http://127.0.0.1:{proxy_port}", "YIMA_UPSTREAMS": " ".join(upstreams),
        "YIMA_HTTP_PORT": str(free_port()), "YIMA_HTTPS_PORT": str(free_port()), "YIMA_PROBE_PORT": str(free_port()),
        "YIMA_CADDY_STORAGE": str(folder / "caddy"),
    }  # fmt: skip
    config = str(ROOT / "deploy" / "caddy" / "Caddyfile")
    command = [program("caddy"), "run", "--config", config, "--adapter", "caddyfile"]
    return Service("caddy", command, environment, folder)


def roles(folder: Path, environment: dict[str, str], ports: tuple[int, int]) -> list[Service]:
    """Yima's own processes, started as containers start them."""
    return [
        *(
            Service(f"web-{n + 1}", [str(YIMA), "up", "--only", "web"],
                    {**environment, "YIMA_BIND": f"127.0.0.1:{port}"}, folder)
            for n, port in enumerate(ports)
        ),
        *(Service(role, [str(YIMA), "up", "--only", role], environment, folder)
          for role in ("worker", "long-worker", "beat")),
    ]  # fmt: skip
