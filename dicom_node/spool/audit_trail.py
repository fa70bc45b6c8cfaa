"""The ledger's associations, and the audit messages that wait to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Engine, RowMapping, delete, func, insert, select

from dicom_node.domain.association import AssociationEvent
from dicom_node.spool.tables import associations_table, audit_messages_table


class AuditTrail:
    """Associations and audit messages in the ledger.

    Parameters
    ----------
    engine
        Of the ledger.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(only_reads=True)

    def record(self, associations: Sequence[AssociationEvent], messages: Sequence[tuple[datetime, str]]) -> None:
        """Write associations, and messages (time and text) that are to be sent, durably and together."""
        with self._engine.begin() as connection:
            if associations:
                connection.execute(insert(associations_table), [asdict(each) for each in associations])
            if messages:
                rows = [{"at": at, "message": text} for at, text in messages]
                connection.execute(insert(audit_messages_table), rows)

    def associations(self) -> list[AssociationEvent]:
        """Return all associations, in the order in which they were written."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(associations_table).order_by(associations_table.c.id)).mappings()
            return [_event(row) for row in rows]

    def waiting(self, at_most: int) -> list[tuple[int, datetime, str]]:
        """Return the first messages that wait to be sent: their numbers, times and texts."""
        query = select(audit_messages_table).order_by(audit_messages_table.c.id).limit(at_most)
        with self._reader.connect() as connection:
            return [(row.id, row.at, row.message) for row in connection.execute(query)]

    def count_waiting(self) -> int:
        """Return how many messages wait."""
        with self._reader.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(audit_messages_table)).scalar_one())

    def sent(self, numbers: Sequence[int]) -> None:
        """Take messages that were sent out of the queue."""
        with self._engine.begin() as connection:
            connection.execute(delete(audit_messages_table).where(audit_messages_table.c.id.in_(numbers)))

    def forget(self, before: datetime) -> int:
        """Delete the associations that ended before a time, UTC; return how many. Messages wait until they are sent."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(associations_table).where(associations_table.c.ended_at < before))
            return int(gone.rowcount)


def _event(row: RowMapping) -> AssociationEvent:
    return AssociationEvent(**{name: value for name, value in row.items() if name != "id"})
