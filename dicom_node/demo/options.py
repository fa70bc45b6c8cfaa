"""What `python -m dicom_node.demo` is asked for on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dicom_node.demo.orthanc import INSIDE

SHIPPED_RULES = Path(__file__).resolve().parents[2] / "routing_rules.yaml"


class PacsKind(StrEnum):
    """Which PACS takes the derived series."""

    EMBEDDED = "embedded"
    ORTHANC = "orthanc"


@dataclass(frozen=True, slots=True)
class Options:
    """What a run of the demo is asked for.

    Attributes
    ----------
    input
        The user's own DICOM folder; None: a virtual scanner makes a study.
    quiet_limit_s
        How long nothing may change before the demo gives up, s.
    inside_namespace
        True when `enter_namespace` started this process.
    """

    input: Path | None
    pacs: PacsKind
    output: Path
    keep: bool
    rules: Path
    quiet_limit_s: float
    inside_namespace: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; wrong usage ends the process with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m dicom_node.demo",
        description="A scanner sends a study through the node to a PACS, all on this machine's loopback interface.",
    )
    parser.add_argument(
        "--input", type=Path, metavar="FOLDER", help="your own DICOM folder, instead of a virtual study"
    )
    parser.add_argument("--pacs", choices=list(PacsKind), type=PacsKind, default=PacsKind.EMBEDDED, help="the PACS")
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="FOLDER", help="made anew each time"
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--rules", type=Path, default=SHIPPED_RULES, metavar="FILE", help="instead of the shipped ones")
    parser.add_argument(
        "--give-up-after", type=float, default=300, metavar="SECONDS", help="that pass without any change (300)"
    )
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS, dest="inside_namespace")
    named = parser.parse_args(arguments)
    return Options(
        input=named.input,
        pacs=named.pacs,
        output=named.output,
        keep=named.keep,
        rules=named.rules,
        quiet_limit_s=named.give_up_after,
        inside_namespace=named.inside_namespace,
    )
