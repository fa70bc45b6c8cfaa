"""One training by several processes, a graphics card each, as ``torchrun`` starts them.

Each takes its share of every batch, and all move by the mean of their gradients: what is learned is what one process
would have learned, but for rounding. The first alone writes logs, samples and states.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

_PATIENCE = timedelta(hours=24)
"""The others wait while the first prepares scans or validates; torchrun itself ends all when one of them fails."""


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Join the other processes while a run lasts; yield the device of this one. Alone, nothing is joined.

    Parameters
    ----------
    device
        ``cpu``, or any ``cuda:<n>``: each process takes the card of its own number on its machine.
    """
    if not distributed.is_torchelastic_launched():
        yield device
        return
    cards = device != "cpu"
    if cards:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if cards else "gloo", timeout=_PATIENCE)
    yield device
    distributed.barrier()  # the first still writes when the others are done: one that left now could take it along
    distributed.destroy_process_group()


def number() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """Return how many train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def first_before_others() -> Iterator[None]:
    """Let the first process do something alone, then the others: what it prepared, they find."""
    if number() > 0:
        distributed.barrier()
    yield
    if number() == 0 and processes() > 1:
        distributed.barrier()


def share(batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return this process's rows of a batch.

    Raises
    ------
    ValueError
        When they cannot all have as many.
    """
    for name, tensor in batch.items():
        if len(tensor) % processes():
            raise ValueError(
                f"a batch of {len(tensor)} ({name}) cannot be shared evenly by {processes()} processes: "
                "start as many as divide it, or change the configuration"
            )
    return {name: tensor[number() :: processes()] for name, tensor in batch.items()}


def own_rows(draw: Callable[[tuple[int, ...]], Tensor], like: Tensor) -> Tensor:
    """Return this process's rows of what is drawn for a whole batch: the same numbers, however many share it.

    Parameters
    ----------
    draw
        Draws a tensor of a shape.
    like
        The rows of this process.
    """
    return draw((len(like) * processes(), *like.shape[1:]))[number() :: processes()]


def mean_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their mean over all processes; to be called after each backward pass, by all of them."""
    if processes() == 1:
        return
    moved = [each for each in parameters if each.grad is not None]
    every = torch.cat([each.grad.flatten() for each in moved if each.grad is not None])
    distributed.all_reduce(every)
    every /= processes()
    for each, mean in zip(moved, every.split([each.numel() for each in moved]), strict=True):
        each.grad = mean.view_as(each)


def same_everywhere(network: nn.Module) -> None:
    """Give all processes the first one's parameters and buffers."""
    if processes() > 1:
        for tensor in network.state_dict().values():
            distributed.broadcast(tensor, 0)


def mean_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the mean over all processes of what each of them was told."""
    if processes() == 1:
        return dict(numbers)
    device = torch.cuda.current_device() if distributed.get_backend() == "nccl" else "cpu"
    told = torch.tensor(list(numbers.values()), device=device, dtype=torch.float64)
    distributed.all_reduce(told)
    return dict(zip(numbers, (told / processes()).tolist(), strict=True))
