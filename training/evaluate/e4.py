"""E4: CT from MR: a held-out head in many sequences, its true CT known; and real volumes, where none is."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from inference.ct.body import find_body
from inference.volume import BoolArray, Volume
from training.evaluate import ct_metrics, paths, vault
from training.evaluate.bench import attempted
from training.evaluate.cache import digest_of, digest_of_voxels
from training.evaluate.ct_pictures import keep_planes
from training.evaluate.people import WITH_CELLS, People
from training.evaluate.planning import PLANNING, USUAL
from training.evaluate.results import Row
from training.evaluate.sets import EvaluationSet
from training.evaluate.synthesizers import Synthesizer
from training.evaluate.trial import Label
from training.simulate.space import LabelArray
from training.simulate.tissues import Tissue

REAL = "real volumes, no truth"

_AIMED_AT = (
    Tissue.GREY_MATTER, Tissue.WHITE_MATTER, Tissue.STRIATUM, Tissue.PALLIDUM, Tissue.THALAMUS,
    Tissue.CEREBELLAR_CORTEX,
)  # fmt: skip
"""Where beams end: without the stem, which goes on as spinal cord into the neck."""

_MEASURED_BY = tuple(Path(str(module.__file__)) for module in (ct_metrics, paths, vault))


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What is known of a simulated head.

    Attributes
    ----------
    ct
        Without noise, on the grid of the MR, HU.
    labels
        Shape (slices, rows, columns): `Tissue` at the centre of each voxel.
    """

    ct: Volume
    labels: LabelArray


@dataclass(frozen=True, eq=False)
class CtTrial:
    """An MR volume, and what is known of it.

    Attributes
    ----------
    source
        MR.
    head
        Shape (slices, rows, columns): within the skin, from the labels; in a real volume the head that is found.
    answer
        None for a real volume.
    """

    source: Volume
    head: BoolArray
    answer: Answer | None

    @cached_property
    def around(self) -> BoolArray:
        """The head and 10 mm around it."""
        return ct_metrics.wider(self.head, self.source.spacing_mm)

    @cached_property
    def plausible(self) -> Mapping[str, float]:
        """What `vault` says of the true CT, by ``true_<measure>``; nothing for a real volume."""
        found = {} if self.answer is None else vault.plausibility(self.answer.ct, self.head)
        return {f"true_{name}": value for name, value in found.items()}

    @property
    def digest(self) -> str:
        """A short digest: another trial under the same name, another digest."""
        known = () if self.answer is None else (self.answer.ct,)
        masks = (self.head,) if self.answer is None else (self.head, self.answer.labels)
        return digest_of(digest_of_voxels(self.source, *known), *(zlib.crc32(mask.tobytes()) for mask in masks))


@dataclass(frozen=True, slots=True)
class SimulatedHead:
    """A simulated head with mastoid cells and teeth in a protocol of `PLANNING`; their names."""

    head: str
    protocol: str

    @property
    def label(self) -> Label:
        """See `training.evaluate.trial.Case`."""
        kind = "label maps" if self.head.startswith("labels") else "drawn heads"
        return Label(
            "e4", kind, self.protocol, self.head.removesuffix(WITH_CELLS), PLANNING[self.protocol].contrast, "scan"
        )

    def trial(self, people: People) -> CtTrial:
        """Scan by MR and by CT on the same grid."""
        site = people.no_finer(PLANNING[self.protocol])
        answer = Answer(people.true_ct(self.head, site.grid), people.labels(self.head, site.grid))
        return CtTrial(people.scanned(self.head, site), people.mask(self.head, site.grid), answer)


@dataclass(frozen=True, slots=True)
class RealHead:
    """A real volume; names as in the split."""

    volume: str
    subject: str
    contrast: str

    @property
    def label(self) -> Label:
        """See `training.evaluate.trial.Case`."""
        return Label("e4", REAL, self.contrast, self.subject, self.contrast, self.volume)

    def trial(self, people: People) -> CtTrial:
        """Read, and find the head."""
        found = people.real(people.splits.real[self.volume])
        if found is None:
            raise FileNotFoundError(self.volume)
        source = found.with_voxels(np.maximum(found.voxels, 0))
        return CtTrial(source, find_body(source), None)


def cases(people: People, chosen: EvaluationSet) -> Iterator[SimulatedHead | RealHead]:
    """Yield all cases of a set: every head in the usual protocols, and in some of the unseen scanners in turn."""
    unseen = [name for name in PLANNING if name not in USUAL]
    for number, head in enumerate(people.some("test", maps=chosen.e4_heads[0], drawn=chosen.e4_heads[1])):
        first = number * chosen.e4_unseen
        in_turn = [unseen[(first + k) % len(unseen)] for k in range(chosen.e4_unseen)]
        for protocol in (*USUAL, *in_turn):
            yield SimulatedHead(head + WITH_CELLS, protocol)
    for name, volume in people.splits.real_of("test").items():
        if name in chosen.real and people.real(volume) is not None:
            yield RealHead(name, volume.subject, volume.contrast)


@dataclass(frozen=True, slots=True)
class CtJob:
    """One case for all contestants that have not been measured on it.

    Attributes
    ----------
    case, contestants, people, done
        As in `training.evaluate.bench.Job`.
    planes
        Folder for two planes of every result.
    """

    case: SimulatedHead | RealHead
    contestants: tuple[Synthesizer, ...]
    people: People
    done: frozenset[tuple[str, str, str]]
    planes: Path

    def __call__(self) -> list[Row]:
        """Make the trial, run the contestants, and measure."""
        trial, label = self.case.trial(self.people), self.case.label

        def tried(contestant: Synthesizer) -> dict[str, float]:
            began = time.perf_counter()
            result = contestant.synthesized(trial.source, contrast=label.contrast)
            seconds = time.perf_counter() - began
            answer = None if trial.answer is None else trial.answer.ct
            keep_planes(self.planes, label, contestant, (trial.source, result, answer), trial.head)
            return {"seconds": seconds, **measures(result, trial)}

        digest = digest_of(trial.digest, *(path.read_text(encoding="utf-8") for path in _MEASURED_BY))
        return attempted(label, self.contestants, digest=digest, done=self.done, tried=tried)


def measures(result: Volume, trial: CtTrial) -> dict[str, float]:
    """Measure a synthetic CT: against the true one where there is one, and by itself.

    Returns
    -------
    What `ct_metrics`, `paths` and `vault` return; ``mae_wide_hu``, the error in the head and 10 mm around it; and
    `CtTrial.plausible`.
    """
    found = vault.plausibility(result, trial.head)
    if trial.answer is None:
        return found
    truth, labels, head = trial.answer.ct, trial.answer.labels, trial.head
    images = (result.voxels, truth.voxels)
    return {
        **ct_metrics.similarity(*images, head),
        "mae_wide_hu": ct_metrics.mean_absolute_hu(*images, trial.around),
        **ct_metrics.overlap(*images, head),
        **ct_metrics.errors_by_tissue(*images, labels, head),
        **paths.path_errors(result, truth, np.isin(labels, _AIMED_AT)),
        **found,
        **trial.plausible,
    }
