"""Train the bounded harmonizer: ``python -m training.loops.bounded --config training/configs/bounded.yaml --run DIR``.

A run is a folder: ``log.csv`` (a line every few steps), ``state.safetensors`` (to go on from), ``weights.safetensors``
(the averaged network, what a bundle is made of). The same configuration and seed draw the same examples; a run that was
interrupted goes on where it was (``--resume``); ``--fraction 0.05`` does the first twentieth of it, by the same
schedule.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress, TextColumn, TimeRemainingColumn
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset

from inference.bounded.description import LENGTH
from inference.bounded.network import BoundedNetwork
from training.examples.pairs import Pairs
from training.examples.sources import Sources, gathered
from training.objectives.bounded import Judged, Weights, judged

_COLUMNS = ("step", "split", "loss", "psnr_db", "over_scale_db", "over_base_db", "seconds")
_USED_AGAIN_AFTER = (16, 40)
"""Batches; even, so that of two processes each finds its own again."""

Batch = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is made from; ``training/configs/bounded.yaml`` explains each key."""

    seed: int
    steps: int
    groups: int
    group: int
    real_share: float
    learning_rate: float
    warm_up: int
    averaging: float
    widths: tuple[int, int, int]
    procedural_heads: int
    deformations: int
    log_every: int
    save_every: int
    validate_every: int
    validation_groups: int

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read a YAML file; every key must be there."""
        held = YAML(typ="safe", pure=True).load(path)
        return cls(**{**held, "widths": tuple(held["widths"])})


class _Batches(Dataset[dict[str, Tensor]]):
    """The batches of a run by number: one new group of examples each, and groups of earlier batches, mirrored.

    Making a group takes longer than learning from it, so that each is used again. What a batch holds depends on its
    number alone: a run that goes on where it was makes the groups again that it has not kept.
    """

    def __init__(self, pairs: Pairs, steps: range, groups: int) -> None:
        self._pairs, self._steps, self._groups = pairs, steps, groups
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        step = self._steps[index]
        earlier = [max(step - back, step % 2) for back in _USED_AGAIN_AFTER[: self._groups - 1]]
        groups = [self._group(step), *(_mirrored(self._group(number)) for number in earlier)]
        oldest = step - max(_USED_AGAIN_AFTER)
        self._kept = {number: group for number, group in self._kept.items() if number >= oldest}
        return {name: torch.cat([group[name] for group in groups]) for name in groups[0]}

    def _group(self, number: int) -> dict[str, Tensor]:
        if number not in self._kept:
            self._kept[number] = {name: torch.from_numpy(array) for name, array in self._pairs[number].items()}
        return self._kept[number]


def _mirrored(group: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.flip(-1) if tensor.ndim == 5 else tensor for name, tensor in group.items()}


class Run:
    """A training in progress.

    Parameters
    ----------
    config
        What is trained, and how.
    folder
        For its log, state and weights.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self.folder, self.step = config, folder, 0
        self.network = BoundedNetwork(config.widths, LENGTH)
        self.averaged = BoundedNetwork(config.widths, LENGTH)
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.learning_rate, weight_decay=1e-3)
        folder.mkdir(parents=True, exist_ok=True)
        self._began = time.monotonic()

    def rate(self) -> float:
        """Return the learning rate of this step: a ramp, then half a cosine."""
        c = self.config
        ramp = min(1.0, (self.step + 1) / c.warm_up)
        return c.learning_rate * ramp * (0.51 + 0.49 * math.cos(math.pi * min(1.0, self.step / c.steps)))

    def train(self, batch: Batch) -> Judged:
        """Take one step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        result = self._judge(self.network, batch)
        self.optimizer.zero_grad(set_to_none=True)
        result.loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        keep = min(self.config.averaging, 1 - 1 / (1 + self.step / 10))
        with torch.no_grad():
            for average, value in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, 1 - keep)
        return result

    def validate(self, batches: Iterator[Batch]) -> None:
        """Judge the averaged network on heads that are not trained on, and write the mean into the log."""
        with torch.no_grad():
            judgements = [self._judge(self.averaged, batch) for batch in batches]
        self.log("validation", judgements)

    def _judge(self, network: BoundedNetwork, batch: Batch) -> Judged:
        with torch.autocast("cpu", torch.bfloat16):
            correction = network(batch["image"], batch["histograms"], batch["description"])
        return judged(batch, correction, network.spread, Weights.at(self.step))

    def log(self, split: str, judgements: Sequence[Judged]) -> None:
        """Write one line of means."""
        loss, ours, scale, base = (
            torch.cat([getattr(j, name).detach() for j in judgements]).mean().item()
            for name in ("loss", "psnr_db", "psnr_scale_db", "psnr_base_db")
        )
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(_COLUMNS)
            numbers = (loss, ours, ours - scale, ours - base)
            seconds = f"{time.monotonic() - self._began:.0f}"
            writer.writerow([self.step, split, *(f"{number:.4f}" for number in numbers), seconds])

    def save(self) -> None:
        """Write state and weights; each file is whole or the one before."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
        tensors["step"] = torch.tensor(self.step)
        _write({k: v.contiguous() for k, v in tensors.items()}, self.folder / "state.safetensors")
        _write(self.averaged.state_dict(), self.folder / "weights.safetensors")

    def resume(self) -> None:
        """Go on from the state in the folder."""
        tensors = load_file(self.folder / "state.safetensors")
        for name in ("network", "averaged"):
            of_one = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            getattr(self, name).load_state_dict(of_one)
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, part = key.split(".")
                state.setdefault(int(index), {})[part] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.step = int(tensors["step"])
        self._forget_later_lines()

    def _forget_later_lines(self) -> None:
        """Take out of the log what was done after the state was saved: it will be done again."""
        path = self.folder / "log.csv"
        header, *lines = path.read_text().splitlines(keepends=True)
        path.write_text(header + "".join(line for line in lines if int(line.split(",")[0]) <= self.step))


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    partial = path.with_suffix(".partial")
    save_file(dict(tensors), partial)
    partial.rename(path)


