"""What a soak found, as figures: how fast anything grows, and how long answers took at its beginning and its end."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soak_senders import Account
from soak_watch import Sample, Watch, slope

WARM_UP = 1 / 3
"""Of the time: until then caches and pools fill. Latencies are compared between the first third and the last."""
MEMORY_MB, ROUGHLY_NONE = 5.0, 2.0
"""How much memory, threads and open files may rise over the rest of the time, by their slopes."""
TIMES_LONGER = 2.0
"""How much longer an answer may take at the end, after what the disk itself takes longer."""


@dataclass(frozen=True)
class Growth:
    """A quantity of the node's process.

    Attributes
    ----------
    last
        The median of the last third.
    rise
        Slope after the warm-up times the time that it was watched.
    """

    name: str
    unit: str
    last: float
    most: float
    rise: float
    allowed: float


@dataclass(frozen=True)
class Latency:
    """How long one kind of answer took, s, medians of the first and the last third."""

    name: str
    count: int
    first_s: float
    last_s: float
    slow_s: float

    @property
    def times_longer(self) -> float:
        return self.last_s / self.first_s


def growths(samples: Sequence[Sample]) -> Iterator[Growth]:
    span_s = samples[-1].at_s - samples[0].at_s
    warm = [each for each in samples if each.at_s - samples[0].at_s >= WARM_UP * span_s]
    late = [each for each in samples if each.at_s - samples[0].at_s >= (1 - WARM_UP) * span_s]
    for name, unit, allowed in (
        ("memory_mb", "MB", MEMORY_MB),
        ("threads", "", ROUGHLY_NONE),
        ("files", "", ROUGHLY_NONE),
    ):
        rise = slope([(each.at_s, getattr(each, name)) for each in warm]) * (warm[-1].at_s - warm[0].at_s)
        last = statistics.median(getattr(each, name) for each in late)
        yield Growth(name.removesuffix("_mb"), unit, last, max(getattr(each, name) for each in samples), rise, allowed)


def latencies(account: Account) -> Iterator[Latency]:
    end = max(at for _, at, _ in account.answered)
    for what in sorted({what for what, _, _ in account.answered}):
        yield latency(what, [(at, took) for each, at, took in account.answered if each == what], end)


def latency(name: str, points: Sequence[tuple[float, float]], end_s: float) -> Latency:
    first = [took for at, took in points if at <= WARM_UP * end_s] or [took for _, took in points]
    last = [took for at, took in points if at >= (1 - WARM_UP) * end_s] or [took for _, took in points]
    slow = sorted(took for _, took in points)[int(0.95 * len(points))]
    return Latency(name, len(points), statistics.median(first), statistics.median(last), slow)


def disk(watch: Watch) -> Latency:
    """Return the same of files that another process writes on the same disk meanwhile."""
    return latency("the disk alone", watch.disk, watch.disk[-1][0])


def table(account: Account, watch: Watch) -> str:
    """Return the figures as two Markdown tables."""
    lines = ["| of the node's process | in the last third | at most | rise after the warm-up, by slope | allowed |"]
    lines += ["|---|--:|--:|--:|--:|"]
    lines += [
        f"| {each.name} | {each.last:.0f} {each.unit} | {each.most:.0f} {each.unit} "
        f"| {each.rise:+.1f} {each.unit} | {each.allowed:g} {each.unit} |"
        for each in growths(watch.samples)
    ]
    lines += ["", "| answer to | how many | median, first third | median, last third | times | 95 % below |"]
    lines += ["|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {each.name} | {each.count} | {1000 * each.first_s:.1f} ms | {1000 * each.last_s:.1f} ms "
        f"| {each.times_longer:.2f} | {1000 * each.slow_s:.0f} ms |"
        for each in (*latencies(account), disk(watch))
    ]
    return "\n".join(line.replace("  ", " ") for line in lines)
