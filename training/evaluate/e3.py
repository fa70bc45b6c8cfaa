"""E3: a travelling subject: a head in one scanner is to look as the same head does in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from inference.look import TOP, profile
from training.evaluate.e1 import site_look
from training.evaluate.people import People
from training.evaluate.sets import EvaluationSet
from training.evaluate.trial import Label, Trial, anchored
from training.simulate.sites import SITES


@dataclass(frozen=True, slots=True)
class TravellingCase:
    """A head that was scanned in two sites.

    Attributes
    ----------
    head, source, target
        Their names.
    references
        Heads of other people, scanned in the target, that its look is taken from.
    """

    head: str
    source: str
    target: str
    references: tuple[str, ...]

    @property
    def label(self) -> Label:
        """See `training.evaluate.trial.Case`."""
        kind = "label maps" if self.head.startswith("labels") else "drawn heads"
        return Label("e3", f"{kind} to {self.target}", f"from {self.source}", self.head, "T1", "scan")

    def trial(self, people: People) -> Trial:
        """Scan twice on the grid of the source; the noiseless truth is scaled as the noisy one is."""
        site, target = people.site(self.source), people.site(self.target)
        there = replace(target, grid=site.grid)
        source = people.scanned(self.head, site)
        truth = people.scanned(self.head, there)
        factor = truth.voxels.dtype.type(TOP / profile(truth).anchor)
        clean = people.scanned(self.head, replace(there, noise=0.0))
        return Trial(
            source,
            anchored(truth),
            site_look(people, self.target, self.references),
            self.target,
            people.mask(self.head, site.grid),
            TOP / profile(source).anchor,
            {"noiseless": clean.voxels * factor},
        )


def cases(people: People, chosen: EvaluationSet) -> Iterator[TravellingCase]:
    """Yield all cases of a set."""
    for head in people.some("test", maps=chosen.e3_heads[0], drawn=chosen.e3_heads[1]):
        references = people.references(head, chosen.references)
        for target in chosen.e3_targets:
            for source in SITES:
                if source != target:
                    yield TravellingCase(head, source, target, references)
