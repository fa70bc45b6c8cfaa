"""A training run: a folder with its log, the state to go on from, and the weights that a bundle is made of.

What is trained is a `Trainee`; what all of them need stands here: batches by number, so that a run that was interrupted
goes on as if it had not been, progress, a log, and files that are whole or the ones before. Several processes share
the batches, see `training.loops.together`.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from inference.device import choose
from training.loops import together

Batch = Mapping[str, Tensor]
Numbers = Mapping[str, float]
STATE, WEIGHTS, LOG = "state.safetensors", "weights.safetensors", "log.csv"

_C = TypeVar("_C")


class Examples(Protocol):
    """Batches by number: the same number gives the same batch."""

    def __getitem__(self, number: int) -> Mapping[str, NDArray[np.float32]]:
        """Return a batch."""
        ...


class Trainee(Protocol):
    """What is trained."""

    def train(self, batch: Batch, step: int) -> Numbers:
        """Take one step, and tell how it went."""
        ...

    def validate(self, batch: Batch) -> Numbers:
        """Judge the weights that are kept on a batch; the same names as `train` tells."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that going on needs."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return what a bundle is made of."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """When what is done, in steps; ``validation_batches`` is how many are judged."""

    steps: int
    log_every: int
    save_every: int
    validate_every: int
    validation_batches: int


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of a run."""

    config: Path
    run: Path
    data: Path | None
    cache: Path
    resume: bool
    fraction: float
    workers: int
    device: str
    seed: int | None


class Run:
    """A training in progress.

    Parameters
    ----------
    trainee
        What is trained.
    folder
        For log, state and weights.
    schedule
        When what is done.
    """

    def __init__(self, trainee: Trainee, folder: Path, schedule: Schedule) -> None:
        self.step = 0
        self._trainee, self._folder, self._schedule = trainee, folder, schedule
        self._began, self._first = time.monotonic(), together.number() == 0
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Go on from the state in the folder; what was logged after it was saved will be done again."""
        state = load_file(self._folder / STATE)
        self.step = int(state.pop("step"))
        self._trainee.restore(state)
        if not self._first:
            return
        path = self._folder / LOG
        header, *lines = path.read_text().splitlines(keepends=True)
        path.write_text(header + "".join(line for line in lines if int(line.split(",")[0]) <= self.step))

    def go(self, examples: Examples, held_out: Examples, *, fraction: float, workers: int) -> None:
        """Do the steps that are left of the first part of a run.

        Parameters
        ----------
        examples, held_out
            To train on, and to watch progress on.
        fraction
            Of all steps; schedules stay those of the whole.
        workers
            Processes that make examples; 0: none but this one.
        """
        last = round(self._schedule.steps * fraction)
        recent: list[Numbers] = []
        columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn(), TextColumn("{task.fields[told]}"))
        shown = Progress(*columns, console=Console(stderr=True), refresh_per_second=0.5, disable=not self._first)
        with shown as progress:
            task = progress.add_task("steps", total=last, completed=self.step, told="")
            for batch in _batches(examples, range(self.step, last), workers):
                recent.append(self._trainee.train(together.share(batch), self.step))
                self.step += 1
                progress.update(task, completed=self.step, told=_told(recent[-1]))
                if self._due(self._schedule.log_every, last):
                    self._log("training", recent)
                    recent = []
                if self._first and self._due(self._schedule.validate_every, last):
                    judged = _batches(held_out, range(self._schedule.validation_batches), 0)
                    self._log("validation", [self._trainee.validate(batch) for batch in judged])
                if self._first and self._due(self._schedule.save_every, last):
                    self._save()

    def _due(self, every: int, last: int) -> bool:
        return self.step % every == 0 or self.step == last

    def _log(self, split: str, told: Sequence[Numbers]) -> None:
        """Write a line of means: of all processes, while they train."""
        means = {name: sum(each[name] for each in told) / len(told) for name in told[0]}
        if split == "training":
            means = together.mean_numbers(means)
        if not self._first:
            return
        path = self._folder / LOG
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "split", *means, "seconds"])
            seconds = f"{time.monotonic() - self._began:.0f}"
            writer.writerow([self.step, split, *(f"{mean:.4f}" for mean in means.values()), seconds])

    def _save(self) -> None:
        state = {**self._trainee.state(), "step": torch.tensor(self.step)}
        write_tensors(state, self._folder / STATE)
        write_tensors(self._trainee.weights(), self._folder / WEIGHTS)


class Averaged:
    """A network and the exponential mean of its weights: the mean is what is kept.

    Parameters
    ----------
    network
        As it is trained.
    twin
        A second one, of any weights.
    keep
        Part of the mean that stays at every step; less in the first ones.
    """

    def __init__(self, network: nn.Module, twin: nn.Module, keep: float) -> None:
        self.network, self.mean, self._keep = network, twin, keep
        twin.load_state_dict(network.state_dict())
        twin.requires_grad_(requires_grad=False)

    def follow(self, step: int) -> None:
        """Take in the weights after a step."""
        keep = min(self._keep, 1 - 1 / (1 + (step + 1) / 10))
        with torch.no_grad():
            for average, value in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, 1 - keep)


def ramp_and_cosine(step: int, steps: int, *, warm_up: int) -> float:
    """Return the part of the learning rate at a step: a ramp, then half a cosine down to a fiftieth."""
    ramp = min(1.0, (step + 1) / warm_up)
    return ramp * (0.51 + 0.49 * math.cos(math.pi * min(1.0, step / steps)))


def level_then_line(step: int, steps: int) -> float:
    """Return the part of the learning rate at a step: all in the first half, then down to nothing on a line."""
    return min(1.0, 2 * (steps - step) / steps)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all that an optimizer moves."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def packed(networks: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Return the tensors of networks and optimizers under names of their own, on the CPU."""
    tensors = {f"{name}.{k}": v for name, network in networks.items() for k, v in network.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, held in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{key}": torch.as_tensor(value) for key, value in held.items()}
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}


