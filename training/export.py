"""Make the bundle of the bounded harmonizer from a run: ``python -m training.export --run RUN --out BUNDLE``.

The folder holds a hand-written ``model.yaml`` already; network, looks, reference pair and digests are made here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from training.looks import site_looks, write_bundle_looks


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, verify, tell the digest."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a run of training.loops.bounded")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, with its model.yaml")
    parser.add_argument(
        "--heads", type=int, default=8, help="simulated heads that the looks of the sites are taken from"
    )
    parser.add_argument("--seed", type=int, default=100, help="seed of the first of them")
    options = parser.parse_args(arguments)
    network = load_file(options.run / "weights.safetensors")
    # half precision is as good here, and half as large in a repository
    tensors = {f"network.{name}": tensor.astype(np.float16) for name, tensor in network.items()}
    print(write_bundle_looks(options.out, site_looks(options.heads, options.seed), tensors))


if __name__ == "__main__":
    main()
