"""Make a landmark bundle: learn a scanner's standard landmarks from simulated heads.

``python -m training.landmarks --site siemens-3t --heads 24 --seed 0 --out inference/bundles/harmonize-nyul``

The folder holds a hand-written ``model.yaml`` already: its weights, its reference pair and the digests of both are made
here; the same arguments make the same files.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from ruamel.yaml import YAML
from safetensors.numpy import save

from inference.bundle import MANIFEST, open_bundle
from inference.classical.nyul import learn
from inference.registry import load, verify
from inference.volume import Float64Array, Volume
from training.simulate.head import procedural_head
from training.simulate.scan import scan
from training.simulate.sites import SITES

PERCENTILES = np.array([10.0, 50.0, 90.0])
"""Dark tissue, the middle, and white matter.

The papers take all deciles. Tissues of simulated heads are more uniform than real ones, so that their deciles crowd at
the grey and the white level, and real heads mapped onto them come out posterised; and their highest percentiles depend
on how much fat a head was drawn with. These three agree, in proportion, with those of real adult heads at 3 T.
"""

TOP = 800.0
"""Standard value of the highest landmark, white matter: what is five times as bright still fits into 12 bits."""

LEAST_UPPER_RATIO = 1.12
"""How many times as bright as the middle landmark white matter is at the least.

Seen: 1.18 to 1.71 in 10 real whole-head T1 volumes (a child of three years 1.31), 1.39 to 1.73 in simulated ones;
1.00 and 1.07 in a bottle phantom.
"""

_REFERENCE_SITE = "ge-15t"
_REFERENCE_MM = 6.0


def heads_of(site: str, seeds: Sequence[int]) -> Iterator[Volume]:
    """Scan one procedural head a seed in a virtual scanner."""
    for seed in track(seeds, description=f"heads in {site}", console=Console(stderr=True)):
        yield scan(procedural_head(seed), SITES[site], seed=seed)


def write_weights(folder: Path, target: str, landmarks: Float64Array) -> None:
    """Write the landmarks of a target, and pin them in the manifest.

    Parameters
    ----------
    folder
        Of the bundle.
    target
        Which the landmarks are of.
    landmarks
        At the `PERCENTILES`.
    """
    tensors = {
        "percentiles": PERCENTILES,
        f"landmarks.{target}": landmarks,
        "least_upper_ratio": np.array([LEAST_UPPER_RATIO]),
    }
    pin(folder, "weights", save(tensors))


def write_reference(folder: Path, source: Volume) -> None:
    """Run the bundle's model on a volume, and keep both as the reference pair; the manifest names its target.

    Parameters
    ----------
    folder
        Of the bundle.
    source
        A small volume inside the input contract.
    """
    tensors: dict[str, NDArray[Any]] = {"input": source.voxels, "output": source.voxels, "affine": source.affine}
    pin(folder, "reference", save(tensors))  # a stand-in, so that the bundle can be opened
    bundle = open_bundle(folder)
    result = load(bundle)(source, target=bundle.manifest.reference.target)
    pin(folder, "reference", save({**tensors, "output": result.volume.voxels}))
    verify(open_bundle(folder))


def coarse(volume: Volume, spacing_mm: float) -> Volume:
    """Average blocks of voxels, rounded to integers; small enough to lie in a repository.

    Parameters
    ----------
    volume
        What to make small.
    spacing_mm
        Wanted distance between voxels; blocks are whole, so that it is met roughly.
    """
    factors = [max(1, round(spacing_mm / mm)) for mm in volume.spacing_mm]
    sizes = [length // factor for length, factor in zip(volume.voxels.shape, factors, strict=True)]
    whole = volume.voxels[tuple(slice(size * factor) for size, factor in zip(sizes, factors, strict=True))]
    blocks = whole.reshape(sizes[0], factors[0], sizes[1], factors[1], sizes[2], factors[2])
    affine = volume.affine @ np.diag([*factors, 1.0])
    affine[:3, 3] = volume.affine[:3] @ [*((factor - 1) / 2 for factor in factors), 1.0]
    return Volume(np.rint(blocks.mean(axis=(1, 3, 5))).astype(np.float32), affine, volume.unit)


def pin(folder: Path, part: str, data: bytes) -> None:
    """Write a file of a bundle, and its digest into the manifest; comments there stay.

    Parameters
    ----------
    folder
        Of the bundle.
    part
        Key of the file in the manifest: ``weights`` or ``reference``.
    data
        What the file is to hold.
    """
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    manifest = yaml.load(folder / MANIFEST)
    (folder / manifest[part]["file"]).write_bytes(data)
    manifest[part]["sha256"] = hashlib.sha256(data).hexdigest()
    yaml.dump(manifest, folder / MANIFEST)


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn, write, verify."""
    parser = argparse.ArgumentParser(prog="python -m training.landmarks", description=__doc__)
    parser.add_argument("--site", required=True, choices=sorted(SITES), help="the scanner that becomes the standard")
    parser.add_argument("--heads", type=int, default=24, help="how many heads to learn from")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first head; the others follow")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, with its model.yaml")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.heads)
    write_weights(options.out, options.site, learn(heads_of(options.site, seeds), PERCENTILES, top=TOP))
    held_out = next(heads_of(_REFERENCE_SITE, [seeds.stop]))
    write_reference(options.out, coarse(held_out, _REFERENCE_MM))
    bundle = open_bundle(options.out)
    print(f"{bundle.manifest.name}: {bundle.digest}")


if __name__ == "__main__":
    main()
