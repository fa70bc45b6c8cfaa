"""How soon a series is known to be complete, and how often too soon: a week of 2,000 series, ``make bench``.

The real collector under a clock of its own; silence alone, as other nodes wait for it, in the same week. With
``--write`` the table in docs/explanation/completeness.md and its plot are made anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from simulated_week.replay import Closing, MemoryBook, by_evidence, by_silence
from simulated_week.senders import week

SERIES, SEED, LEAST_S, SILENCE_S = 2000, 1, 1.0, 30.0
SILENCES_S = (5.0, 10.0, 60.0)
DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, PLOT = DOCS / "explanation" / "completeness.md", DOCS / "images" / "completeness.png"
BEGIN, END = "<!-- week:begin -->", "<!-- week:end -->"

Policies = dict[str, Sequence[Closing]]


def line(name: str, kind: str, closings: Sequence[Closing]) -> str:
    """Return one row of the table."""
    latency = [one.latency_s for one in closings]
    early = sum(one.early for one in closings)
    share = f"{early} ({100 * early / len(closings):.2f} %)"
    middle, most = np.percentile(latency, (50, 95))
    return f"| {name} | {kind} | {len(closings)} | {middle:.1f} s | {most:.1f} s | {share} |"


def table(policies: Policies) -> str:
    """Return p50 and p95 of the time from the last image to completion, and how many series were closed before it."""
    rows = ["| Waits for | Senders | Series | p50 | p95 | Too early |", "| --- | --- | --- | --- | --- | --- |"]
    first = next(iter(policies))
    for kind in dict.fromkeys(one.kind for one in policies[first]):
        rows.append(line(first, kind, [one for one in policies[first] if one.kind == kind]))
    rows += [line(name, "**all**", closings) for name, closings in policies.items()]
    return "\n".join(rows)


def settled(book: MemoryBook) -> str:
    """Return what was learned of each sender in the end."""
    settles = {pace.calling_ae: pace.settle_s(least_s=LEAST_S, most_s=SILENCE_S) for pace in book.paces()}
    return "Learned in the end: " + ", ".join(f"{name} {settles[name]:g} s" for name in sorted(settles)) + "."


def plot(policies: Policies, path: Path) -> None:
    """Draw how many series are known to be complete how long after their last image; what was too early is not."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.2), dpi=100, layout="constrained")
    for name, closings in policies.items():
        right = np.sort([one.latency_s for one in closings if not one.early])
        share = 100 * np.arange(1, len(right) + 1) / len(closings)
        wrong = sum(one.early for one in closings)
        axes.step(np.maximum(right, 0.1), share, where="post", label=f"{name}: {wrong} too early")
    axes.set(xscale="log", xlabel="seconds after the last image", ylabel="series known to be complete, %")
    axes.set_xticks([0.5, 1, 2, 5, 10, 30, 60], ["0.5", "1", "2", "5", "10", "30", "60"])
    axes.set_ylim(0, 101)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path)


def write(made: str) -> None:
    """Put the table into the page, between its markers."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Simulate, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=SERIES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", action="store_true", help="the page and its plot, too")
    asked = parser.parse_args()
    sent = week(asked.series, seed=asked.seed)
    closings, book = by_evidence(sent, least_s=LEAST_S, silence_s=SILENCE_S)
    policies: Policies = {"evidence": closings}
    policies |= {f"silence of {each:g} s": by_silence(sent, each) for each in SILENCES_S}
    made = table(policies)
    print(made)
    print("\n" + settled(book))
    if asked.write:
        write(f"{made}\n\n{settled(book)}")
        plot(policies, PLOT)


if __name__ == "__main__":
    main()
