"""The ledger's tables."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, Column, DateTime, Dialect, ForeignKey, Integer, MetaData, String, Table, Text
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

paces_table = Table(
    "paces",
    metadata,
    Column("calling_ae", String(16), primary_key=True),
    Column("pauses_s", JSON, nullable=False),
)
