"""Make the bundles of the plain synthetic CTs: ``python -m training.ct_baselines --out inference/bundles``.

The folders ``synth-ct-water`` and ``synth-ct-bulk`` hold a hand-written ``model.yaml`` already: weights, reference pair
and digests are made here; the same simulator makes the same files.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from inference.bundle import open_bundle
from inference.ct.hounsfield import AIR_HU, WATER_HU
from training.landmarks import coarse, heads_of, pin, write_reference

WATER: Mapping[str, float] = {"body": WATER_HU}

BULK: Mapping[str, float] = {"air": AIR_HU, "fat": -100.0, "soft_tissue": 40.0, "bone": 800.0}
"""HU of each class.

Bone of one density is given 1.5 g/cm3 [1]_ or 1.53 g/cm3 [2]_ in the head; by the relation of [3]_ above 100 HU,
1.017 + 0.000592 HU g/cm3, the first is 816 HU. Fat and soft tissue have the values of radiology textbooks.

References
----------
.. [1] Karotki A, Mah K, Meijer G, Meltsner M. Comparison of bulk electron density and voxel-based electron density
   treatment planning. J Appl Clin Med Phys 12(4):97-104, 2011.
.. [2] Chin AL, Lin A, Anamalayil S, Teo BK. Feasibility and limitations of bulk density assignment in MRI for head and
   neck IMRT treatment planning. J Appl Clin Med Phys 15(5):100-111, 2014.
.. [3] Schneider W, Bortfeld T, Schlegel W. Correlation between CT numbers and tissue parameters needed for Monte Carlo
   simulations of clinical dose distributions. Phys Med Biol 45:459-478, 2000.
"""

BUNDLES: Mapping[str, Mapping[str, float]] = {"synth-ct-water": WATER, "synth-ct-bulk": BULK}

_REFERENCE_SITE, _REFERENCE_SEED = "siemens-3t", 99
_REFERENCE_MM = 5.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both bundles, verify them, tell their digests."""
    parser = argparse.ArgumentParser(prog="python -m training.ct_baselines", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of both bundles")
    options = parser.parse_args(arguments)
    (head,) = heads_of(_REFERENCE_SITE, [_REFERENCE_SEED])
    for name, hounsfield in BUNDLES.items():
        folder = options.out / name
        tensors = {f"hounsfield.{each}": np.array([value], np.float32) for each, value in hounsfield.items()}
        pin(folder, "weights", save(tensors))
        write_reference(folder, coarse(head, _REFERENCE_MM))
        print(f"{name}: {open_bundle(folder).digest}")


if __name__ == "__main__":
    main()
