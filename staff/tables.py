"""Tables of staff: who signs in to the console. One login may serve several brands."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    func,
)

from kernel.db import metadata

staff = Table(
    "staff",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("email_index", LargeBinary, nullable=False),  # blind index, to find
    Column("email_sealed", LargeBinary, nullable=False),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("language", String(2), nullable=False, server_default="zh"),
    Column("state", String(10), nullable=False, server_default="active"),
    Column("password_hash", String(200)),  # NULL: invited, no password set yet
    Column("password_at", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default="0"),  # wrong tries since the last sign-in
    Column("failed_at", DateTime(timezone=True)),
    Column("totp_sealed", LargeBinary),
    Column("totp_at", DateTime(timezone=True)),  # when it was confirmed; NULL: not in force
    Column("totp_step", BigInteger, nullable=False, server_default="0"),  # the last step used: each is good once
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state IN ('active', 'disabled')", name="state"),
    CheckConstraint("language IN ('zh', 'en')", name="language"),
    CheckConstraint("totp_at IS NULL OR totp_sealed IS NOT NULL", name="totp"),
    UniqueConstraint("email_index"),
)

staff_role = Table(
    "staff_role",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True),
    Column("staff_id", BigInteger, ForeignKey("staff.id"), primary_key=True),
    Column("role", String(20), primary_key=True),
    Column("granted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("granted_by", String(80), nullable=False),
    CheckConstraint("role IN ('owner', 'marketer', 'factory', 'warehouse', 'analyst', 'auditor')", name="role"),
    Index("ix_staff_role_staff_id", "staff_id"),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("staff_id", BigInteger, ForeignKey("staff.id"), nullable=False),
    Column("token_hash", LargeBinary, nullable=False),  # the token itself is with the browser only
    Column("agent", String(200), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_at", DateTime(timezone=True), nullable=False),  # when the password was last given
    UniqueConstraint("token_hash"),
    Index("ix_staff_session_staff_id", "staff_id"),
    Index("ix_staff_session_seen_at", "seen_at"),
)

staff_reset = Table(
    "staff_reset",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("staff_id", BigInteger, ForeignKey("staff.id"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('reset', 'invitation')", name="kind"),
    UniqueConstraint("token_hash"),
    Index("ix_staff_reset_staff_id", "staff_id", "created_at"),
)

staff_recovery = Table(
    "staff_recovery",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("staff_id", BigInteger, ForeignKey("staff.id"), nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("used_at", DateTime(timezone=True)),
    UniqueConstraint("staff_id", "code_hash"),
)

# Tries of one network address, of every kind that is limited: what holds across processes is in the database.
staff_attempt = Table(
    "staff_attempt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("address_index", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('sign_in', 'reset')", name="kind"),
    Index("ix_staff_attempt_address", "kind", "address_index", "at"),
)
