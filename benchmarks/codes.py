"""How fast codes are made and verified, beside itsdangerous' own signer in the same run, on one core.

A row is {"name", "value", "unit", "peer", "peer_value", "ratio"}; `ratio` says how many times better than the
peer: for rates value / peer_value, for times peer_value / value. Rows without a peer have None there.
"""

from __future__ import annotations

import json
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from itsdangerous import Signer

from codegen import packages
from codegen.batches import Batch
from codegen.bulk import Openers, open_many, seal_range, write_urls
from codegen.line_fields import HashedFile
from codegen.links import short_prefix
from codegen.listings import Known, Listing
from codegen.scheme import KEY_ID_BITS, CodeKey, Ring, Sealer, parse
from codegen.states import Span

_CODES = 5_000_000
_CODES_LONG = 100_000_000
_GTIN = "06901234567892"
_PEER_CODES = 300_000
_SINGLE_CODES = 100_000
_REPEATS = 3


def run(long: bool = False) -> list[dict[str, object]]:
    """Measure, and return the rows; `long` also writes 100 million codes to a temporary file of 4.6 GB, twice."""
    key = CodeKey(7, secrets.token_bytes(32))
    signer = Signer(key.secret)
    prefix = short_prefix("https://yima.example").encode()
    signed_per_s = _rate(_PEER_CODES, lambda: _sign(signer))
    written_per_s = _rate(_CODES, lambda: _write(key, prefix, _CODES))
    codes = seal_range(key, 0, _CODES)
    sealed_per_s = _rate(_CODES, lambda: seal_range(key, 0, _CODES))
    opened_per_s = _rate(_CODES, lambda: open_many(key, codes))
    unsigned_us = _unsign_us(signer)
    rows = [
        _row("headline", written_per_s, "codes/s written as URLs with SHA-256", "itsdangerous", signed_per_s),
        _row("bulk seal in memory", sealed_per_s, "codes/s", "itsdangerous", signed_per_s),
        _row("bulk verify", opened_per_s, "codes/s", "itsdangerous", 1e6 / unsigned_us),
        _row("bulk verify of a file", _verify_file(key, prefix, _CODES), "codes/s", "itsdangerous", 1e6 / unsigned_us),
        _row("single verify", _open_us(key), "µs", "itsdangerous", unsigned_us),
        _row("single verify of a URL, 1 key", _verify_us(key, 1), "µs", "itsdangerous", unsigned_us),
        _row("single verify of a URL, 1,024 keys", _verify_us(key, 1024), "µs", "itsdangerous", unsigned_us),
        _row("single seal", _single_seal_us(key), "µs", "itsdangerous", 1e6 / signed_per_s),
    ]
    return rows + (_long_rows() if long else [])


def _row(
    name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None
) -> dict[str, object]:
    ratio = None
    if peer_value is not None:
        ratio = round(peer_value / value if unit == "µs" else value / peer_value, 2)
        peer_value = round(peer_value, 2)
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "peer": peer,
        "peer_value": peer_value,
        "ratio": ratio,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _rate(count: int, work: Callable[[], object]) -> float:
    """Return things per second, the best of a few runs: what disturbs a run only ever slows it down."""
    return count / min(_seconds(work) for _ in range(_REPEATS))


def _sign(signer: Signer) -> None:
    # The peer's own best case: its default digest, and nothing written to a file.
    for serial in range(_PEER_CODES):
        signer.sign(b"%d" % serial)


def _write(key: CodeKey, prefix: bytes, count: int) -> None:
    with tempfile.TemporaryFile() as out:
        write_urls(out, key, prefix, 0, count, 2)
        out.flush()


def _verify_file(key: CodeKey, prefix: bytes, count: int) -> float:
    """Return the codes a second of verifying a data file, reading, SHA-256 and duplicates included."""
    batch = Known("BENCH", _GTIN, key.key_id << 35, (key.key_id << 35) + 2 * count, [Span(1, count, "activated")])
    with tempfile.TemporaryFile() as file:
        write_urls(file, key, prefix, 0, count, 2)

        def verify() -> None:
            file.seek(0)
            hashed = HashedFile(file)
            if Listing(Openers([key]), [batch]).read(hashed).valid != count:
                raise AssertionError("a code of the file does not verify")

        return _rate(count, verify)


