"""The ledger's paces: how senders sent their last series, over restarts."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select, update

from dicom_node.domain.pace import Pace
from dicom_node.spool.tables import paces_table as table


class LedgerPaceBook:
    """Paces in the ledger; see `dicom_node.domain.ports.PaceBook`.

    Parameters
    ----------
    engine
        Of the ledger.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(only_reads=True)

    def paces(self) -> list[Pace]:
        """Return what is known of all senders."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).order_by(table.c.calling_ae)).mappings().all()
        return [Pace(row["calling_ae"], tuple(row["pauses_s"])) for row in rows]

    def keep(self, pace: Pace) -> None:
        """Write down what is known of one sender now."""
        values = {"calling_ae": pace.calling_ae, "pauses_s": list(pace.pauses_s)}
        with self._engine.begin() as connection:
            same = table.c.calling_ae == pace.calling_ae
            if not connection.execute(update(table).where(same).values(values)).rowcount:
                connection.execute(insert(table).values(values))
