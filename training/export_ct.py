"""Make the bundle of a synthetic CT from a run: ``python -m training.export_ct --run RUN --out BUNDLE``.

The folder holds a hand-written ``model.yaml`` already; weights in half precision, the reference pair and both digests
are made here. The source of the reference pair is a drawn head in a virtual scanner.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from training.landmarks import coarse, pin, write_reference
from training.loops.run import WEIGHTS
from training.simulate.air_cells import pneumatised
from training.simulate.head import procedural_head
from training.simulate.scan import scan
from training.simulate.sites import SITES

_SITE = "siemens-3t"
_REFERENCE_MM = 3.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, verify."""
    parser = argparse.ArgumentParser(prog="python -m training.export_ct", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a run of training.loops.ct_unet or ct_gan")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, with its model.yaml")
    parser.add_argument("--seed", type=int, default=100, help="seed of the drawn head of the reference pair")
    options = parser.parse_args(arguments)
    pin(options.out, "weights", save(halved(options.run / WEIGHTS)))
    source = scan(pneumatised(procedural_head(options.seed)), SITES[_SITE], seed=options.seed)
    write_reference(options.out, coarse(source, _REFERENCE_MM))


def halved(path: Path) -> dict[str, np.ndarray]:
    """Read the weights of a run with parameters in half precision: as good here, and half as large."""
    return {
        name: tensor.astype(np.float16) if name.startswith(("network.", "generator.")) else tensor
        for name, tensor in load_file(path).items()
    }


if __name__ == "__main__":
    main()
