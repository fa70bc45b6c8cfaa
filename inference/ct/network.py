"""The 3-D residual U-Net that turns MR into CT: it works on a 2 mm lattice and answers at 1 mm."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

FOLD = 2
"""Voxels of 1 mm along an axis that one node of the lattice holds: as channels, in and out (sub-pixel convolution,
Shi et al. 2016, CVPR). Tables of the skull stay apart, at the cost of a network at 2 mm."""

HU_PER_UNIT = 1000.0
"""Hounsfield units of one unit of the network's answer."""

NODES_HU = (-1000.0, -500.0, -100.0, 40.0, 300.0, 700.0, 1200.0, 2000.0)
"""What a voxel may be; between two of them lies what is likely to be a little of both."""

_MM_PER_UNIT = 100.0
_SLAB = 16
_QUIET = 0.3
"""How much blocks say at first, against a plain layer: with 0, as residual networks often begin, they learn later."""


def fold(voxels: Tensor) -> Tensor:
    """Return blocks of 2 x 2 x 2 voxels as channels: (batch, c, z, y, x) -> (batch, 8 c, z/2, y/2, x/2)."""
    batch, channels, z, y, x = voxels.shape
    blocks = voxels.reshape(batch, channels, z // FOLD, FOLD, y // FOLD, FOLD, x // FOLD, FOLD)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(batch, channels * FOLD**3, z // FOLD, y // FOLD, x // FOLD)


def unfold(nodes: Tensor) -> Tensor:
    """Undo `fold`."""
    batch, channels, z, y, x = nodes.shape
    blocks = nodes.reshape(batch, channels // FOLD**3, FOLD, FOLD, FOLD, z, y, x).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return blocks.reshape(batch, channels // FOLD**3, z * FOLD, y * FOLD, x * FOLD)


class _Even(nn.Module):
    """Brings the features of every node to the same size (Karras et al. 2018, ICLR).

    Statistics over space would differ between the patches of training and the whole heads of service.
    """

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-4)
        return result


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.even = _Even()
        self.first = nn.Conv3d(width, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="linear")
        self.second.weight.data *= _QUIET

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.second(functional.silu(self.first(functional.silu(self.even(x)))))
        return result


class ResidualUnet(nn.Module):
    """Sees MR at 1 mm and where it lies in the head; answers with how likely each of `NODES_HU` is, and so with CT.

    Air and compact bone are both dark in MR. A network that answers with one number, and is judged by how far it is
    off, says soft tissue there until it is nearly sure; one that answers with likelihoods has not to choose
    (regression as classification: Farebrother et al. 2024, ICML).

    Parameters
    ----------
    widths
        Channels at 2, 4, 8, … mm.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.multiple = FOLD * 2 ** (len(widths) - 1)
        self.enter = nn.Conv3d(FOLD**3 + 3, widths[0], 3, padding=1)
        self.before = nn.ModuleList([_Block(width) for width in widths])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([nn.Conv3d(fine, wide, 2, stride=2) for fine, wide in pairs])
        self.deepest = _Block(widths[-1])
        self.up = nn.ModuleList([nn.Conv3d(wide, fine, 1) for fine, wide in pairs])
        self.after = nn.ModuleList([_Block(width) for width in widths[:-1]])
        self.even = _Even()
        self.answer = nn.Conv3d(widths[0], len(NODES_HU) * FOLD**3, 3, padding=1)
        nn.init.zeros_(self.answer.weight)

    def forward(self, mr: Tensor, corner_mm: Tensor) -> Tensor:
        """Answer for a batch.

        Parameters
        ----------
        mr
            Shape (batch, 1, slices, rows, columns) in the frame of `inference.ct.frame`; each length a multiple of
            `multiple`.
        corner_mm
            Shape (batch, 3): (z, y, x) of the first voxel against the crown.

        Returns
        -------
        Shape of `mr`, in parts of `HU_PER_UNIT`.
        """
        return unfold(expected(self.likely(mr, corner_mm)))

    def likely(self, mr: Tensor, corner_mm: Tensor) -> Tensor:
        """Return the logits of `NODES_HU`: shape (batch, nodes, 8, slices / 2, rows / 2, columns / 2), see `fold`."""
        shown = torch.cat([fold(mr), _places(mr, corner_mm)], dim=1)
        x = self.enter(shown.contiguous(memory_format=torch.channels_last_3d))  # twice as quick on a CPU
        kept = []
        for level, block in enumerate(self.before):
            x = block(x)
            if level < len(self.down):
                kept.append(x)
                x = self.down[level](x)
        x = self.deepest(x)
        for level in reversed(range(len(self.up))):
            x = kept[level] + functional.interpolate(self.up[level](x), scale_factor=2, mode="nearest")
            x = self.after[level](x)
        said = self.answer(functional.silu(self.even(x)))
        return torch.unflatten(said, 1, (len(NODES_HU), FOLD**3))


def expected(likely: Tensor) -> Tensor:
    """Return the mean of what is likely: shape (batch, 8, …) for (batch, nodes, 8, …); parts of `HU_PER_UNIT`."""
    nodes = (torch.tensor(NODES_HU, device=likely.device) / HU_PER_UNIT).reshape(1, -1, 1, 1, 1, 1)
    slabs = likely.split(_SLAB, dim=3)  # a whole head's likelihoods fill a gigabyte
    return torch.cat([(slab.float().softmax(dim=1) * nodes).sum(dim=1) for slab in slabs], dim=2)


def _places(mr: Tensor, corner_mm: Tensor) -> Tensor:
    """Return z, y and x of the lattice's nodes against the crown; shape (batch, 3, z / 2, y / 2, x / 2)."""
    batch, _, *shape = mr.shape
    lengths = [length // FOLD for length in shape]
    places = []
    for axis, length in enumerate(lengths):
        line = FOLD * torch.arange(length, device=mr.device, dtype=torch.float32) + (FOLD - 1) / 2
        line = (line + corner_mm[:, axis : axis + 1]) / _MM_PER_UNIT
        places.append(line.reshape([batch, *(length if a == axis else 1 for a in range(3))]).expand(batch, *lengths))
    return torch.stack(places, dim=1).to(mr.dtype)
