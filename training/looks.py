"""Give bundles the looks of the virtual sites, measured on simulated heads.

``python -m training.looks --heads 8 --seed 100 --out inference/bundles/harmonize-histogram …``

Each folder holds a hand-written ``model.yaml`` already: its weights, its reference pair and the digests of both are
made here; the same arguments and the same simulator make the same files.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from safetensors.numpy import save

from inference.bundle import open_bundle
from inference.look import Look, look_of
from training.landmarks import coarse, heads_of, pin, write_reference
from training.simulate.head import procedural_head
from training.simulate.scan import scan
from training.simulate.sites import SITES

CONTRAST = "T1"
"""Of all virtual sites: each is a scanner with its T1 protocol."""

_REFERENCE_SITE, _REFERENCE_SEED = "ge-15t", 99
_REFERENCE_MM = 6.0


def site_looks(heads: int, seed: int) -> dict[str, Look]:
    """Measure how the virtual sites show heads.

    Parameters
    ----------
    heads
        How many procedural heads; the same at every site.
    seed
        Of the first; the others follow.

    Returns
    -------
    Name of the site -> its look.
    """
    drawn = [procedural_head(each) for each in range(seed, seed + heads)]
    return {
        name: look_of(
            (scan(head, site, seed=head.seed) for head in track(drawn, name, console=Console(stderr=True))),
            contrast=CONTRAST,
        )
        for name, site in SITES.items()
    }


def write_bundle_looks(folder: Path, looks: Mapping[str, Look], extra: Mapping[str, NDArray[Any]] | None = None) -> str:
    """Write looks as the weights of a bundle, make its reference pair anew, and pin both.

    The reference is one more simulated head on a coarse grid, brought to the target that the manifest names for it.

    Parameters
    ----------
    folder
        Of the bundle, with its ``model.yaml``.
    looks
        Target -> look.
    extra
        What the weights hold besides: a network's tensors, landmarks.

    Returns
    -------
    Name and digest of the bundle, for people.

    Raises
    ------
    BundleRefused
        When the bundle lacks something still, a look of one of its targets for instance.
    """
    tensors = dict(extra or {})
    for name, look in looks.items():
        tensors |= look.tensors(name)
    pin(folder, "weights", save(tensors))
    (head,) = heads_of(_REFERENCE_SITE, [_REFERENCE_SEED])
    write_reference(folder, coarse(head, _REFERENCE_MM))
    bundle = open_bundle(folder)
    return f"{bundle.manifest.name}: {bundle.digest}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once, write every bundle."""
    parser = argparse.ArgumentParser(prog="python -m training.looks", description=__doc__)
    parser.add_argument("--heads", type=int, default=8, help="how many heads to measure")
    parser.add_argument("--seed", type=int, default=100, help="seed of the first head; the others follow")
    parser.add_argument("--out", type=Path, nargs="+", required=True, help="folders of bundles")
    options = parser.parse_args(arguments)
    looks = site_looks(options.heads, options.seed)
    for folder in options.out:
        print(write_bundle_looks(folder, looks))


if __name__ == "__main__":
    main()