def _batches(pairs: Pairs, steps: range, *, groups: int, workers: int) -> Iterator[Batch]:
    loader = DataLoader(
        _Batches(pairs, steps, groups), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    return iter(loader)


def train(config: Config, folder: Path, sources: Sources, *, resume: bool, fraction: float, workers: int = 2) -> None:
    """Do a run, or the first part of one.

    Parameters
    ----------
    config
        What is trained, and how.
    folder
        Of the run.
    sources
        The heads.
    resume
        Whether to go on from the state in the folder.
    fraction
        Of the steps; the schedule stays that of the whole.
    workers
        Processes that make examples.
    """
    run = Run(config, folder)
    if resume:
        run.resume()
    last = round(config.steps * fraction)
    drawn = {"group": config.group, "real_share": config.real_share}
    pairs = Pairs(sources.simulated, sources.real, **drawn, seed=config.seed)  # type: ignore[arg-type]  # a literal of mixed numbers
    held_out = Pairs(sources.simulated_validation, (), **drawn, seed=0)  # type: ignore[arg-type]  # as above
    recent: list[Judged] = []
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn(), TextColumn("{task.fields[psnr]}"))
    with Progress(*columns, refresh_per_second=0.5) as progress:
        task = progress.add_task("steps", total=last, completed=run.step, psnr="")
        for batch in _batches(pairs, range(run.step, last), groups=config.groups, workers=workers):
            recent.append(run.train(batch))
            progress.update(task, completed=run.step, psnr=f"{recent[-1].psnr_db.mean().item():.2f} dB")
            if run.step % config.log_every == 0 or run.step == last:
                run.log("training", recent)
                recent = []
            if run.step % config.validate_every == 0 or run.step == last:
                run.validate(_batches(held_out, range(config.validation_groups), groups=1, workers=0))
            if run.step % config.save_every == 0 or run.step == last:
                run.save()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m training.loops.bounded", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("training/configs/bounded.yaml"), help="what is trained")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--data", type=Path, help="real data; without it, procedural heads alone")
    parser.add_argument("--cache", type=Path, default=Path("build/heads"), help="folder for prepared heads")
    parser.add_argument("--resume", action="store_true", help="go on where the run was interrupted")
    parser.add_argument("--fraction", type=float, default=1.0, help="do only the first part of the steps")
    parser.add_argument("--seed", type=int, help="another seed than the configuration's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the network")
    parser.add_argument("--workers", type=int, default=2, help="processes that make examples")
    options = parser.parse_args(arguments)
    if distributed.is_torchelastic_launched():
        parser.error("one process trains this network: start it without torchrun")
    torch.set_num_threads(options.threads)
    config = Config.read(options.config)
    if options.seed is not None:
        config = Config(**{**{k: getattr(config, k) for k in Config.__slots__}, "seed": options.seed})
    sources = gathered(
        options.data, options.cache, procedural=config.procedural_heads, deformations=config.deformations
    )
    train(config, options.run, sources, resume=options.resume, fraction=options.fraction, workers=options.workers)


if __name__ == "__main__":
    main()
