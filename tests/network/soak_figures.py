"""What a soak found, as figures: how fast anything grows, and how long answers took at its beginning and its end."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soak_senders import Account
from soak_watch import Sample, Watch, slope

WARM_UP = 1 / 3
"""Of the time: until then caches and pools fill. Latencies are compared between the first third and the last."""
MEMORY_MB = 5.0
"""How much memory may rise over the rest of the time, by its slope."""
TIMES_LONGER = 2.0
"""How much longer an answer may take at the end, after what the disk itself takes longer."""


@dataclass(frozen=True)
class Growth:
    """A quantity of the node's process, at rest.

    Attributes
    ----------
    rise
        Slope after the warm-up times the time that it was watched.
    """

    name: str
    unit: str
    first: float
    last: float
    rise: float


@dataclass(frozen=True)
class Latency:
    """How long one kind of answer took, s, in the first and the last third.

    Attributes
    ----------
    first_s, last_s
        Medians.
    times_longer
        The fastest tenth of the last third, in that of the first: what else the machine does hardly touches it, and
        work that grows with what was received does.
    slow_s
        95 % are below.
    """

    name: str
    count: int
    first_s: float
    last_s: float
    times_longer: float
    slow_s: float


def growths(rests: Sequence[Sample]) -> Iterator[Growth]:
    span_s = rests[-1].at_s - rests[0].at_s
    warm = [each for each in rests if each.at_s - rests[0].at_s >= WARM_UP * span_s]
    for name, unit in (("memory", "MB"), ("threads", ""), ("files", "")):
        line = [(each.at_s, float(getattr(each, name))) for each in warm]
        rise = slope(line) * (line[-1][0] - line[0][0])
        yield Growth(name, unit, getattr(rests[0], name), getattr(rests[-1], name), rise)


def latencies(account: Account) -> Iterator[Latency]:
    end = max(at for _, at, _ in account.answered)
    for what in sorted({what for what, _, _ in account.answered}):
        yield latency(what, [(at, took) for each, at, took in account.answered if each == what], end)


def latency(name: str, points: Sequence[tuple[float, float]], end_s: float) -> Latency:
    first = sorted(took for at, took in points if at <= WARM_UP * end_s)
    last = sorted(took for at, took in points if at >= (1 - WARM_UP) * end_s)
    longer = last[len(last) // 10] / first[len(first) // 10]
    slow = sorted(took for _, took in points)[int(0.95 * len(points))]
    return Latency(name, len(points), statistics.median(first), statistics.median(last), longer, slow)


def disk(watch: Watch) -> Latency:
    """Return the same of files that another process writes on the same disk meanwhile."""
    return latency("the disk alone", watch.disk, watch.disk[-1][0])


def table(account: Account, watch: Watch, rests: Sequence[Sample]) -> str:
    """Return the figures as two Markdown tables."""
    lines = [f"| the node's process, {len(rests)} times at rest | first | last | rise after the warm-up, by slope |"]
    lines += ["|---|--:|--:|--:|"]
    lines += [
        f"| {each.name} | {each.first:.0f} {each.unit} | {each.last:.0f} {each.unit} | {each.rise:+.1f} {each.unit} |"
        for each in growths(rests)
    ]
    lines += ["", "| answer to | how many | median, first third | median, last third | fastest tenth | 95 % below |"]
    lines += ["|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {each.name} | {each.count} | {1000 * each.first_s:.1f} ms | {1000 * each.last_s:.1f} ms "
        f"| x {each.times_longer:.2f} | {1000 * each.slow_s:.0f} ms |"
        for each in (*latencies(account), disk(watch))
    ]
    return "\n".join(line.replace("  ", " ") for line in lines)
