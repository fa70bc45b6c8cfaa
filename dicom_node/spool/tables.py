"""The ledger's tables."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A time of day in UTC: SQLite forgets time zones, so they are put back here."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what is stored: UTC without a time zone."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what was stored, as UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData()

series_table = Table(
    "series",
    metadata,
    Column("series_uid", String(64), primary_key=True),
    Column("study_uid", String(64), nullable=False, index=True),
    Column("folder", String(32), nullable=False, unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("first_seen", UtcTime, nullable=False),
    Column("changed", UtcTime, nullable=False),
    Column("reason", Text),
    Column("evidence", Text),
    Column("series_number", Integer),
)

jobs_table = Table(
    "jobs",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("series_uid", String(64), ForeignKey("series.series_uid"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("stack", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("snapshot", JSON, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_digest", String(64), nullable=False),
    Column("target", Text),
    Column("target_digest", String(64)),
    Column("derived_series_uid", String(64), nullable=False, unique=True),
    Column("derived_series_number", Integer, nullable=False),
    Column("derived_at", UtcTime, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("times", JSON, nullable=False),
    Column("measured", JSON, nullable=False),
    Column("window", Text),
)

deliveries_table = Table(
    "deliveries",
    metadata,
    Column("job_id", String(12), ForeignKey("jobs.id"), primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", UtcTime, nullable=False),
    Column("reason", Text),
)

rules_table = Table(
    "rules_versions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("published", UtcTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
)

facts_table = Table(
    "stack_facts",
    metadata,
    Column("series_uid", String(64), ForeignKey("series.series_uid"), primary_key=True),
    Column("stack", Text, primary_key=True),
    Column("routed", UtcTime, nullable=False, index=True),
    Column("header", JSON, nullable=False),
    Column("derived", JSON, nullable=False),
)

commitments_table = Table(
    "commitments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("transaction_uid", String(64), nullable=False, index=True),
    Column("requestor", String(16), nullable=False),
    Column("peer", String(64), nullable=False),
    Column("references", JSON, nullable=False),
    Column("received", UtcTime, nullable=False),
    Column("next_attempt", UtcTime, nullable=False),
    Column("duplicate", Boolean, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
)

performed_steps_table = Table(
    "performed_steps",
    metadata,
    Column("uid", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("calling_ae", String(16), nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("changed", UtcTime, nullable=False),
)

performed_series_table = Table(
    "performed_series",
    metadata,
    Column("step_uid", String(64), ForeignKey("performed_steps.uid"), primary_key=True),
    Column("series_uid", String(64), primary_key=True, index=True),
    Column("instances", JSON, nullable=False),
)

associations_table = Table(
    "associations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=False, index=True),
    Column("peer", String(64), nullable=False),
    Column("calling_ae", String(16), nullable=False),
    Column("called_ae", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text),
    Column("tls", Boolean, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("refused_instances", Integer, nullable=False),
)

audit_messages_table = Table(
    "audit_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("message", Text, nullable=False),
)

paces_table = Table(
    "paces",
    metadata,
    Column("calling_ae", String(16), primary_key=True),
    Column("pauses_s", JSON, nullable=False),
)
