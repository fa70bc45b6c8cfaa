"""Train the 3-D U-Net of synthetic CT: ``python -m training.loops.ct_unet --config CONFIG --run DIR``.

A run is a folder as in `training.loops.run`. The same configuration draws the same examples; ``--resume`` goes on;
``--fraction 0.05`` does the first twentieth, by the same schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inference.ct.network import ResidualUnet, expected, unfold
from training.examples.ct_heads import CtSources, gathered
from training.examples.ct_pairs import CtPairs
from training.loops.run import (
    Averaged,
    Batch,
    Numbers,
    Run,
    Schedule,
    packed,
    ramp_and_cosine,
    read_config,
    read_options,
    set_rate,
    unpack,
)  # fmt: skip
from training.loops.together import first_before_others, joined, mean_gradients
from training.objectives.ct import CtLoss, ct_loss, surprise

_UNSURE = 0.75
"""Part of the steps in which likelihoods are judged: at first they alone, then less and less, since the mean of all
that is likely is not what is least far off."""


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is made from; ``training/configs/ct-unet.yaml`` explains each key."""

    seed: int
    steps: int
    patch: tuple[int, int, int]
    group: int
    learning_rate: float
    warm_up: int
    averaging: float
    gradients: float
    widths: tuple[int, ...]
    procedural_heads: int
    deformations: int
    log_every: int
    save_every: int
    validate_every: int
    validation_batches: int

    @property
    def schedule(self) -> Schedule:
        """When what is done."""
        return Schedule(self.steps, self.log_every, self.save_every, self.validate_every, self.validation_batches)


class UnetTrainee:
    """The network, its mean and its optimizer; see `training.loops.run.Trainee`.

    Parameters
    ----------
    config
        What is trained, and how.
    device
        Where.
    """

    def __init__(self, config: Config, device: str) -> None:
        torch.manual_seed(config.seed)
        self._config, self._device = config, device
        made = [ResidualUnet(config.widths).to(device) for _ in range(2)]
        self._network, self._mean = made
        self._both = Averaged(self._network, self._mean, config.averaging)
        self._networks = {"network": made[0], "averaged": made[1]}
        self._optimizer = torch.optim.AdamW(
            made[0].parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3
        )

    def train(self, batch: Batch, step: int) -> Numbers:
        """Take one step."""
        c = self._config
        set_rate(self._optimizer, c.learning_rate * ramp_and_cosine(step, c.steps, warm_up=c.warm_up))
        there = self._there(batch)
        likely = self._likely(self._network, there)
        result = self._judged(likely, there, c.gradients * min(1.0, 2 * step / c.steps))
        unsure = max(0.0, 1 - step / (_UNSURE * c.steps))
        loss = (1 - unsure) * result.loss + unsure * surprise(likely, there["ct"], there["weight"])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        mean_gradients(self._network.parameters())
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._both.follow(step)
        return _numbers(result)

    def validate(self, batch: Batch) -> Numbers:
        """Judge the mean."""
        with torch.no_grad():
            there = self._there(batch)
            return _numbers(self._judged(self._likely(self._mean, there), there, self._config.gradients))

    def _there(self, batch: Batch) -> Batch:
        return {name: tensor.to(self._device) for name, tensor in batch.items()}

    def _likely(self, network: ResidualUnet, batch: Batch) -> Tensor:
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            return network.likely(batch["mr"], batch["corner_mm"])

    def _judged(self, likely: Tensor, batch: Batch, gradients: float) -> CtLoss:
        masks = batch["weight"], batch["inside"]
        return ct_loss(unfold(expected(likely)), batch["ct"], masks, gradients=gradients)

    def state(self) -> dict[str, Tensor]:
        """Return networks and optimizer."""
        return packed(self._networks, {"optimizer": self._optimizer})

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        unpack(state, self._networks, {"optimizer": self._optimizer})

    def weights(self) -> dict[str, Tensor]:
        """Return the mean, as the bundle's model reads it: see `inference.models.ct_unet`."""
        return {f"network.{name}": tensor for name, tensor in self._mean.state_dict().items()}


def _numbers(result: CtLoss) -> Numbers:
    return {"loss": result.loss.item(), "mae_hu": result.mae_hu, "bone_dice": result.bone_dice}


def train(
    config: Config, folder: Path, sources: CtSources, *, resume: bool = False, fraction: float = 1.0, workers: int = 0,
    device: str = "cpu",
) -> None:  # fmt: skip
    """Do a run, or the first part of one; parameters as on the command line, `sources` are the heads."""
    run = Run(UnetTrainee(config, device), folder, config.schedule)
    if resume:
        run.resume()
    examples = CtPairs(sources.train, config.patch, group=config.group, seed=config.seed)
    held_out = CtPairs(sources.validation, config.patch, group=config.group, seed=0)
    run.go(examples, held_out, fraction=fraction, workers=workers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    options = read_options("training.loops.ct_unet", arguments)
    config = read_config(Config, options.config, seed=options.seed)
    with joined(options.device) as device:
        with first_before_others():
            sources = gathered(
                options.data, options.cache, procedural=config.procedural_heads, deformations=config.deformations
            )
        train(
            config, options.run, sources,
            resume=options.resume, fraction=options.fraction, workers=options.workers, device=device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
