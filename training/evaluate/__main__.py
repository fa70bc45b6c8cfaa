"""The bench's command: ``python -m training.evaluate e1|e2|e3|all --models … --set quick|default|full --out DIR``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from inference.errors import BundleRefused
from training.evaluate import e1, e3
from training.evaluate.bench import Job, run
from training.evaluate.contestants import CLASSICAL, Contestant, Identity, Oracle, Scaling, harmonizers
from training.evaluate.environment import environment, seconds_a_volume, write_environment
from training.evaluate.people import People
from training.evaluate.pictures import draw_slices
from training.evaluate.plots import draw_plots
from training.evaluate.real import VARIABLE, data_folder
from training.evaluate.results import Results
from training.evaluate.sets import SETS
from training.evaluate.splits import read_splits
from training.evaluate.tables import report

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dicom-node" / "evaluate"
_MOST_WORKERS = 4

ALWAYS_IN: dict[str, tuple[Contestant, ...]] = {"e1": (Identity(), Scaling()), "e3": (Identity(), Oracle())}
"""Experiment -> contestants that need not be named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return 0, or 2 when it cannot begin."""
    options = _parser().parse_args(arguments)
    try:
        data = data_folder(options.data)
        named = harmonizers(options.models, options.bundles, by_name=options.by_name)
    except (FileNotFoundError, BundleRefused) as error:
        print(error, file=sys.stderr)
        return 2
    chosen = SETS[options.set]
    people = People(read_splits(), data, options.cache, chosen.head_mm, chosen.spacing_mm, chosen.drawn_only)
    for name in _EXPERIMENTS if options.experiment == "all" else (options.experiment,):
        _EXPERIMENTS[name](name, options, people, named)
    return 0


def _compare(name: str, options: argparse.Namespace, people: People, named: tuple[Contestant, ...]) -> None:
    """Run an experiment that compares results with a truth, and write all about it."""
    out: Path = options.out / name
    cases = list({"e1": e1, "e3": e3}[name].cases(people, SETS[options.set]))
    contestants = ALWAYS_IN[name] + named
    results = Results(out / "results.csv", resume=options.resume)
    slices = out / "slices"
    jobs = [Job(case, contestants, people, results.done(), slices) for case in cases]
    with _progress() as progress:
        run(jobs, results, progress, workers=options.workers)
    current = {case.label.case for case in cases}
    digests = {contestant.name: contestant.digest for contestant in contestants}
    rows = [row for row in results.rows() if row.case in current and digests.get(row.model) == row.model_digest]
    rows.sort(key=lambda row: list(digests).index(row.model))
    _write(out, f"# {name.upper()}, set {options.set}\n\n{_said(people)}\n\n{report(rows)}")
    draw_plots(rows, out / "plots")
    draw_slices(slices, out / "pictures")
    settings = {"experiment": name, "set": options.set, "workers": options.workers, "by_name": options.by_name}
    content = environment(contestants, **settings, data=people.data is not None)
    write_environment(out / "environment.json", {**content, "seconds_a_volume": seconds_a_volume(rows)})


_EXPERIMENTS: dict[str, Callable[[str, argparse.Namespace, People, tuple[Contestant, ...]], None]] = {
    "e1": _compare,
    "e3": _compare,
}


def _said(people: People) -> str:
    """Say what the heads are."""
    heads = "label maps of real heads, and drawn heads where named so" if people.has_labelmaps else "drawn heads only"
    absent = "" if people.data else " There was no data folder: no label maps, no real volumes."
    return f"Simulated heads: {heads}, scanned at {people.spacing_mm:g} mm.{absent} For research use."


def _write(out: Path, text: str) -> None:
    (out / "tables.md").write_text(text, encoding="utf-8")
    Console().print(f"{out / 'tables.md'}")


def _progress() -> Progress:
    return Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn(),
                    TimeRemainingColumn(), console=Console(stderr=True))  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("experiment", choices=[*_EXPERIMENTS, "all"], help="which protocol")
    parser.add_argument("--models", nargs="+", default=list(CLASSICAL), help="bundles, by name")
    parser.add_argument("--bundles", nargs="*", type=Path, default=[], help="folders of further bundles")
    parser.add_argument("--set", choices=sorted(SETS), default="default", help="how much of it")
    parser.add_argument("--out", type=Path, required=True, help="folder for results, tables, plots and pictures")
    parser.add_argument("--data", type=Path, default=None, help=f"folder of real data; else ${VARIABLE} names it")
    parser.add_argument("--cache", type=Path, default=_CACHE, help="folder for scans that are used again")
    parser.add_argument("--resume", action="store_true", help="go on with the results that are there")
    parser.add_argument("--by-name", action="store_true", help="give models the target's name, not its look")
    cores = min(os.cpu_count() or 1, _MOST_WORKERS)
    parser.add_argument("--workers", type=int, default=cores, help="processes, of one thread each")
    return parser


if __name__ == "__main__":
    sys.exit(main())
