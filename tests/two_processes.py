"""Go on with a tiny run, as one of several processes: ``torchrun --nproc-per-node 2 tests/two_processes.py RUN``."""

from __future__ import annotations

import sys
from pathlib import Path

import tiny_sites
import torch

from training.loops.mhgan import train
from training.loops.together import joined

if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined("cpu"):
        train(tiny_sites.config(), Path(sys.argv[1]), tiny_sites.sites(), resume=True)
