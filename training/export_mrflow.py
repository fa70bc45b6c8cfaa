"""Make the bundle of MRFlow from runs: ``python -m training.export_mrflow --run siemens-3t=RUN … --out BUNDLE``.

One run a target. Where the folder holds no ``model.yaml`` yet, it and the card are taken from
``training/bundles/harmonize-mrflow``, with the targets that have a run. The source of the reference pair is a drawn
head in another virtual scanner.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save
from torch import Tensor

from inference.bundle import MANIFEST, open_bundle
from inference.mrflow.flow import read_flow
from inference.mrflow.iteration import harmonized_volume
from inference.mrflow.native import calibration_of
from inference.mrflow.settings import FlowSettings
from training.examples.target_scans import read
from training.landmarks import coarse, pin, write_reference
from training.loops.run import WEIGHTS
from training.simulate.head import procedural_head
from training.simulate.scan import scan
from training.simulate.sites import SITES

TEMPLATE = Path(__file__).parent / "bundles" / "harmonize-mrflow"

UNDONE_WITHIN = 1e-4
"""Largest difference, in parts of the anchor, that going to the latent and back may leave."""

STORED = {"contrast": "T1", "values_per_unit": 1, "window_center": 600, "window_width": 1200}
"""How values of a target are stored that the template does not have."""

_SITE, _REFERENCE_MM = "ge-15t-b", 6.0
_PROBE = (4, 1, 112, 96)

Arrays = Mapping[str, NDArray[np.generic]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, verify, tell the digest."""
    parser = argparse.ArgumentParser(prog="python -m training.export_mrflow", description=__doc__)
    parser.add_argument("--run", action="append", required=True, help="TARGET=FOLDER of a run of training.loops.mrflow")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, named as the model")
    parser.add_argument("--cache", type=Path, default=Path("build/target-scans"), help="scans that training made")
    parser.add_argument("--heads", type=int, default=6, help="of these, how many calibrate the curve")
    parser.add_argument("--seed", type=int, default=100, help="seed of the drawn head of the reference pair")
    options = parser.parse_args(arguments)
    runs = {target: Path(folder) for target, _, folder in (told.partition("=") for told in options.run)}
    begin(options.out, tuple(runs))
    tensors: dict[str, NDArray[np.generic]] = {}
    for target, folder in runs.items():
        weights = checked(load_file(folder / WEIGHTS))
        measured = {"calibration": calibrated(weights, settings_in(options.out), options.cache / target, options.heads)}
        tensors |= {f"{target}.{name}": held for name, held in {**weights, **measured}.items()}
    pin(options.out, "weights", save(tensors))
    source = scan(procedural_head(options.seed), SITES[_SITE], seed=options.seed)
    write_reference(options.out, coarse(source, _REFERENCE_MM))
    bundle = open_bundle(options.out)
    print(f"{bundle.manifest.name}: {bundle.digest}")
    return 0


def begin(folder: Path, targets: Sequence[str]) -> None:
    """Write manifest and card where there are none, with these targets, and named as the folder."""
    if (folder / MANIFEST).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path in TEMPLATE.iterdir():
        shutil.copyfile(path, folder / path.name)
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    manifest = yaml.load(folder / MANIFEST)
    manifest["name"] = folder.resolve().name  # a model that is shipped is not replaced by one of the same name
    for name in set(manifest["targets"]) - set(targets):
        del manifest["targets"][name]
    for name in targets:
        manifest["targets"].setdefault(name, dict(STORED))
    manifest["reference"]["target"] = targets[0]
    yaml.dump(manifest, folder / MANIFEST)


def settings_in(folder: Path) -> FlowSettings:
    """Read how the flow of a bundle is iterated; the rest of it need not be there yet."""
    return FlowSettings.model_validate(YAML(typ="safe", pure=True).load(folder / MANIFEST)["flow"])


def calibrated(weights: Arrays, settings: FlowSettings, scans: Path, heads: int) -> NDArray[np.float64]:
    """Measure what a flow makes of the target's own images; see `inference.mrflow.native.Calibration`.

    Parameters
    ----------
    weights
        Of the flow.
    settings
        Under which it is iterated.
    scans
        Folder of the target's scans, as training made them: heads of the training side alone.
    heads
        How many of them, spread evenly over the names.

    Raises
    ------
    FileNotFoundError
        When there are no scans.
    """
    names = sorted(path.stem for path in scans.glob("*.npz") if not path.stem.endswith(".partial"))
    if not names:
        raise FileNotFoundError(f"{scans}: no scans of the target: train first, or name their folder with --cache")
    flow = read_flow(weights, "").eval()
    pairs = []
    for name in names[:: max(1, len(names) // heads)][:heads]:
        scanned = read(scans.parent, scans.name, name)[-1]
        before = scanned.voxels.astype(np.float32)
        after = harmonized_volume(flow, before, settings, device="cpu")
        pairs.append((before[scanned.inside], after[scanned.inside]))
    found = calibration_of(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    return np.stack([found.levels, found.told])


def checked(weights: Mapping[str, NDArray[np.generic] | Tensor]) -> Arrays:
    """Return the weights of a flow in half precision where it is still undone, else as they are.

    Raises
    ------
    ValueError
        When going to the latent and back loses more than `UNDONE_WITHIN`.
    """
    whole = {name: np.asarray(held) for name, held in weights.items()}
    halved = {name: held.astype(np.float16) if name.startswith("flow.") else held for name, held in whole.items()}
    for held in (halved, whole):
        lost = lost_on_the_way(held)
        if lost < UNDONE_WITHIN:
            return held
    raise ValueError(f"a slice comes back only within {lost:.1e} of the anchor: train on, or with less steep couplings")


def lost_on_the_way(weights: Arrays) -> float:
    """Return the largest difference between slices and what comes back of their latent."""
    flow = read_flow(weights, "").eval()
    slices = 2 * torch.rand(_PROBE, generator=torch.Generator().manual_seed(0))
    slices[:, :, : _PROBE[2] // 2] *= 0.02  # half of it air
    with torch.inference_mode():
        context = flow.context(slices)
        latents, _ = flow(slices, context)
        lost = (flow.inverse(latents, context) - slices).abs().max().item()
    return lost if np.isfinite(lost) else np.inf


if __name__ == "__main__":
    main()
