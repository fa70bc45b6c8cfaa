"""Writes the table of real series in assembly.md: ``python docs/explanation/generate.py FOLDER`` of unpacked series.

One row a series of several images below FOLDER, with what the node finds it to be; single images are counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from dicom_node.assemble.completeness import shape_of
from dicom_node.assemble.gate import refusal
from dicom_node.cli.folders import SeriesOnDisk, series_in
from dicom_node.domain.facts import FactValue
from dicom_node.domain.stack import Stack
from dicom_node.errors import NotFound

PAGE = Path(__file__).with_name("assembly.md")
BEGIN, END = "<!-- series:begin -->", "<!-- series:end -->"
HEAD = (
    "| Series | Images | Facts | Stacks | May a model see them? | Complete by, before silence |\n"
    "| --- | --- | --- | --- | --- | --- |"
)
VOLUME = "yes"


def main() -> None:
    """Read, and write the page."""
    if len(sys.argv) != 2:
        raise SystemExit("python docs/explanation/generate.py FOLDER")
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE}: has no markers {BEGIN} {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(Path(sys.argv[1]))}\n\n{END}{after}", encoding="utf-8")


def table(root: Path) -> str:
    """Return the table of all series below a folder, and the verdicts on single images."""
    rows, single = [HEAD], Counter[str]()
    for folder in sorted(each for each in root.rglob("*") if each.is_dir() and any(map(Path.is_file, each.iterdir()))):
        try:
            found = series_in(folder).series
        except NotFound:
            continue
        for series in found:
            if sum(len(stack.frames) for stack in series.stacks) > 1:
                rows.append(row(str(folder.relative_to(root)), series))
            else:
                single[verdict(series)] += 1
    lines = [f"- {count}: {words}" for words, count in sorted(single.items())]
    return "\n".join([*rows, "", f"{single.total()} single images, each a series of its own:", "", *lines])


def row(name: str, series: SeriesOnDisk) -> str:
    """Return the line of one series."""
    frames = [frame for stack in series.stacks for frame in stack.frames]
    shape = shape_of(frames)
    by = "one piece" if shape.whole else "a count" if shape.counted else "geometry" if shape.gapless else "no"
    return f"| {name} | {len(frames)} | {facts(series.stacks[0])} | {stacks(series)} | {verdict(series)} | {by} |"


def facts(stack: Stack) -> str:
    """Return what the rules would see of a stack, in short."""
    known = [
        stack.facts.get(key) for key in ("Modality", "manufacturer", "field_strength_t", "contrast", "orientation")
    ]
    known.append(_spacing(stack.facts.get("spacing_mm")))
    words = (f"{each:.3g} T" if isinstance(each, float) else str(each) for each in known if each is not None)
    return ", ".join(words)


def stacks(series: SeriesOnDisk) -> str:
    """Return how many stacks there are of which length, and what divides them."""
    lengths = Counter(len(stack.frames) for stack in series.stacks)
    counted = ", ".join(f"{count} of {length}" for length, count in sorted(lengths.items()))
    keys = dict.fromkeys(part.split("=")[0] for stack in series.stacks for part in stack.label.split(", ") if part)
    return f"{counted}, by {', '.join(keys)}" if keys else counted


def verdict(series: SeriesOnDisk) -> str:
    """Return what the gate says of the stacks, each reason once."""
    if series.refused:
        return f"no: {series.refused}"
    reasons = Counter(refusal(stack) for stack in series.stacks)
    said = [VOLUME if reason is None else f"no: {reason}" for reason in reasons]
    return said[0] if len(said) == 1 else "; ".join(f"{n} {one}" for n, one in zip(reasons.values(), said, strict=True))


def _spacing(value: FactValue | None) -> str | None:
    return f"{value:.3g} mm" if isinstance(value, float) else None


if __name__ == "__main__":
    main()
