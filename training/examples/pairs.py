"""Pairs to train on: a head as some scanner or mishap shows it, a look, and that head in that look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.bounded.description import description
from inference.bounded.frame import FINE_MM, SHAPE, coarse
from inference.bounded.histograms import local_histograms
from inference.classical.base import aim_of, base_curve, scale_curve
from inference.classical.head import tissue_threshold
from inference.look import ANCHOR, LEVELS, Look, Profile
from inference.volume import BoolArray, Float32Array
from training.examples.curves import apply_curve, random_curve
from training.examples.fields import random_field
from training.examples.heads import RealHead, SimulatedHead, read_simulated
from training.examples.protocols import Protocol, person_of, random_contrast, random_protocol
from training.simulate.shapes import smooth_field
from training.simulate.sites import ReceiveField
from training.simulate.texture import LIVELY
from training.simulate.tissues import Tissue

KINDS = ("curve", "field", "both", "scanner", "same")
"""What lies between source and truth: an intensity scale; an uneven gain and offset; both; another scanner; nothing."""

_SIMULATED_SHARES = (0.22, 0.28, 0.08, 0.36, 0.06)
_REAL_SHARES = (0.36, 0.44, 0.12, 0.0, 0.08)
_MOST_REFERENCES = 6
_OF_ANYWHERE, _ENOUGH_TO_SHOW = 0.3, 3
"""How often references are of any scanners of their contrast, and how many it then takes at the least: the look tells
little, and that its references differ shows it."""

_PROFILED = 30_000
"""Voxels that a profile is taken from in training: enough for a percentile to be within 1 %."""

_TEXTURE = np.array([LIVELY.spread.get(tissue, 0.0) for tissue in Tissue], np.float32)

_NOISE = np.random.default_rng(0).standard_normal(2 * int(np.prod(SHAPE)), np.float32)

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A source and its truth before they are made ready for the network.

    Attributes
    ----------
    source, truth
        Shape `SHAPE`, not negative; any scale.
    log_gain
        Same shape: log of truth against source but for a factor and a curve; None where it is not known.
    inside, deep
        Same shape.
    look
        That the truth has.
    """

    source: Float32Array
    truth: Float32Array
    log_gain: Float32Array | None
    inside: BoolArray
    deep: BoolArray
    look: Look


