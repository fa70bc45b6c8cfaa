"""Make the bundle of the multi-harmonization GAN: ``python -m training.export_mhgan --run RUN --out BUNDLE``.

Where the folder holds no ``model.yaml`` yet, that of ``training/bundles/harmonize-mhgan`` and its card are put there,
with a target for each site of the run. Weights in half precision, the sites' styles, the reference pair and both
digests are made here.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save

from inference.bundle import MANIFEST, open_bundle
from inference.mhgan.networks import LATENT, MappingNetwork, Sizes, StyleEncoder
from inference.mhgan.style import Style, mean_style
from inference.mhgan.volumes import read_styles
from inference.models.mhgan import read_networks
from training.evaluate.real import data_folder
from training.examples.site_slices import Site
from training.landmarks import coarse, heads_of, pin, write_reference
from training.loops.mhgan import sites_of
from training.loops.mhgan_config import Config
from training.loops.run import WEIGHTS, read_config

TEMPLATE = Path(__file__).parent / "bundles" / "harmonize-mhgan"
STORED = {"contrast": "T1", "values_per_unit": 1, "window_center": 600, "window_width": 1200}
"""How values of a target are stored, as the other harmonizers do."""

_LATENTS = 512
_REFERENCE_SITE, _REFERENCE_SEED, _REFERENCE_MM = "ge-15t", 99, 6.0

Tensors = dict[str, NDArray[Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, verify, tell the digest."""
    parser = argparse.ArgumentParser(prog="python -m training.export_mhgan", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a run of training.loops.mhgan")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, named as the model")
    parser.add_argument("--config", type=Path, default=Path("training/configs/mhgan.yaml"), help="that of the run")
    parser.add_argument("--data", type=Path, help="as of the run")
    parser.add_argument("--sites", type=Path, help="as of the run")
    parser.add_argument("--cache", type=Path, default=Path("build/site-scans"), help="as of the run")
    parser.add_argument("--guide", choices=("latent", "reference"), default="latent", help="what the styles come from")
    parser.add_argument("--heads", type=int, default=8, help="scans of each site that its style is read from")
    options = parser.parse_args(arguments)
    config = read_config(Config, options.config)
    sites = sites_of(config, data_folder(options.data), options.cache, options.sites)
    prepare(options.out, [site.name for site in sites])
    weights = load_file(options.run / WEIGHTS)
    pin(options.out, "weights", save(bundled(weights, sites, guide=options.guide, heads=options.heads)))
    (head,) = heads_of(_REFERENCE_SITE, [_REFERENCE_SEED])
    write_reference(options.out, coarse(head, _REFERENCE_MM))
    bundle = open_bundle(options.out)
    print(f"{bundle.manifest.name}: {bundle.digest}")


def prepare(folder: Path, targets: Sequence[str]) -> None:
    """Put manifest and card into a folder where there is no manifest yet: some targets, and the name of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MANIFEST).is_file():
        return
    for part in TEMPLATE.iterdir():
        shutil.copyfile(part, folder / part.name)
    yaml = YAML()
    yaml.width = 120
    manifest = yaml.load(folder / MANIFEST)
    manifest["name"] = folder.resolve().name  # a model that is shipped is not replaced by one of the same name
    manifest["targets"] = {name: dict(STORED) for name in targets}
    manifest["reference"]["target"] = targets[-1]
    yaml.dump(manifest, folder / MANIFEST)


def bundled(weights: Mapping[str, NDArray[Any]], sites: Sequence[Site], *, guide: str, heads: int) -> Tensors:
    """Return what a bundle's weights hold.

    Parameters
    ----------
    weights
        Of a run.
    sites
        That it was trained on, in their order.
    guide
        ``latent``: a site's style is the mean of what the mapping network makes of latent codes; ``reference``: of what
        the style encoder reads in scans of the site.
    heads
        Scans of each site that are read.
    """
    tensors: Tensors = {
        name: tensor.astype(np.float16)
        for name, tensor in weights.items()
        if name.startswith(("generator.", "encoder."))
    }
    tensors |= {name: tensor for name, tensor in weights.items() if name.startswith("site.") or name == "sizes"}
    _, encoder = read_networks(tensors)
    encoder.eval()
    latent = _latent_codes(weights, len(sites))
    for number, site in enumerate(track(sites, "reading styles", console=Console(stderr=True))):
        encoded = _encoded(encoder, site, number, heads)
        tensors |= encoded.encoded_tensors(site.name)
        given = encoded if guide == "reference" else Style(latent[number], site.floor, site.noise)
        tensors |= given.tensors(site.name)
    return tensors


def _encoded(encoder: StyleEncoder, site: Site, number: int, heads: int) -> Style:
    read = (
        read_styles(encoder, each.voxels.astype(np.float32), each.floor, each.spans, device="cpu")[number]
        for each in site.train[:heads]
    )
    return Style(mean_style(Style(code, 0.0, 0.0) for code in read).code, site.floor, site.noise)


@torch.inference_mode()
def _latent_codes(weights: Mapping[str, NDArray[Any]], domains: int) -> NDArray[np.float32]:
    """Return the mean code of each domain over many latent codes, always the same; shape (domains, `STYLE`)."""
    mapping = MappingNetwork(Sizes(*map(int, weights["sizes"])), domains)
    prefix = "mapping."
    held = {name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)}
    mapping.load_state_dict({name: torch.from_numpy(each) for name, each in held.items()})
    latent = torch.randn(_LATENTS, LATENT, generator=torch.Generator().manual_seed(0))
    means = [mapping(latent, torch.full((_LATENTS,), number)).mean(dim=0) for number in range(domains)]
    return np.asarray(torch.stack(means).numpy())


if __name__ == "__main__":
    main()
