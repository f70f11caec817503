"""Who took code packages, when, and from where: recorded before the first byte leaves, and as often as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from codegen import keys, order_states, packaging
from codegen.batches import Batch
from codegen.packaging import Package
from kernel import audit
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict

_SEAL: Final = "package-download"


@dataclass(frozen=True, slots=True)
class Download:
    """A package that somebody took; `package` is None for a file that `yima codes issue` wrote."""

    at: datetime
    actor: str
    file: str | None
    lines: int
    address: str | None
    package: str | None
    recipient: str | None


async def record(
    tx: Tx,
    vault: Vault,
    batch: Batch,
    package: Package | None,
    *,
    file: str,
    sha256: str,
    address: str | None,
    actor: str,
) -> None:
    """Note who takes a package, before the first byte leaves.

    Args:
        tx: the transaction.
        vault: seals the address.
        batch: whose codes.
        package: which package; None for a file that `yima codes issue` wrote.
        file: the file's name.
        sha256: of the data.
        address: where it goes, or None.
        actor: who takes it.

    Raises:
        Conflict: the package is not there to be taken, or the key is not released, or revoked.
    """
    await keys.judge_release(tx, batch.key_id)
    await order_states.lock(tx, batch)
    lines = batch.count
    if package is not None:
        package = await packaging.by_id(tx, package.id)  # its order may have ended since the caller looked
        lines = package.last - package.first + 1
        if package.under_way:
            raise packaging.under_way(package)
        if package.state not in ("ready", "taken"):
            raise Conflict(f"Package {package.name} is not there ({package.state}).")
    values: dict[str, Any] = {
        "brand": batch.brand_id, "batch": batch.id, "actor": actor, "lines": lines, "sha256": sha256, "file": file[:80],
        "address": None if address is None else vault.seal(address.encode(), _SEAL),
        "package": None if package is None else package.id,
    }  # fmt: skip
    await tx.execute(
        text("""
            INSERT INTO package_download (brand_id, batch_id, actor, lines, sha256, file, address_sealed, package_id)
            VALUES (:brand, :batch, :actor, :lines, :sha256, :file, :address, :package)"""),
        values,
    )
    await order_states.note_taken(tx, batch)
    await audit.record(
        tx, brand_id=batch.brand_id, actor=actor, action="package.download", subject=f"batch {batch.name}",
        after={"file": file, "lines": lines, "package": None if package is None else package.name},
    )  # fmt: skip


async def list_of(
    tx: Tx, vault: Vault, *, brand_id: int, batch: Batch | None = None, limit: int, package_id: int | None = None
) -> list[Download]:
    """Who took packages of the brand, of one of its batches or one package, the latest first."""
    rows = await tx.execute(
        text("""
            SELECT d.at, d.actor, d.file, d.lines, d.address_sealed, r.name AS recipient,
                b.name || CASE WHEN p.number = 0 THEN '' ELSE '-' || p.number END AS package
            FROM package_download d JOIN batch b ON b.id = d.batch_id
            LEFT JOIN code_package p ON p.id = d.package_id LEFT JOIN recipient r ON r.id = p.recipient_id
            WHERE d.brand_id = :brand AND (CAST(:batch AS bigint) IS NULL OR d.batch_id = :batch)
                AND (CAST(:package AS bigint) IS NULL OR d.package_id = :package)
            ORDER BY d.id DESC LIMIT :limit"""),
        {"brand": brand_id, "batch": None if batch is None else batch.id, "package": package_id, "limit": limit},
    )
    return [
        Download(
            row.at, row.actor, row.file, row.lines,
            None if row.address_sealed is None else vault.open(row.address_sealed, _SEAL).decode(),
            row.package, row.recipient,
        )
        for row in rows
    ]  # fmt: skip
