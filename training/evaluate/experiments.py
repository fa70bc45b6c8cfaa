"""The experiments: from cases to results, tables, plots and pictures in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from training.evaluate import e1, e2, e3, e4
from training.evaluate.accuracy_plots import draw_accuracies
from training.evaluate.before_after import before_after
from training.evaluate.bench import Job, run
from training.evaluate.case_pictures import draw_ranked
from training.evaluate.case_planes import FOLDER
from training.evaluate.contestants import Contestant, Identity, Named, Oracle, Scaling
from training.evaluate.ct_pictures import draw_cases
from training.evaluate.ct_tables import ct_report, write_summary
from training.evaluate.environment import environment, seconds_a_volume, write_environment
from training.evaluate.histogram_plots import draw_histograms
from training.evaluate.people import People
from training.evaluate.pictures import draw_slices
from training.evaluate.plots import draw_plots
from training.evaluate.protocols import GROUP as PROTOCOL
from training.evaluate.protocols import classified, complete
from training.evaluate.results import Results, Row
from training.evaluate.sets import SETS, EvaluationSet
from training.evaluate.synthesizers import Synthesizer
from training.evaluate.tables import protocol_report, report
from training.evaluate.trial import Case, Label

_COMPARED: Mapping[str, Callable[[People, EvaluationSet], Iterable[Case]]] = {"e1": e1.cases, "e3": e3.cases}
_ALWAYS_IN: Mapping[str, tuple[Contestant, ...]] = {
    "e1": (Identity(), Scaling()),
    "e2": (Identity(),),
    "e3": (Identity(), Oracle()),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How an experiment is run.

    Attributes
    ----------
    chosen
        Name of the set.
    out
        Folder; each experiment has one in it.
    resume
        Go on with the results that are there.
    workers
        Processes.
    """

    chosen: str
    out: Path
    resume: bool = False
    workers: int = 1


def compare(experiment: str, people: People, named: Sequence[Contestant], settings: Settings) -> Path:
    """Run E1 or E3, where results are compared with a truth.

    Parameters
    ----------
    experiment
        ``e1`` or ``e3``.
    people
        Who is scanned.
    named
        Contestants beside those that are always in.
    settings
        How.

    Returns
    -------
    The tables, Markdown.
    """
    out = settings.out / experiment
    cases = list(_COMPARED[experiment](people, SETS[settings.chosen]))
    contestants = (*_ALWAYS_IN[experiment], *named)
    results = Results(out / "results.csv", resume=settings.resume)
    slices = out / "slices"
    jobs = [Job(case, contestants, people, results.done(), slices) for case in cases]
    with _progress() as progress:
        run(experiment, jobs, results, progress, workers=settings.workers)
    rows = _current(results, (case.label for case in cases), contestants)
    draw_plots(rows, out / "plots")
    draw_slices(slices, out / "pictures")
    draw_ranked(slices / FOLDER, rows, out / "ranked")
    draw_histograms(slices / FOLDER, rows, out / "plots")
    tables = report(rows) + (before_after(rows) if experiment == "e1" else "")
    return _written(out, tables, rows, _Context(experiment, people, contestants, settings))


def classify(experiment: str, people: People, named: Sequence[Contestant], settings: Settings) -> Path:
    """Run E2, where sites are told apart; see `compare`."""
    out, chosen = settings.out / experiment, SETS[settings.chosen]
    cases = list(e2.cases(people, chosen))
    contestants = (*_ALWAYS_IN[experiment], *named)
    results = Results(out / "results.csv", resume=settings.resume)
    slices = out / "slices"
    slices.mkdir(exist_ok=True)
    jobs = [e2.StructureJob(case, contestants, people, results.done(), slices) for case in cases]
    with _progress() as progress:
        run(experiment, jobs, results, progress, workers=settings.workers)
        judged = [each for each in contestants if complete(cases, each, slices)]
        bar = progress.add_task("classifiers", total=len(judged))
        for rows in classified(cases, judged, slices, untouched=contestants[0], epochs=chosen.e2_epochs):
            results.add(rows)
            progress.advance(bar)
    rows = _current(results, (case.label for case in cases), contestants)
    draw_accuracies(rows, out / "plots")
    return _written(out, protocol_report(rows), rows, _Context(experiment, people, contestants, settings))


def synthesize(experiment: str, people: People, named: Sequence[Synthesizer], settings: Settings) -> Path:
    """Run E4, where CT is made of MR; see `compare`. Nobody is always in."""
    out, contestants, chosen = settings.out / experiment, tuple(named), SETS[settings.chosen]
    people = replace(people, spacing_mm=chosen.e4_spacing_mm)
    cases = list(e4.cases(people, chosen))
    results = Results(out / "results.csv", resume=settings.resume)
    planes = out / "planes"
    jobs = [e4.CtJob(case, contestants, people, results.done(), planes) for case in cases]
    with _progress() as progress:
        run(experiment, jobs, results, progress, workers=settings.workers)
    rows = _current(results, (case.label for case in cases), contestants)
    draw_cases(planes, rows, out / "pictures")
    write_summary(out / "summary.csv", rows)
    return _written(out, ct_report(rows), rows, _Context(experiment, people, contestants, settings))


HARMONIZING: Mapping[str, Callable[[str, People, Sequence[Contestant], Settings], Path]] = {
    "e1": compare,
    "e2": classify,
    "e3": compare,
}
"""Name -> how it is run, of the experiments that harmonizers are in."""

SYNTHESIZING: Mapping[str, Callable[[str, People, Sequence[Synthesizer], Settings], Path]] = {"e4": synthesize}
"""Name -> how it is run, of the experiments that models which make CT are in."""


@dataclass(frozen=True, slots=True)
class _Context:
    experiment: str
    people: People
    contestants: Sequence[Named]
    settings: Settings


def _current(results: Results, labels: Iterable[Label], contestants: Sequence[Named]) -> list[Row]:
    """Return the rows of this run's cases and contestants, in their order: a file may hold older ones too."""
    known = {label.case for label in labels}
    order = [(each.name, each.digest) for each in contestants]
    rows = [
        row
        for row in results.rows()
        if (row.model, row.model_digest) in order and (row.case in known or row.group == PROTOCOL)
    ]
    return sorted(rows, key=lambda row: order.index((row.model, row.model_digest)))


def _written(out: Path, tables: str, rows: Sequence[Row], context: _Context) -> Path:
    """Write the tables and the environment."""
    settings, people = context.settings, context.people
    path = out / "tables.md"
    path.write_text(
        f"# {context.experiment.upper()}, set {settings.chosen}\n\n{_said(people)}\n\n{tables}", encoding="utf-8"
    )
    how = {**asdict(settings), "out": str(settings.out), "experiment": context.experiment, "data": bool(people.data)}
    content = {**environment(context.contestants, **how), "seconds_a_volume": seconds_a_volume(rows)}
    write_environment(out / "environment.json", content)
    return path


def _said(people: People) -> str:
    """Say what the heads are."""
    heads = "label maps of real heads, and drawn heads where named so" if people.has_labelmaps else "drawn heads only"
    absent = "" if people.data else " There was no data folder: no label maps, no real volumes."
    return f"Simulated heads: {heads}, scanned at {people.spacing_mm:g} mm.{absent} For research use."


def _progress() -> Progress:
    return Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