def _unsign_us(signer: Signer) -> float:
    signed = [signer.sign(b"%d" % serial) for serial in range(_SINGLE_CODES)]

    def unsign() -> None:
        for text in signed:
            signer.unsign(text)

    return 1e6 / _rate(_SINGLE_CODES, unsign)


def _open_us(key: CodeKey) -> float:
    """Return microseconds of decoding and verifying a code's symbols: our like of `Signer.unsign`."""
    sealer = Sealer(key)
    codes = [sealer.seal(serial) for serial in range(_SINGLE_CODES)]

    def open_codes() -> None:
        for serial, code in enumerate(codes):
            if sealer.open(code) != serial:
                raise AssertionError("a code does not open to its serial")

    return 1e6 / _rate(_SINGLE_CODES, open_codes)


def _verify_us(key: CodeKey, keys: int) -> float:
    """Return microseconds of a scanned URL, parsing included, with a ring of so many keys, its codes of all of them."""
    others = [number for number in range(1 << KEY_ID_BITS) if number != key.key_id][: keys - 1]
    ring = Ring([key, *(CodeKey(number, secrets.token_bytes(32)) for number in others)])
    sealers = list(ring.values())
    urls = [f"HTTPS://YIMA.EXAMPLE/Q/{sealers[serial % len(sealers)].seal(serial)}" for serial in range(_SINGLE_CODES)]

    def verify() -> None:
        for url in urls:
            if ring.verify(parse(url)) is None:
                raise AssertionError("a code of one of the ring's keys does not verify")

    return 1e6 / _rate(_SINGLE_CODES, verify)


def _single_seal_us(key: CodeKey) -> float:
    sealer = Sealer(key)

    def seal() -> None:
        for serial in range(_SINGLE_CODES):
            sealer.seal(serial)

    return 1e6 / _rate(_SINGLE_CODES, seal)


def _long_rows() -> list[dict[str, object]]:
    """Write 100 million codes as a package in a process of its own; again, killed in the middle, gone on with."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codes.txt"
        seconds, whole = _run_child(path)
        path.unlink()
        killed = _spawn(path)
        rows = 0
        for line in killed.stdout or ():
            rows = int(line)
            if rows >= _CODES_LONG // 2:
                break
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        resumed_s, resumed = _run_child(path)
        if resumed["sha256"] != whole["sha256"] or path.stat().st_size != whole["bytes"]:
            raise AssertionError("the file that was gone on with is not the one written in one go")
    return [
        _row("100 million codes", _CODES_LONG / seconds, "codes/s as a package with checkpoints"),
        _row("100 million codes, peak memory", whole["peak_bytes"] / 2**20, "MiB"),
        _row("gone on after kill -9, identical", resumed_s, f"s after a kill at {rows:,} rows"),
        _row("gone on after kill -9, peak memory", resumed["peak_bytes"] / 2**20, "MiB"),
    ]


def _spawn(path: Path) -> subprocess.Popen[str]:
    program = "import sys; from benchmarks.codes import write_package; write_package(sys.argv[1], int(sys.argv[2]))"
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(_CODES_LONG)], stdout=subprocess.PIPE, encoding="utf-8"
    )


def _run_child(path: Path) -> tuple[float, dict[str, Any]]:
    start = time.perf_counter()
    child = _spawn(path)
    said, _ = child.communicate()
    if child.returncode != 0:
        raise AssertionError("the package was not written")
    return time.perf_counter() - start, json.loads(said.splitlines()[-1])


def write_package(path: str, count: int) -> None:
    """In the child: write a package of a made-up batch, tell how far it is, and at last what it took."""
    key = CodeKey(7, bytes(range(32)))
    prefix = short_prefix("https://yima.example")
    batch = Batch(1, "BENCH", 1, _GTIN, "bench", 7, count, False, "short", prefix, 0, "ready", None)
    content = packages.Content(batch, key, "bench", 1, count)
    manifest = packages.write(Path(path), content, on_progress=lambda rows: print(rows, flush=rows % (1 << 20) == 0))
    # Linux counts kibibytes, macOS bytes. What was imported is in the figure.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"sha256": manifest.sha256, "bytes": manifest.bytes, "peak_bytes": peak}))
