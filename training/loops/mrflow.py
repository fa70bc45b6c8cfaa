"""Train a flow on one scanner's images: ``python -m training.loops.mrflow --config CONFIG --run DIR``.

A run is a folder as in `training.loops.run`, with the same options; sample slices lie in its ``samples``. The flow sees
the target alone; what edges are told from are copies of the same slices with other intensities.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inference.mrflow.flow import Flow, FlowShape, described
from training.examples.target_scans import TargetScans, gathered, of_folder
from training.examples.target_slices import TargetSlices
from training.loops.run import (
    Averaged,
    Batch,
    Numbers,
    Options,
    Run,
    Schedule,
    packed,
    ramp_and_cosine,
    read_config,
    read_options,
    set_rate,
    unpack,
)  # fmt: skip
from training.loops.together import first_before_others, joined, mean_gradients, own_rows, same_everywhere
from training.objectives.flow import bits_per_dimension, dequantised

_STEEPEST = 1.0
_SHOWN, _WHITE = 6, 1.6
"""Slices in a picture; intensity, in parts of the anchor, that is shown white."""


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is made from; the files in ``training/configs`` explain each key."""

    target: str
    seed: int
    steps: int
    patch: tuple[int, int]
    group: int
    planes: tuple[int, ...]
    learning_rate: float
    warm_up: int
    averaging: float
    centre: float
    coupling: str
    levels: int
    flow_steps: int
    width: int
    context: int
    edge_widths: tuple[int, ...]
    procedural_heads: int
    deformations: int
    log_every: int
    save_every: int
    validate_every: int
    validation_batches: int

    @property
    def shape(self) -> FlowShape:
        """How the flow is built."""
        return FlowShape(self.coupling, self.levels, self.flow_steps, self.width, self.context, self.edge_widths)

    @property
    def schedule(self) -> Schedule:
        """When what is done."""
        return Schedule(self.steps, self.log_every, self.save_every, self.validate_every, self.validation_batches)


