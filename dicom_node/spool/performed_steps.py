"""The ledger's performed procedure steps: what scanners say they did."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, delete, insert, select, update

from dicom_node.domain.performed_step import PerformedStep, StepState
from dicom_node.spool.tables import performed_series_table as series_table
from dicom_node.spool.tables import performed_steps_table as steps_table


class PerformedSteps:
    """Performed procedure steps in the ledger.

    Parameters
    ----------
    engine
        Of the ledger.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(only_reads=True)

    def find(self, uid: str) -> PerformedStep | None:
        """Return one step, or None."""
        with self._reader.connect() as connection:
            row = connection.execute(select(steps_table).where(steps_table.c.uid == uid)).mappings().first()
            listed = connection.execute(select(series_table).where(series_table.c.step_uid == uid)).mappings().all()
        if row is None:
            return None
        series = {each["series_uid"]: frozenset(each["instances"]) for each in listed}
        return PerformedStep(**{**row, "state": StepState(row["state"])}, series=series)

    def save(self, step: PerformedStep) -> None:
        """Write a step, durably, as it is now."""
        values = {
            "uid": step.uid, "state": step.state, "calling_ae": step.calling_ae,
            "created": step.created, "changed": step.changed,
        }  # fmt: skip
        with self._engine.begin() as connection:
            same = steps_table.c.uid == step.uid
            if not connection.execute(update(steps_table).where(same).values(values)).rowcount:
                connection.execute(insert(steps_table).values(values))
            connection.execute(delete(series_table).where(series_table.c.step_uid == step.uid))
            for uid, instances in step.series.items():
                row = {"step_uid": step.uid, "series_uid": uid, "instances": sorted(instances)}
                connection.execute(insert(series_table).values(row))

    def performed(self, series_uid: str) -> frozenset[str] | None:
        """Return all instances of a series by the steps that made it; see `dicom_node.domain.ports.Performed`."""
        query = (
            select(steps_table.c.state, series_table.c.instances)
            .join(steps_table, steps_table.c.uid == series_table.c.step_uid)
            .where(series_table.c.series_uid == series_uid)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        if not rows or any(state != StepState.COMPLETED for state, _ in rows):
            return None
        return frozenset(uid for _, instances in rows for uid in instances) or None

    def forget(self, before: datetime) -> int:
        """Delete the steps that last changed before a time, UTC; return how many."""
        old = select(steps_table.c.uid).where(steps_table.c.changed < before)
        with self._engine.begin() as connection:
            connection.execute(delete(series_table).where(series_table.c.step_uid.in_(old)))
            return int(connection.execute(delete(steps_table).where(steps_table.c.changed < before)).rowcount)
