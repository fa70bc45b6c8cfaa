"""Give a bundle of the multi-harmonization GAN a further target, whose style is read from reference scans.

``python -m training.mhgan_styles --bundle BUNDLE --name my-scanner --reference SERIES --reference OTHER.nii.gz``

Nothing is trained. The bundle's digest changes with it, so that jobs tell which one they ran on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from safetensors.numpy import save

from inference.bundle import MANIFEST, Bundle, open_bundle
from inference.errors import BundleRefused, ModelRefused
from inference.mhgan.style import Style, mean_style
from inference.models.mhgan import load
from inference.registry import verify
from inference.volume import Volume
from training.evaluate.real import read_real
from training.export_mhgan import STORED
from training.landmarks import pin

FAMILY = "mhgan"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, write, verify; return 0, or 2 when a reference or the bundle cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m training.mhgan_styles", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="folder of the bundle; it is changed")
    parser.add_argument("--name", required=True, help="of the target, as rules call it")
    parser.add_argument(
        "--reference", type=Path, required=True, action="append",
        help="T1 of a whole head: a NIfTI file, or the folder of one DICOM series; may repeat",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        bundle = open_bundle(options.bundle)
        style = style_of_all(bundle, [_read(path) for path in options.reference])
        added = add_style(bundle, options.name, style)
    except (BundleRefused, ModelRefused, ValueError) as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(f"{added.manifest.name}: {', '.join(added.manifest.targets)}: {added.digest}")
    return 0


def style_of_all(bundle: Bundle, references: Sequence[Volume]) -> Style:
    """Read one style of some references: their mean.

    Raises
    ------
    BundleRefused
        When the bundle is of another family.
    ModelRefused
        When its contract does not take a reference, or there is no head in one.
    """
    if bundle.manifest.family != FAMILY:
        raise BundleRefused(f"{bundle.folder}: family {bundle.manifest.family} has no styles; {FAMILY} has")
    for volume in references:
        if violations := bundle.manifest.input.volume_violations(volume):
            raise ModelRefused("; ".join(violations))
    model = load(bundle, device="cpu")
    return mean_style(model.style_of(volume) for volume in references)


def add_style(bundle: Bundle, name: str, style: Style) -> Bundle:
    """Write a style into the weights of a bundle and its name into the manifest; return the bundle that comes of it.

    Raises
    ------
    BundleRefused
        When it has a target of this name already, or nothing can be called so; then it is as it was.
    """
    if name in bundle.manifest.targets:
        raise BundleRefused(f"{bundle.folder}: there is a target '{name}' already: choose another name")
    path = bundle.folder / MANIFEST
    before, weights = path.read_bytes(), dict(bundle.weights())
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    manifest = yaml.load(before)
    manifest["targets"][name] = dict(STORED)
    yaml.dump(manifest, path)
    try:
        open_bundle(bundle.folder)
    except BundleRefused:
        path.write_bytes(before)
        raise
    pin(bundle.folder, "weights", save({**weights, **style.tensors(name)}))
    changed = open_bundle(bundle.folder)
    verify(changed, device="cpu")
    return changed


def _read(path: Path) -> Volume:
    with tempfile.TemporaryDirectory() as unpacked:
        volume = read_real(path.resolve().parent, path.name, unpacked=Path(unpacked))
    if volume is None:
        raise ValueError(f"{path}: no such file or folder")
    return volume


if __name__ == "__main__":
    sys.exit(main())