class FlowTrainee:
    """The flow, its mean and its optimizer; see `training.loops.run.Trainee`.

    Parameters
    ----------
    config
        What is trained, and how.
    device
        Where.
    samples
        Folder for pictures; None: none are made.
    """

    def __init__(self, config: Config, device: str, samples: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        self._config, self._device, self._samples, self._step = config, device, samples, 0
        made = [Flow(config.shape).to(device) for _ in range(2)]
        self._flow, self._mean = made
        self._both = Averaged(self._flow, self._mean, config.averaging)
        self._flows = {"flow": made[0], "averaged": made[1]}
        self._optimizer = torch.optim.Adam(made[0].parameters(), lr=config.learning_rate, betas=(0.9, 0.99))

    def train(self, batch: Batch, step: int) -> Numbers:
        """Take one step."""
        c = self._config
        x, seen = self._there(batch, step)
        if step == 0:
            self._flow.fit(x, self._flow.context(seen))
            same_everywhere(self._flow)
            self._mean.load_state_dict(self._flow.state_dict())
        set_rate(self._optimizer, c.learning_rate * ramp_and_cosine(step, c.steps, warm_up=c.warm_up))
        context = self._flow.context(seen)
        latents, log_det = self._flow(x, context)
        bits = bits_per_dimension(latents, log_det).mean()
        off = _off_centre(self._flow, x, latents, context) if c.centre else bits.new_zeros(())
        self._optimizer.zero_grad(set_to_none=True)
        (bits + c.centre * off).backward()
        mean_gradients(self._flow.parameters())
        torch.nn.utils.clip_grad_norm_(self._flow.parameters(), _STEEPEST)
        self._optimizer.step()
        self._both.follow(step)
        self._step = step + 1
        return {"bits": bits.item(), "latent_rms": _rms(latents), "centre_db": math.nan}

    def validate(self, batch: Batch) -> Numbers:
        """Judge the mean: bits, and how near the image in the middle of the latent comes to the slice, dB."""
        x, seen = self._there(batch, 0)
        with torch.no_grad():
            context = self._mean.context(seen)
            latents, log_det = self._mean(x, context)
            centre = self._mean.inverse([torch.zeros_like(z) for z in latents], context)
            self._draw(x, seen, centre)
        near_db = -10 * (centre - x).square().mean(dim=(1, 2, 3)).log10()
        bits = bits_per_dimension(latents, log_det)
        return {"bits": bits.mean().item(), "latent_rms": _rms(latents), "centre_db": near_db.mean().item()}

    def _there(self, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        seeded = torch.Generator().manual_seed(self._config.seed * 1_000_003 + step)
        noise = own_rows(lambda shape: torch.rand(shape, generator=seeded), batch["image"])
        return dequantised(batch["image"], noise).to(self._device), batch["seen"].to(self._device)

    def _draw(self, *shown: Tensor) -> None:
        """Write rows of slices, what edges were told from, and the middle of the latent: one picture a validation."""
        if self._samples is None or (path := self._samples / f"{self._step:06d}.png").exists():
            return
        rows = [torch.cat(list(each[:_SHOWN, 0]), dim=1) for each in shown]
        grey = torch.cat(rows).clamp(0, _WHITE).mul(255 / _WHITE).byte().cpu().numpy()
        self._samples.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(grey)).save(path)

    def state(self) -> dict[str, Tensor]:
        """Return flows and optimizer."""
        return packed(self._flows, {"optimizer": self._optimizer})

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        unpack(state, self._flows, {"optimizer": self._optimizer})

    def weights(self) -> dict[str, Tensor]:
        """Return the mean and how it is built; see `inference.mrflow.flow.read_flow`."""
        return described(self._config.shape) | {f"flow.{name}": held for name, held in self._mean.state_dict().items()}


def _off_centre(flow: Flow, x: Tensor, latents: Sequence[Tensor], context: Sequence[Tensor | None]) -> Tensor:
    """Return how far the image in the middle of the latent is from the slice, for half of a batch."""
    some = slice((len(x) + 1) // 2)
    told = [None if each is None else each[some] for each in context]
    centre = flow.inverse([torch.zeros_like(z[some]) for z in latents], told)
    return (centre - x[some]).abs().mean()


def _rms(latents: Sequence[Tensor]) -> float:
    return torch.cat([z.detach().flatten() for z in latents]).square().mean().sqrt().item()


def train(
    config: Config, folder: Path, scans: TargetScans, *, resume: bool = False, fraction: float = 1.0, workers: int = 0,
    device: str = "cpu",
) -> None:  # fmt: skip
    """Do a run, or the first part of one; parameters as on the command line, `scans` are the target's."""
    run = Run(FlowTrainee(config, device, folder / "samples"), folder, config.schedule)
    if resume:
        run.resume()
    drawn = {"group": config.group, "planes": config.planes}
    examples = TargetSlices(scans.train, config.patch, **drawn, seed=config.seed)  # type: ignore[arg-type]  # a literal of mixed types
    held_out = TargetSlices(scans.validation, config.patch, **drawn, seed=1_000_000)  # type: ignore[arg-type]  # as above
    run.go(examples, held_out, fraction=fraction, workers=workers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    own = argparse.ArgumentParser(prog="python -m training.loops.mrflow", add_help=False)
    own.add_argument("--target", help="another site than the configuration's")
    own.add_argument("--scans", type=Path, help="folder of scans of a scanner of your own, which --target then names")
    told, others = own.parse_known_args(arguments)
    options = read_options("training.loops.mrflow", others, cache=Path("build/target-scans"), own=own)
    config = read_config(Config, options.config, seed=options.seed, target=told.target)
    with joined(options.device) as device:
        try:
            with first_before_others():
                scans = _scans_of(config, options, told.scans)
        except (ValueError, FileNotFoundError) as refusal:  # of what people put into the folder
            own.error(str(refusal))
        train(
            config, options.run, scans,
            resume=options.resume, fraction=options.fraction, workers=options.workers, device=device,
        )  # fmt: skip


def _scans_of(config: Config, options: Options, folder: Path | None) -> TargetScans:
    if folder is not None:
        return of_folder(folder, options.cache, target=config.target)
    return gathered(
        options.data, options.cache, target=config.target, procedural=config.procedural_heads,
        deformations=config.deformations,
    )  # fmt: skip


if __name__ == "__main__":
    main()
