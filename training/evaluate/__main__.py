"""The bench's command: ``python -m training.evaluate e1|e2|e3|all --models … --set quick|default|full --out DIR``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from inference.errors import BundleRefused
from training.evaluate.contestants import CLASSICAL, harmonizers
from training.evaluate.experiments import EXPERIMENTS, Settings
from training.evaluate.people import People
from training.evaluate.real import VARIABLE, data_folder
from training.evaluate.sets import SETS
from training.evaluate.splits import read_splits

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dicom-node" / "evaluate"
_MOST_WORKERS = 4


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
    settings = Settings(options.set, options.out, options.resume, options.workers)
    for name in EXPERIMENTS if options.experiment == "all" else (options.experiment,):
        print(EXPERIMENTS[name](name, people, named, settings))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "all"], help="which protocol")
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
