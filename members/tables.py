"""Tables of members: people and the points ledger."""

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
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    func,
    text,
)

from kernel.db import metadata

member = Table(
    "member",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("public_id", String(20), nullable=False, unique=True),
    Column("state", String(10), nullable=False, server_default="active"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # when the person said to be 18 or older; the consent of that moment says in which words
    Column("adult_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('active', 'blocked', 'erased')", name="state"),
    Index("ix_member_brand_id", "brand_id"),
    Index("ix_member_brand_id_created_at", "brand_id", "created_at", "id"),
)

identity = Table(
    "identity",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("member_id", BigInteger, ForeignKey("member.id"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("subject_index", LargeBinary, nullable=False),  # blind index, to find
    Column("subject_sealed", LargeBinary, nullable=False),  # the value itself, to reach the person
    Column("verified_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("brand_id", "kind", "subject_index"),
    Index("ix_identity_member_id", "member_id"),
)

consent = Table(
    "consent",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("member_id", BigInteger, ForeignKey("member.id"), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("text_version", String(20), nullable=False),
    Column("given_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("withdrawn_at", DateTime(timezone=True)),
    Index("ix_consent_member_id", "member_id"),
)

sign_in_code = Table(
    "sign_in_code",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("subject_index", LargeBinary, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("device_index", LargeBinary),  # by which it was asked for and alone is good; null: it was not told
    Index("ix_sign_in_code_subject", "brand_id", "subject_index", "created_at"),
)

wechat_app = Table(
    "wechat_app",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("app_id", String(18), nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("scope", String(20), nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("failed_errcode", Integer),
    Column("failed_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('official', 'mini')", name="kind"),
    CheckConstraint("(kind = 'official') = (scope <> '')", name="scope"),
)

wechat_state = Table(
    "wechat_state",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("device_index", LargeBinary, nullable=False),  # the browser that began
    Column("app_id", String(18), nullable=False),
    Column("code_sealed", LargeBinary),  # the product's code to go back to; NULL where the account's page began
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Index("ix_wechat_state_expires_at", "expires_at"),
)

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("member_id", BigInteger, ForeignKey("member.id")),  # NULL: the brand's own (issuer) account
    Column("currency", String(10), nullable=False),
    # kept for members only: a balance on the issuer's one row would make every posting wait for it
    Column("balance", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("currency IN ('spendable', 'qualifying')", name="currency"),
    CheckConstraint("member_id IS NOT NULL OR balance = 0", name="issuer"),
    CheckConstraint("balance >= 0", name="balance"),
    UniqueConstraint("brand_id", "member_id", "currency", postgresql_nulls_not_distinct=True),
    Index("ix_account_member_id", "member_id"),
)

# No foreign keys here: ADR 0045.
journal = Table(
    "journal",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("brand_id", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("cause_kind", String(20), nullable=False),
    Column("cause_id", String(60), nullable=False),
    Column("reverses", BigInteger),
    CheckConstraint("kind IN ('earn', 'burn', 'expire', 'adjust', 'reverse')", name="kind"),
    Index("ix_journal_brand_id_at", "brand_id", "at", "id"),
    Index("uq_journal_reverses", "reverses", unique=True, postgresql_where=text("reverses IS NOT NULL")),
)

# No foreign keys here: ADR 0045.
entry = Table(
    "entry",
    metadata,
    Column("brand_id", BigInteger, nullable=False),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("journal_id", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("cause_kind", String(20), nullable=False),
    Column("cause_id", String(60), nullable=False),
    Column("rule_id", BigInteger, nullable=False, server_default="0"),
    Column("rule_version", Integer, nullable=False, server_default="0"),
    CheckConstraint("amount <> 0", name="amount"),
    # the wall against paying twice; the rule's version is no part of it
    UniqueConstraint("account_id", "cause_kind", "cause_id", "rule_id", "kind", name="uq_entry_once"),
    Index("ix_entry_journal_id", "journal_id"),
)

# No foreign keys here: ADR 0045.
lot = Table(
    "lot",
    metadata,
    Column("brand_id", BigInteger, nullable=False),
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("journal_id", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("left", BigInteger, nullable=False),
    Column("active_from", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint('"left" BETWEEN 0 AND amount', name="left"),
    Index("ix_lot_open", "account_id", "expires_at", postgresql_where=text('"left" > 0')),
    Index("ix_lot_journal_id", "journal_id"),
)

lot_allocation = Table(
    "lot_allocation",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("journal_id", BigInteger, ForeignKey("journal.id"), nullable=False),
    Column("lot_id", BigInteger, ForeignKey("lot.id"), nullable=False),
    # negative: taken from the lot; positive: given back by a reversal
    Column("amount", BigInteger, nullable=False),
    CheckConstraint("amount <> 0", name="amount"),
    Index("ix_lot_allocation_journal_id", "journal_id"),
    Index("ix_lot_allocation_lot_id", "lot_id"),
)