class Pairs:
    """Groups of examples, each of one head; the same number gives the same group.

    Parameters
    ----------
    simulated
        Files of simulated heads.
    real
        Real heads; may be none.
    group
        Examples a group.
    real_share
        Part of the groups that is made of real heads.
    seed
        Another seed, other groups.
    """

    def __init__(
        self, simulated: Sequence[Path], real: Sequence[RealHead], *, group: int, real_share: float, seed: int
    ) -> None:
        self._simulated = [read_simulated(path) for path in simulated]
        self._real = real
        self._group = group
        self._real_share = real_share if real else 0.0
        self._seed = seed

    def __getitem__(self, number: int) -> Arrays:
        """Return a group, its examples stacked along the first axis."""
        rng = np.random.default_rng([self._seed, number])
        cases = self._real_cases(rng) if rng.random() < self._real_share else self._simulated_cases(rng)
        ready = [_ready(case, rng) for case in cases]
        return {name: np.stack([each[name] for each in ready]) for name in ready[0]}

    def _simulated_cases(self, rng: np.random.Generator) -> list[Case]:
        head = self._simulated[rng.integers(len(self._simulated))]
        tasks = [_Task(rng, _SIMULATED_SHARES) for _ in range(self._group)]
        rows = []
        for task in tasks:
            rows += [_levels(protocol, task.seed, task.texture) for protocol in (task.target, task.source)]
        flat, textured = (np.stack(each) for each in zip(*rows, strict=True))
        parts = head.parts.reshape(len(head.parts), -1).astype(np.float32)
        signals = (flat / 255) @ parts
        signals += ((textured / 255) @ parts) * _texture(rng).reshape(1, -1)
        volumes = np.maximum(signals, 0).reshape(len(rows), *SHAPE)
        return [
            _simulated_case(rng, task, head, volumes[2 * k : 2 * k + 2], self._reference_look(rng, task))
            for k, task in enumerate(tasks)
        ]

    def _reference_look(self, rng: np.random.Generator, task: _Task) -> Look:
        """Measure the target's look on other people: other heads, other tissues, another day's field."""
        deep, whole = [], []
        count = int(rng.integers(1, _MOST_REFERENCES + 1))
        anywhere = task.kind != "scanner" and count >= _ENOUGH_TO_SHOW and rng.random() < _OF_ANYWHERE
        for _ in range(count):
            head = self._simulated[rng.integers(len(self._simulated))]
            scanner = random_protocol(rng, task.target.contrast, unevenness=0.3) if anywhere else task.target
            flat, textured = _levels(scanner, int(rng.integers(2**31)), task.texture)
            sample = flat @ head.sample + (textured @ head.sample) * rng.standard_normal(head.sample.shape[1])
            sample = np.maximum(sample * np.exp(_sampled_log_gain(rng, scanner.receive_field, head.sample_at)), 0.01)
            half = sample.size // 2
            scaled = Profile(np.percentile(sample[:half], LEVELS), np.percentile(sample[half:], LEVELS)).scaled()
            deep.append(scaled.deep)
            whole.append(scaled.head)
        return Look(task.target.contrast, np.array(deep), np.array(whole))

    def _real_cases(self, rng: np.random.Generator) -> list[Case]:
        head = self._real[int(rng.integers(len(self._real)))]
        cases = []
        for _ in range(self._group):
            kind = KINDS[rng.choice(len(KINDS), p=_REAL_SHARES)]
            truth = head.voxels
            source, log_gain = _mishap(rng, kind, truth, head.inside)
            cases.append(Case(source, truth, log_gain, head.inside, head.deep, self._real_look(rng, head)))
        return cases

    def _real_look(self, rng: np.random.Generator, head: RealHead) -> Look:
        """Return the look of other subjects, or, as if of such, the head's own with its curve a little bent."""
        others = [each for each in self._real if each.contrast == head.contrast and each.subject != head.subject]
        if others and rng.random() < 0.4:
            chosen = [others[int(k)] for k in rng.choice(len(others), min(len(others), 2), replace=False)]
            profiles = [_profile(each.voxels, each.inside, each.deep, rng) for each in chosen]
        else:
            own = _profile(head.voxels, head.inside, head.deep, rng)
            profiles = [_bent(rng, own) for _ in range(int(rng.integers(1, 5)))]
        scaled = [each.scaled() for each in profiles]
        return Look(head.contrast, np.array([p.deep for p in scaled]), np.array([p.head for p in scaled]))


def _texture(rng: np.random.Generator) -> Float32Array:
    """Return how tissue differs from place to place: from region to region, and finely; see `simulate.texture`."""
    wide, fine = smooth_field(rng, SHAPE, int(rng.integers(8, 17))), smooth_field(rng, SHAPE, int(rng.integers(24, 41)))
    return np.asarray(np.float32(0.8) * wide + np.float32(0.6) * fine, np.float32)


class _Task:
    """What is asked for in one simulated example."""

    def __init__(self, rng: np.random.Generator, shares: Sequence[float]) -> None:
        self.kind = KINDS[rng.choice(len(KINDS), p=shares)]
        contrast = random_contrast(rng)
        self.target = random_protocol(rng, contrast, unevenness=0.3)
        self.source = random_protocol(rng, contrast) if self.kind == "scanner" else self.target
        self.seed = int(rng.integers(2**31))
        self.texture = float(rng.uniform(0.5, 1.6))


def _levels(protocol: Protocol, person: int, texture: float) -> tuple[Float32Array, Float32Array]:
    levels = protocol.levels(person_of(np.random.default_rng(person), protocol.field_strength))
    return levels, levels * _TEXTURE * np.float32(texture)


