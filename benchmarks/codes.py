"""How fast codes are made and verified, beside itsdangerous' own signer in the same run, on one core.

A row is {"name", "value", "unit", "peer", "peer_value", "ratio"}; `ratio` says how many times better than the
peer: for rates value / peer_value, for times peer_value / value. Rows without a peer have None there.
"""

from __future__ import annotations

import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable

from itsdangerous import Signer

from codegen.bulk import open_many, seal_range, write_urls
from codegen.links import short_prefix
from codegen.scheme import CodeKey, Ring, Sealer, parse

_CODES = 5_000_000
_CODES_LONG = 100_000_000
_PEER_CODES = 300_000
_SINGLE_CODES = 100_000
_REPEATS = 3


def run(long: bool = False) -> list[dict[str, object]]:
    """Measure, and return the rows; `long` also writes 100 million codes to a temporary file of 4.6 GB."""
    key = CodeKey(7, secrets.token_bytes(32))
    signer = Signer(key.secret)
    prefix = short_prefix("https://yima.example").encode()
    rows = []
    if long:
        # First, so that no other measurement's memory is in the peak.
        rows += _long_rows(key, prefix)
    signed_per_s = _rate(_PEER_CODES, lambda: _sign(signer))
    written_per_s = _rate(_CODES, lambda: _write(key, prefix, _CODES))
    codes = seal_range(key, 0, _CODES)
    sealed_per_s = _rate(_CODES, lambda: seal_range(key, 0, _CODES))
    opened_per_s = _rate(_CODES, lambda: open_many(key, codes))
    unsigned_us, opened_us, verified_us = _single_verify_us(key, signer)
    sealed_one_us = _single_seal_us(key)
    return [
        _row("headline", written_per_s, "codes/s written as URLs with SHA-256", "itsdangerous", signed_per_s),
        _row("bulk seal in memory", sealed_per_s, "codes/s", "itsdangerous", signed_per_s),
        _row("bulk verify", opened_per_s, "codes/s", "itsdangerous", 1e6 / unsigned_us),
        _row("single verify", opened_us, "µs", "itsdangerous", unsigned_us),
        _row("single verify of a URL, parsing included", verified_us, "µs", "itsdangerous", unsigned_us),
        _row("single seal", sealed_one_us, "µs", "itsdangerous", 1e6 / signed_per_s),
        *rows,
    ]


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


def _single_verify_us(key: CodeKey, signer: Signer) -> tuple[float, float, float]:
    """Return microseconds per code of `Signer.unsign`, of our like of it, and of a whole scanned URL.

    The like is decoding and verifying a code's symbols; the whole is parsing the URL and verifying it with a
    ring of 20 keys.
    """
    ring = Ring([key, *(CodeKey(key_id, secrets.token_bytes(32)) for key_id in range(100, 119))])
    sealer = Sealer(key)
    codes = [sealer.seal(serial) for serial in range(_SINGLE_CODES)]
    urls = [f"HTTPS://YIMA.EXAMPLE/Q/{code}" for code in codes]
    signed = [signer.sign(b"%d" % serial) for serial in range(_SINGLE_CODES)]

    def unsign() -> None:
        for text in signed:
            signer.unsign(text)

    def open_codes() -> None:
        for serial, code in enumerate(codes):
            if sealer.open(code) != serial:
                raise AssertionError("a code does not open to its serial")

    def verify() -> None:
        for url in urls:
            if ring.verify(parse(url)) is None:
                raise AssertionError("a code of the ring's own key does not verify")

    unsign_per_s, open_per_s, verify_per_s = (_rate(_SINGLE_CODES, work) for work in (unsign, open_codes, verify))
    return 1e6 / unsign_per_s, 1e6 / open_per_s, 1e6 / verify_per_s


def _single_seal_us(key: CodeKey) -> float:
    sealer = Sealer(key)

    def seal() -> None:
        for serial in range(_SINGLE_CODES):
            sealer.seal(serial)

    return 1e6 / _rate(_SINGLE_CODES, seal)


def _long_rows(key: CodeKey, prefix: bytes) -> list[dict[str, object]]:
    seconds = _seconds(lambda: _write(key, prefix, _CODES_LONG))
    # Linux counts kibibytes, macOS bytes. What was imported before is in the figure.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return [
        _row("100 million codes", _CODES_LONG / seconds, "codes/s written as URLs with SHA-256"),
        _row("100 million codes, peak memory", peak / 2**20, "MiB"),
    ]
