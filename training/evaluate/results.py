"""The results: one row a case, model and measure, in a file that a run can go on with."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

REFUSED = "refused"
"""The measure of a case that a model would not take; its value is 1, the reason is in ``note``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value.

    Attributes
    ----------
    experiment, case, group, family, subject, contrast
        As in `training.evaluate.trial.Label`.
    model, model_digest
        What was judged.
    case_digest
        Of source, truth and look, and of how they are measured.
    metric, value
        The measure; its unit stands in its name, dB for PSNR.
    note
        Why a case was refused.
    """

    experiment: str
    case: str
    group: str
    family: str
    subject: str
    contrast: str
    model: str
    model_digest: str
    case_digest: str
    metric: str
    value: float
    note: str = ""


class Results:
    """Rows in ``results.csv``: appended as they come, the last of the same name counts.

    Parameters
    ----------
    path
        Of the file.
    resume
        Go on with what is there; else begin anew.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._rows: dict[tuple[str, str, str], Row] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and path.is_file():
            self._remember(_read(path))
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([field.name for field in fields(Row)])

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        rows = list(rows)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows(asdict(row).values() for row in rows)
        self._remember(rows)

    def rows(self) -> tuple[Row, ...]:
        """Return all rows."""
        return tuple(self._rows.values())

    def done(self) -> frozenset[tuple[str, str, str]]:
        """Return (model digest, case, case digest) of all that has been measured."""
        return frozenset((row.model_digest, row.case, row.case_digest) for row in self._rows.values())

    def _remember(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._rows[row.case, row.model, row.metric] = row


def by_metric(rows: Iterable[Row], metric: str) -> dict[str, dict[str, Row]]:
    """Return model -> case -> row of one measure."""
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row.metric == metric:
            found[row.model][row.case] = row
    return dict(found)


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(**{**each, "value": float(each["value"])}) for each in csv.DictReader(file)]  # type: ignore[arg-type]
