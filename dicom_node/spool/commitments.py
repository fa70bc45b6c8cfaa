"""The ledger's storage commitment requests: written before they are acknowledged, reported on until they were heard."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, or_, select, update

from dicom_node.domain.commitment import Commitment, CommitmentEvent, CommitmentState, references_of
from dicom_node.errors import NotFound
from dicom_node.spool.tables import commitments_table as table


class Commitments:
    """Requests in the ledger; several processes may work on them.

    Parameters
    ----------
    engine
        Of the ledger.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(only_reads=True)

    def ask(self, request: Commitment) -> Commitment:
        """Write a request down, durably, and return it as it stands then.

        The same request again is reported on again and is no second one. One that uses the TransactionUID of another
        of the same requestor is marked as a duplicate (PS3.3 C.14.1.1, Failure Reason 0131).
        """
        with self._engine.begin() as connection:
            known = _find(connection, request.id)
            if known is not None:
                again = known.after(
                    CommitmentEvent.ASKED_AGAIN, peer=request.peer, received=request.received,
                    next_attempt=request.next_attempt, attempts=0, reason=None,
                )  # fmt: skip
                _save(connection, again)
                return again
            same = select(table.c.id).where(
                table.c.transaction_uid == request.transaction_uid, table.c.requestor == request.requestor
            )
            values = {**_values(request), "duplicate": connection.execute(same).first() is not None}
            connection.execute(insert(table).values(values))
            return _commitment(values)

    def all(self) -> list[Commitment]:
        """Return all requests, oldest first."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).order_by(table.c.received, table.c.id)).mappings()
            return [_commitment(row) for row in rows]

    def take_due(self, now: datetime, *, lease: timedelta, without: Collection[str] = ()) -> list[Commitment]:
        """Return the requests whose time has come, and keep them from other processes for a while.

        Parameters
        ----------
        now
            UTC.
        lease
            Longer than any report takes. A request that lies further ahead than a day was put off by a clock that has
            been set back since: it is due too.
        without
            AE titles whose requests are left where they are.
        """
        at = table.c.next_attempt
        query = select(table).where(
            table.c.state == CommitmentState.WAITING,
            or_(at <= now, at > now + timedelta(days=1)),
            table.c.requestor.not_in(without),
        )
        with self._reader.connect() as connection:  # most of the time there is none: no write for that
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._engine.begin() as connection:
            rows = connection.execute(query.order_by(at).with_for_update()).mappings().all()
            taken = [_commitment(row) for row in rows]
            for request in taken:
                connection.execute(update(table).where(table.c.id == request.id).values(next_attempt=now + lease))
            return taken

    def make_due(self, now: datetime) -> None:
        """Have all waiting requests due now, UTC: after a start, as a process that was killed may have had some."""
        waiting = table.c.state == CommitmentState.WAITING
        with self._engine.begin() as connection:
            connection.execute(update(table).where(waiting).values(next_attempt=now))

    def change(self, asked: Commitment, event: CommitmentEvent, **changes: Any) -> Commitment:
        """Take a request through `event` and return it; one that was asked again meanwhile stays due as it is.

        Raises
        ------
        NotFound
            When it is gone.
        """
        with self._engine.begin() as connection:
            request = _find(connection, asked.id)
            if request is None:
                raise NotFound(f"no storage commitment request {asked.id}: it was forgotten after its time")
            if request.received != asked.received:
                return request
            changed = request.after(event, **changes)
            _save(connection, changed)
            return changed

    def forget(self, before: datetime) -> int:
        """Delete what was settled and came before a time, UTC; return how many."""
        settled = (CommitmentState.REPORTED, CommitmentState.GIVEN_UP)
        with self._engine.begin() as connection:
            gone = connection.execute(delete(table).where(table.c.state.in_(settled), table.c.received < before))
            return int(gone.rowcount)


def _find(connection: Connection, request_id: str) -> Commitment | None:
    row = connection.execute(select(table).where(table.c.id == request_id).with_for_update()).mappings().first()
    return None if row is None else _commitment(row)


def _save(connection: Connection, request: Commitment) -> None:
    connection.execute(update(table).where(table.c.id == request.id).values(_values(request)))


def _values(request: Commitment) -> dict[str, Any]:
    return {**asdict(request), "id": request.id, "references": [list(each) for each in request.references]}


def _commitment(row: RowMapping | dict[str, Any]) -> Commitment:
    fields = {name: value for name, value in row.items() if name != "id"}
    return Commitment(
        **{**fields, "references": references_of(row["references"]), "state": CommitmentState(row["state"])}
    )
