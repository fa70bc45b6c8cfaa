"""What a training of the multi-harmonization GAN is made from."""

from __future__ import annotations

from dataclasses import dataclass

from inference.mhgan.networks import Sizes
from training.loops.run import Schedule
from training.objectives.mhgan import Weights


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is made from; ``training/configs/mhgan.yaml`` explains each key."""

    seed: int
    steps: int
    batch: int
    learning_rate: float
    mapping_rate: float
    averaging: float
    width: int
    judge_width: int
    widest: int
    halvings: int
    bottleneck: int
    hidden: int
    side: int
    residual: int
    curves: int
    fold: int
    bands: int
    previous: float
    temporal: float
    cycle: float
    style: float
    diversity: float
    diversity_until: int
    penalty: float
    penalty_every: int
    judge_noise: float
    judge_coarse: int
    both_guides: int
    procedural_heads: int
    deformations: int
    warped: int
    log_every: int
    save_every: int
    validate_every: int
    validation_batches: int

    @property
    def sizes(self) -> Sizes:
        """How large the networks are."""
        return Sizes(**{name: getattr(self, name) for name in Sizes.__slots__})

    @property
    def weights(self) -> Weights:
        """How much each loss counts."""
        return Weights(**{name: getattr(self, name) for name in Weights.__slots__})

    @property
    def schedule(self) -> Schedule:
        """When what is done."""
        return Schedule(self.steps, self.log_every, self.save_every, self.validate_every, self.validation_batches)
