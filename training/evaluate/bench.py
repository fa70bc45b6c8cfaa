"""The bench: every contestant on every case, in several processes, each case measured once."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from rich.progress import Progress

from inference.errors import ModelRefused
from inference.volume import Volume
from training.evaluate.cache import digest_of
from training.evaluate.case_planes import FOLDER, keep_planes
from training.evaluate.contestants import Contestant, Named
from training.evaluate.metrics import background_rise, distance
from training.evaluate.people import People
from training.evaluate.pictures import keep_slices
from training.evaluate.results import REFUSED, Results, Row
from training.evaluate.trial import Case, Label, Trial

AnyNamed = TypeVar("AnyNamed", bound=Named)

_MEASURED_BY = Path(__file__).with_name("metrics.py")


@dataclass(frozen=True, slots=True)
class Job:
    """One case for all contestants that have not been measured on it.

    Attributes
    ----------
    case, contestants, people
        What is run.
    done
        (model digest, case, case digest) of all that has been measured.
    slices
        Folder for an axial slice of every volume; None keeps none.
    """

    case: Case
    contestants: tuple[Contestant, ...]
    people: People
    done: frozenset[tuple[str, str, str]]
    slices: Path | None = None

    def __call__(self) -> list[Row]:
        """Make the trial, run the contestants, and measure."""
        trial = self.case.trial(self.people)
        label = self.case.label
        shown: dict[str, Volume] = {}

        def tried(contestant: Contestant) -> dict[str, float]:
            began = time.perf_counter()
            result = contestant.harmonized(trial, contrast=label.contrast)
            seconds = time.perf_counter() - began
            shown[contestant.name] = result
            if self.slices is not None:
                keep_planes(self.slices / FOLDER, label, contestant, trial, result)
            return {"seconds": seconds, **_measures(result, trial)}

        digest = digest_of(trial.digest, _MEASURED_BY.read_text(encoding="utf-8"))
        rows = attempted(label, self.contestants, digest=digest, done=self.done, tried=tried)
        if self.slices is not None:
            keep_slices(self.slices, label, trial, shown)
        return rows


def attempted(
    label: Label,
    contestants: Iterable[AnyNamed],
    *,
    digest: str,
    done: Container[tuple[str, str, str]],
    tried: Callable[[AnyNamed], Mapping[str, float]],
) -> list[Row]:
    """Try a case with all contestants that have not been measured on it.

    Parameters
    ----------
    label, digest
        Of the case.
    contestants
        Who tries.
    done
        As in `Job`.
    tried
        Runs one of them, and returns measure -> value; a `ModelRefused` that it raises becomes a row of its own.
    """
    rows: list[Row] = []
    for contestant in contestants:
        if (contestant.digest, label.case, digest) in done:
            continue
        values: Mapping[str, float] = {REFUSED: 1.0}
        note = ""
        try:
            values = tried(contestant)
        except ModelRefused as refusal:
            note = str(refusal)
        rows += rows_of(label, contestant, digest, values, note=note)
    return rows


def rows_of(label: Label, contestant: Named, digest: str, values: Mapping[str, float], *, note: str = "") -> list[Row]:
    """Return one row a measure."""
    return [
        Row(label.experiment, label.case, label.group, label.family, label.subject, label.contrast,
            contestant.name, contestant.digest, digest, metric, value, note)
        for metric, value in values.items()
    ]  # fmt: skip


Work: TypeAlias = Callable[[], list[Row]]
"""What can be sent to another process, and comes back as rows."""


def run(title: str, jobs: Sequence[Work], results: Results, progress: Progress, *, workers: int) -> None:
    """Run all jobs; rows are written as each ends.

    Parameters
    ----------
    title
        Stands before the bar.
    jobs
        In any order.
    results
        Take the rows.
    progress
        Shows how far it is.
    workers
        Processes; 1 runs in this one. Each computes on one thread.
    """
    bar = progress.add_task(title, total=len(jobs))
    for rows in _finished(jobs, workers):
        results.add(rows)
        progress.advance(bar)


def _finished(jobs: Sequence[Work], workers: int) -> Iterator[list[Row]]:
    if workers == 1:
        yield from (job() for job in jobs)
        return
    # spawned, not forked: a copy of a process that holds threads may never wake up
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for future in as_completed([pool.submit(job) for job in jobs]):
            yield future.result()


def _measures(result: Volume, trial: Trial) -> dict[str, float]:
    values = distance(result.voxels, trial.truth.voxels, trial.mask)
    for name, truth in trial.further.items():
        values |= {f"{metric}_{name}": value for metric, value in distance(result.voxels, truth, trial.mask).items()}
    return {**values, **background_rise(result.voxels, trial.source.voxels, trial.mask)}
