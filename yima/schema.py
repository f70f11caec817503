"""All rooms' tables in one metadata, for migrations and for the test that holds the two equal."""

from __future__ import annotations

import re
from typing import Any

import antifraud.alarms
import antifraud.blocks
import campaigns.tables
import codegen.line_tables
import codegen.tables
import insights.tables
import kernel.audit
import kernel.crypto
import kernel.heartbeats
import kernel.idempotency
import kernel.outbox
import kernel.rate_exchange
import kernel.tasks
import members.tables
import staff.tables
import traceability.tables
from kernel.db import metadata

__all__ = ["metadata", "of_our_making"]

_ROOMS = (
    antifraud.alarms, antifraud.blocks, campaigns.tables, codegen.line_tables, codegen.tables, insights.tables,
    kernel.audit, kernel.crypto, kernel.heartbeats, kernel.idempotency, kernel.outbox, kernel.rate_exchange,
    kernel.tasks, members.tables, staff.tables, traceability.tables,
)  # fmt: skip

_NOT_OURS = re.compile(r"scan_\d{4}_\d{2}.*|kombu_.*|celery_.*|alembic_version|queue_id_sequence|message_id_sequence")


def of_our_making(_: object, name: str | None, kind: str, *__: Any) -> bool:  # noqa: ANN401 (Alembic's signature)
    """Leave out the journal's partitions and what Celery's transport makes for itself."""
    return not (kind == "table" and name is not None and _NOT_OURS.fullmatch(name))
