"""The bench's command: ``python -m training.evaluate e1|…|e4|all --models … --set quick|default|full --out DIR``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from inference.errors import BundleRefused
from training.evaluate.contestants import CLASSICAL, Named, harmonizers
from training.evaluate.experiments import HARMONIZING, SYNTHESIZING, Settings
from training.evaluate.people import People
from training.evaluate.real import VARIABLE, data_folder
from training.evaluate.sets import SETS
from training.evaluate.splits import read_splits
from training.evaluate.synthesizers import PLAIN, by_output, synthesizers

Run = TypeVar("Run")
"""How an experiment is run: see `training.evaluate.experiments`."""

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dicom-node" / "evaluate"
_MOST_WORKERS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return 0, or 2 when it cannot begin."""
    options = _parser().parse_args(arguments)
    try:
        data = data_folder(options.data)
        kinds = by_output(options.models, options.bundles)
        named = harmonizers(kinds["mr"], options.bundles, by_name=options.by_name)
        making_ct = synthesizers(kinds["ct"], options.bundles)
    except (FileNotFoundError, BundleRefused) as error:
        print(error, file=sys.stderr)
        return 2
    chosen = SETS[options.set]
    people = People(read_splits(), data, options.cache, chosen.head_mm, chosen.spacing_mm, chosen.drawn_only)
    settings = Settings(options.set, options.out, options.resume, options.workers)
    ran = _ran(
        HARMONIZING, named, others=making_ct, chosen=options.experiment,
        start=lambda run, name: run(name, people, named, settings),
    ) + _ran(
        SYNTHESIZING, making_ct, others=named, chosen=options.experiment,
        start=lambda run, name: run(name, people, making_ct, settings),
    )  # fmt: skip
    return 0 if ran else 2


def _ran(
    experiments: Mapping[str, Run],
    models: Sequence[Named],
    *,
    others: Sequence[Named],
    chosen: str,
    start: Callable[[Run, str], Path],
) -> int:
    """Run those experiments that are chosen, if there are models for them; return how many were run."""
    wanted = [name for name in experiments if chosen in (name, "all")]
    for name in wanted:
        if not models:
            print(f"{name}: none of the models is for it", file=sys.stderr)
            continue
        if others:
            print(f"{name}: left out, as their output is of another kind: {', '.join(each.name for each in others)}")
        print(start(experiments[name], name))
    return len(wanted) if models else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("experiment", choices=[*HARMONIZING, *SYNTHESIZING, "all"], help="which protocol")
    parser.add_argument("--models", nargs="+", default=[*CLASSICAL, *PLAIN], help="bundles, by name")
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