def _simulated_case(
    rng: np.random.Generator, task: _Task, head: SimulatedHead, volumes: NDArray[np.float32], look: Look
) -> Case:
    target_gain = _scanner_log_gain(rng, task.target.receive_field)
    truth = volumes[0] * np.exp(target_gain)
    if task.kind == "scanner":
        source_gain = _scanner_log_gain(rng, task.source.receive_field)
        source = _noisy(rng, volumes[1] * np.exp(source_gain), task.source.noise)
        return Case(source, truth, target_gain - source_gain, head.inside, head.deep, look)
    truth = _noisy(rng, truth, task.target.noise)
    source, log_gain = _mishap(rng, task.kind, truth, head.inside)
    return Case(source, truth, log_gain, head.inside, head.deep, look)


def _mishap(
    rng: np.random.Generator, kind: str, truth: Float32Array, inside: BoolArray
) -> tuple[Float32Array, Float32Array | None]:
    """Return what a mishap makes of an image, and the log gain that would undo it, where it is a gain."""
    if kind == "same":
        return truth, np.zeros_like(truth)
    source, log_gain, top = truth, np.zeros_like(truth), _top(truth)
    if kind in ("field", "both"):
        gain = 1 + np.float32(rng.uniform(0, 0.35)) * random_field(rng, inside)
        offset = np.float32(top * rng.choice([0.0, 1.0]) * rng.uniform(0, 0.11)) * random_field(rng, inside)
        source = np.maximum(truth * gain + offset, 0)
        white = np.float32(0.6 * top)  # an offset counts as the gain that it is where it matters most
        log_gain = -np.log(np.maximum(gain + offset / white, 0.3))
    if kind in ("curve", "both"):
        source = apply_curve(random_curve(rng), source / np.float32(top))
    return source, None if kind == "both" else np.asarray(log_gain, np.float32)  # behind a curve it is no gain


def _top(voxels: Float32Array) -> float:
    return float(np.percentile(voxels[::4, ::4, ::4], 99.8))


def _scanner_log_gain(rng: np.random.Generator, field: ReceiveField) -> Float32Array:
    """Return a scanner's receive field as `training.simulate.scan` has it, on the frame; shape `SHAPE`."""
    z, y, x = (
        (np.arange(n, dtype=np.float32) - n / 2).reshape([-1 if a == axis else 1 for a in range(3)]) * FINE_MM
        for axis, n in enumerate(SHAPE)
    )
    return np.asarray(_coils(rng, field, (z, y, x)) + field.random * smooth_field(rng, SHAPE, 2), np.float32)


def _sampled_log_gain(rng: np.random.Generator, field: ReceiveField, at: Float32Array) -> Float32Array:
    """Return the same at points; its random part is a random quadratic, which is quickly had."""
    unit = at / 60
    terms = np.concatenate([unit, unit**2 - 1, unit * np.roll(unit, 1, axis=0)])
    random = np.float32(field.random) * (rng.normal(0, 1 / 3, len(terms)) @ terms)
    return np.asarray(_coils(rng, field, (at[0], at[1], at[2])) + random, np.float32)


def _coils(
    rng: np.random.Generator, field: ReceiveField, at: tuple[Float32Array, Float32Array, Float32Array]
) -> Float32Array:
    """Return the systematic part of a receive field at z, y, x, mm from the middle of the frame."""
    z, y, x = at
    z = z - np.float32(14 + rng.normal(0, 4))  # the crown is 8 mm below the frame's top, the origin 90 mm below it
    away = (x**2 + (y + np.float32(rng.normal(0, 5))) ** 2 + np.maximum(z, 0) ** 2) * np.float32(1e-4)
    below = (np.maximum(-z, 0) / np.float32(field.reach_mm)) ** 2
    return np.asarray(np.float32(field.rim) * away - below, np.float32)