def unpack(
    tensors: Mapping[str, Tensor],
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> None:
    """Undo `packed`."""
    for name, network in networks.items():
        network.load_state_dict(_under(name, tensors))
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(name, tensors).items():
            index, part = key.split(".")
            state.setdefault(int(index), {})[part] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a file under another name first: one that is there is whole."""
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)
    partial.rename(path)


def read_config(kind: Callable[..., _C], path: Path, **others: object) -> _C:
    """Read a YAML file into a configuration; every key must be there, and lists become tuples.

    What `others` names takes the place of the file's, unless it is None.
    """
    held: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    held |= {key: value for key, value in others.items() if value is not None}
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in held.items()})


def read_options(
    program: str,
    arguments: Sequence[str] | None,
    *,
    cache: Path = Path("build/ct-heads"),
    own: argparse.ArgumentParser | None = None,
) -> Options:
    """Read the command line, and set how many threads networks take.

    Parameters
    ----------
    program, arguments
        The module, and what was typed.
    cache
        Where prepared heads lie by default.
    own
        Has options of this program alone, which the caller reads; here they are only told by ``--help``.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", parents=[] if own is None else [own])
    parser.add_argument("--config", type=Path, required=True, help="what is trained, and how")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--data", type=Path, help="real data; without it, drawn heads alone")
    parser.add_argument("--cache", type=Path, default=cache, help="folder for prepared heads")
    parser.add_argument("--resume", action="store_true", help="go on where the run was interrupted")
    parser.add_argument("--fraction", type=float, default=1.0, help="do only the first part of the steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the network")
    parser.add_argument("--workers", type=int, default=1, help="processes that make examples")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0")
    parser.add_argument("--seed", type=int, help="another seed than the configuration's")
    told = vars(parser.parse_args(arguments))
    torch.set_num_threads(told.pop("threads"))
    kept = {each.name: told[each.name] for each in fields(Options)}
    return Options(**{**kept, "device": choose(told["device"])})


class _ByNumber(Dataset[dict[str, Tensor]]):
    def __init__(self, examples: Examples, steps: range) -> None:
        self._examples, self._steps = examples, steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        held = self._examples[self._steps[index]]
        return {name: torch.from_numpy(array) for name, array in held.items()}


def _batches(examples: Examples, steps: range, workers: int) -> Iterator[Batch]:
    loader = DataLoader(
        _ByNumber(examples, steps), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    return iter(loader)


def _told(numbers: Numbers) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())


def _under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
