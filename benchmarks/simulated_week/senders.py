"""Senders and their habits: when each image of a series comes, from whom, and when an association is open."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

SLICES = (20, 24, 28, 32, 44, 60, 96, 160)
WORKDAYS, OPENS_H, CLOSES_H = 5, 7, 19


@dataclass(frozen=True, slots=True)
class Arrival:
    """One image that is answered with success: when (s since Monday 0:00), from whom, and which slice it is."""

    at: float
    sender: str
    slice_: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One series as it is sent.

    Attributes
    ----------
    kind
        Of the sender.
    slices
        How many images it has.
    arrivals
        In order of time; an image that is sent again is not among them, as nothing new comes with it.
    connected
        When an association that brought images of it is open: (from, to), s.
    """

    kind: str
    slices: int
    arrivals: tuple[Arrival, ...]
    connected: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """When its last image came."""
        return self.arrivals[-1].at


def _steady(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    yield _sent("steady", *_stretch(rng, sender, start, range(rng.choice(SLICES)), gap=(0.02, 0.15)))


def _bursty(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    """Send as many images as are reconstructed, wait for the next; every other sender hangs up in between."""
    slices, sent, at = rng.choice(SLICES), [], start
    for first in range(0, slices, 12):
        part = _stretch(rng, sender, at, range(first, min(first + 12, slices)), gap=(0.02, 0.06))
        sent.append(part)
        at = part[1][1] + rng.uniform(1, 5)
    arrivals = [one for part, _ in sent for one in part]
    associations = [span for _, span in sent]
    if sender.endswith("1"):
        associations = [(associations[0][0], associations[-1][1])]
    yield _sent("bursty", arrivals, *associations)


def _image_by_image(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    arrivals, spans, at = [], [], start
    for k in range(rng.choice(SLICES)):
        arrivals.append(Arrival(at, sender, k))
        spans.append((at - 0.05, at + 0.02))
        at += rng.uniform(0.2, 1.2)
    yield _sent("one association an image", arrivals, *spans)


def _pausing(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    """Pause some 20 s in the middle of seven series in ten; every other sender hangs up for it."""
    slices = rng.choice(SLICES)
    half = slices // 2
    first, (begin, hangs_up) = _stretch(rng, sender, start, range(half), gap=(0.05, 0.2))
    pause = rng.uniform(18, 22) if rng.random() < 0.7 else 0.1
    second, (calls, end) = _stretch(rng, sender, hangs_up + pause, range(half, slices), gap=(0.05, 0.2))
    spans = [(begin, end)] if sender.endswith("1") else [(begin, hangs_up), (calls, end)]
    yield _sent("pausing 20 s", first + second, *spans)


def _interleaved(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    slices = rng.choice(SLICES)
    both, span = _stretch(rng, sender, start, range(2 * slices), gap=(0.05, 0.3))
    for one in (0, 1):
        mine = [Arrival(each.at, sender, each.slice_ // 2) for each in both if each.slice_ % 2 == one]
        yield _sent("two series interleaved", mine, span)


def _out_of_order(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    slices = rng.choice(SLICES)
    order = list(range(0, slices, 2)) + list(range(1, slices, 2))  # as 2D slices are excited
    if rng.random() < 0.5:
        rng.shuffle(order)
    yield _sent("out of order", *_stretch(rng, sender, start, order, gap=(0.05, 0.4)))


def _resending(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    """Send a series twice; one time in twenty, the first time breaks off in the middle."""
    slices = rng.choice(SLICES)
    whole = slices if rng.random() > 0.05 else rng.randrange(1, slices)
    first, span = _stretch(rng, sender, start, range(whole), gap=(0.02, 0.15))
    again, second = _stretch(rng, sender, span[1] + rng.uniform(5, 15), range(slices), gap=(0.02, 0.15))
    if whole < slices:
        span = (span[0], second[0])  # one that was not released counts as open until the next
    yield _sent("resend", first + [one for one in again if one.slice_ >= whole], span, second)


def _two_senders(rng: random.Random, sender: str, start: float) -> Iterator[Sent]:
    """Send one half from the scanner and the other from its workstation, which begins up to 3 s later."""
    slices = rng.choice(SLICES)
    one, first = _stretch(rng, sender, start, range(0, slices, 2), gap=(0.05, 0.2))
    other, second = _stretch(rng, f"{sender}B", start + rng.uniform(0, 3), range(1, slices, 2), gap=(0.05, 0.4))
    yield _sent("two senders", sorted(one + other, key=lambda each: each.at), first, second)


HABITS: Mapping[str, tuple[Callable[[random.Random, str, float], Iterator[Sent]], int, float]] = {
    "STEADY": (_steady, 3, 0.375),
    "BURSTY": (_bursty, 2, 0.125),
    "SINGLE": (_image_by_image, 2, 0.125),
    "PAUSING": (_pausing, 2, 0.1),
    "MIXED": (_interleaved, 1, 0.075),
    "SHUFFLED": (_out_of_order, 1, 0.075),
    "AGAIN": (_resending, 1, 0.075),
    "DOUBLE": (_two_senders, 1, 0.05),
}
"""AE title -> the habit, how many senders have it, and their part of all series."""


def week(series: int, *, seed: int) -> list[Sent]:
    """Return the series of a week, by the time of their first image; a sender sends one after the other."""
    rng = random.Random(seed)
    sent: list[Sent] = []
    for title, (habit, senders, part) in HABITS.items():
        count = round(series * part)
        of_habit: list[Sent] = []
        free_at = dict.fromkeys((f"{title}{n}" for n in range(1, senders + 1)), 0.0)
        starts = sorted(_working_time(rng) for _ in range(count))
        for k, start in enumerate(starts):
            if len(of_habit) >= count:
                break
            sender = list(free_at)[k % senders]
            made = list(habit(rng, sender, max(start, free_at[sender])))
            free_at[sender] = max(end for one in made for _, end in one.connected) + 2
            of_habit += made
        sent += of_habit
    return sorted(sent, key=lambda one: one.arrivals[0].at)


def _working_time(rng: random.Random) -> float:
    return rng.randrange(WORKDAYS) * 86_400 + rng.uniform(OPENS_H, CLOSES_H) * 3_600


def _stretch(
    rng: random.Random, sender: str, start: float, slices: range | list[int], *, gap: tuple[float, float]
) -> tuple[list[Arrival], tuple[float, float]]:
    """Send some slices over one association; return them with the time that it was open."""
    arrivals, at = [], start
    for k in slices:
        arrivals.append(Arrival(at, sender, k))
        at += rng.uniform(*gap)
    return arrivals, (start - 0.05, arrivals[-1].at + 0.05)


def _sent(kind: str, arrivals: list[Arrival], *connected: tuple[float, float]) -> Sent:
    return Sent(kind, len(arrivals), tuple(arrivals), connected)