def _noisy(rng: np.random.Generator, voxels: Float32Array, noise: float) -> Float32Array:
    """Add Rician noise as averaging leaves it: a spread, and the floor that it lifts air to."""
    floor = np.float32(1.25 * 2.0 * noise)  # averages of Rayleigh noise of voxels half as large, each twice as noisy
    start = int(rng.integers(_NOISE.size - voxels.size))  # drawing all of it anew would take as long as all the rest
    spread = _NOISE[start : start + voxels.size].reshape(voxels.shape)
    return np.asarray(np.abs(np.sqrt(voxels * voxels + floor * floor) + np.float32(noise) * spread), np.float32)


def _bent(rng: np.random.Generator, own: Profile) -> Profile:
    """Return a profile as another person's might be: percentiles moved together, smoothly, by a few percent."""
    bend = np.interp(LEVELS, np.linspace(0, 100, 6), rng.normal(0, 0.06, 6))
    deep = np.maximum.accumulate(own.deep * np.exp(bend))
    head = np.maximum.accumulate(own.head * np.exp(bend + np.interp(LEVELS, [0, 50, 100], rng.normal(0, 0.08, 3))))
    return Profile(deep, head)


def _profile(voxels: Float32Array, inside: BoolArray, deep: BoolArray, rng: np.random.Generator) -> Profile:
    tissue = inside & (voxels > tissue_threshold(voxels[::2, ::2, ::2]))
    of_deep, of_head = (_picked(voxels, where, rng) for where in (deep & tissue, tissue))
    return Profile(np.percentile(of_deep, LEVELS), np.percentile(of_head, LEVELS))


def _picked(voxels: Float32Array, where: BoolArray, rng: np.random.Generator) -> NDArray[Any]:
    flat = np.flatnonzero(where)
    return voxels.ravel()[flat[rng.integers(flat.size, size=_PROFILED)]].astype(np.float64)


def _ready(case: Case, rng: np.random.Generator) -> Arrays:
    """Make a case ready for the network: see `inference.models.bounded`, which does the same with a real series."""
    source = _profile(case.source, case.inside, case.deep, rng)
    truth = _profile(case.truth, case.inside, case.deep, rng)
    aim = aim_of(case.look)
    curves = (scale_curve(source, top=1), base_curve(source, aim, top=1))
    means = coarse(case.source)
    image = np.stack(
        [curve(means) for curve in curves] + [coarse(mask.astype(np.float32)) for mask in (case.inside, case.deep)]
    )
    # One voxel of each block, near its middle: the correction is smooth, so that an eighth of a head tells enough.
    every = (slice(1, None, 4), *(slice(int(start), None, 4) for start in rng.integers(1, 3, size=2)))
    tissue = case.inside[every] & (case.source[every] > tissue_threshold(case.source[::2, ::2, ::2]))
    gain = np.zeros((1, *(n // 8 for n in SHAPE)), np.float32)
    if case.log_gain is not None:
        gain[0] = coarse(coarse(coarse(case.log_gain)))
    shift = np.interp(ANCHOR, LEVELS, truth.deep)
    example = {
        "image": np.minimum(image, 4),
        "histograms": local_histograms(case.source, case.inside, scale=1 / source.anchor),
        "points": np.minimum(curves[0](np.ascontiguousarray(case.source[every])), 4)[None],
        "tissue": np.stack([tissue & case.deep[every], tissue]).astype(np.float32),
        "aim": aim.astype(np.float32),
        "truth": np.minimum(case.truth[every] / np.float32(shift), 4)[None],
        "weight": case.inside[every][None].astype(np.float32),
        "top": np.array([_top(case.truth) / shift], np.float32),
        "gain": gain,
        "gain_known": np.array([case.log_gain is not None], np.float32),
        "description": description(source, case.look),
    }
    if rng.random() < 0.5:  # heads are mirror images of heads
        example = {name: a[..., ::-1] if a.ndim == 4 else a for name, a in example.items()}
    return {name: np.ascontiguousarray(a, np.float32) for name, a in example.items()}
