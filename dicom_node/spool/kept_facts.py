"""The facts of the series that were routed last, so that a change of the rules can be tried on them.

They hold what headers hold, names too: they are kept no longer than the images they come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from dicom_node.domain.facts import Facts, FactValue
from dicom_node.spool.tables import facts_table


@dataclass(frozen=True, slots=True)
class KeptStack:
    """What the rules saw of one stack when its series was routed.

    Attributes
    ----------
    series_uid, stack
        Whose; `stack` is its label, empty for the only one.
    routed
        UTC.
    facts
        As they were.
    """

    series_uid: str
    stack: str
    routed: datetime
    facts: Facts


class KeptFacts:
    """Facts by series.

    Parameters
    ----------
    engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(only_reads=True)

    def keep(self, series_uid: str, stacks: Mapping[str, Facts], at: datetime, *, series: int) -> None:
        """Keep the facts of a series in the place of what was kept of it, and forget those beyond the last `series`."""
        rows = [
            {
                "series_uid": series_uid, "stack": label, "routed": at,
                "header": _as_json(facts.header), "derived": _as_json(facts.derived),
            }
            for label, facts in stacks.items()
        ]  # fmt: skip
        newest_first = (
            select(facts_table.c.series_uid)
            .group_by(facts_table.c.series_uid)
            .order_by(func.max(facts_table.c.routed).desc(), facts_table.c.series_uid)
        )
        with self._engine.begin() as connection:
            connection.execute(delete(facts_table).where(facts_table.c.series_uid == series_uid))
            if rows and series:
                connection.execute(insert(facts_table), rows)
            beyond = connection.execute(newest_first.offset(series)).scalars().all()
            if beyond:
                connection.execute(delete(facts_table).where(facts_table.c.series_uid.in_(beyond)))

    def last(self, series: int | None = None) -> list[KeptStack]:
        """Return the stacks of the last series, or of all that are kept, newest first."""
        query = select(facts_table).order_by(facts_table.c.routed.desc(), facts_table.c.series_uid, facts_table.c.stack)
        found: list[KeptStack] = []
        seen: set[str] = set()
        with self._reader.connect() as connection:
            for row in connection.execute(query).mappings():
                seen.add(row["series_uid"])
                if series is not None and len(seen) > series:
                    break
                facts = Facts(_from_json(row["header"]), _from_json(row["derived"]))
                found.append(KeptStack(row["series_uid"], row["stack"], row["routed"], facts))
        return found

    def expire(self, before: datetime) -> int:
        """Forget what was routed before a time (UTC); return how many stacks that were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(facts_table).where(facts_table.c.routed < before)).rowcount


def _as_json(values: Mapping[str, FactValue]) -> dict[str, Any]:
    """Return JSON types: a header may hold NaN, which PostgreSQL's JSON does not."""
    return {key: value for key, value in values.items() if not _holds_no_number(value)}


def _holds_no_number(value: FactValue) -> bool:
    each: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    return any(isinstance(one, float) and not math.isfinite(one) for one in each)


def _from_json(values: Mapping[str, Any]) -> dict[str, FactValue]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
