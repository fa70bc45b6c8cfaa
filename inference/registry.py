"""Which bundles there are, and how one becomes a model."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from inference import models
from inference.added import AddedLooks
from inference.aim import Aim, at_added, at_target, reason_against
from inference.bundle import MANIFEST, Bundle, open_bundle
from inference.device import choose
from inference.errors import BundleRefused, ModelRefused
from inference.model import Model, UncertainModel
from inference.output import Output
from inference.volume import Volume

SHIPPED = Path(__file__).parent / "bundles"
"""The bundles that come with this package."""


class Registry:
    """The bundles of some folders.

    Parameters
    ----------
    folders
        Each holds bundles, one a folder; of two with the same name the first counts. They are read once.
    added
        Looks and styles that the site added, targets of the models that take them; they may change while this is used.

    Attributes
    ----------
    refused
        Folder of a bundle that cannot be used -> why.
    """

    def __init__(self, folders: Sequence[Path], added: AddedLooks | None = None) -> None:
        self._added = added
        self._bundles: dict[str, Bundle] = {}
        self.refused: dict[Path, str] = {}
        for folder in folders:
            for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
                self._add(manifest.parent)

    def _add(self, folder: Path) -> None:
        try:
            bundle = open_bundle(folder)
        except BundleRefused as error:
            self.refused[folder] = str(error)
            return
        name = bundle.manifest.name
        if name in self._bundles:
            self.refused[folder] = f"{folder}: there is a model '{name}' already, in {self._bundles[name].folder}"
            return
        self._bundles[name] = bundle

    def names(self) -> tuple[str, ...]:
        """Return the names of the models that can be used."""
        return tuple(sorted(self._bundles))

    def get(self, name: str) -> Bundle:
        """Return a bundle by its name.

        Raises
        ------
        BundleRefused
            When there is none, or one that cannot be used; the message says which is nearest, or why.
        """
        if name in self._bundles:
            return self._bundles[name]
        for folder, reason in self.refused.items():
            if folder.name == name:
                raise BundleRefused(reason)
        nearest = difflib.get_close_matches(name, self._bundles, n=1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        raise BundleRefused(f"there is no model '{name}'{hint}")

    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """Return model name -> the targets it offers: those of its bundle, then the added looks that it can take."""
        looks = {} if self._added is None else self._added.looks()
        offered = {}
        for name, bundle in self._bundles.items():
            added = (each for each, look in looks.items() if reason_against(bundle, look) is None)
            offered[name] = tuple(dict.fromkeys((*bundle.manifest.targets, *added)))
        return offered

    def outputs(self) -> Mapping[str, tuple[Output, ...]]:
        """Return model name -> what may be asked of it."""
        return {name: bundle.manifest.outputs for name, bundle in self._bundles.items()}

    def aim(self, model: str, target: str | None, output: Output = Output.RESULT) -> Aim:
        """Return what is meant by a target of a model; of two with the same name the bundle's own counts.

        Parameters
        ----------
        target
            None: the only one that the bundle has.
        output
            What is asked of the model.

        Raises
        ------
        BundleRefused
            When there is no such model, or the file of an added look cannot be used.
        ModelRefused
            When the model has no such target, or needs one, or offers no such output.
        """
        manifest = self.get(model).manifest
        if output not in manifest.outputs:
            raise ModelRefused(f"model {model} offers no {output}: ask for its result alone")
        return replace(self._aimed(model, target), output=output)

    def _aimed(self, model: str, target: str | None) -> Aim:
        manifest, offered = self.get(model).manifest, self.targets()[model]
        if target in manifest.targets or (target is None and (manifest.targets or not offered)):
            return at_target(manifest, target)
        if target is None:
            raise ModelRefused(f"model {model} needs a target: it offers {', '.join(offered)}")
        if self._added is None or not self._added.has(target):
            raise ModelRefused(f"model {model} has no target '{target}': it offers {', '.join(offered) or 'none'}")
        return at_added(self.get(model), target, self._added.get(target))


def families() -> tuple[str, ...]:
    """Return the names of the model families that this package can run."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(models.__path__)))


def load(bundle: Bundle, *, device: str = "auto") -> Model:
    """Make a bundle ready to run.

    Parameters
    ----------
    bundle
        As the registry gave it.
    device
        ``auto``, ``cpu`` or ``cuda:<n>``; families that need no torch run on the CPU whatever is asked for.

    Raises
    ------
    BundleRefused
        When its family is not known here, or its weights are not what the family needs or were changed.
    DeviceUnavailable
        When the device is not there.
    """
    family = bundle.manifest.family
    if family not in families():  # a name from a file never reaches the import system
        raise BundleRefused(f"{bundle.folder / MANIFEST}: family: '{family}' is none of {', '.join(families())}")
    module = importlib.import_module(f"{models.__name__}.{family}")
    chosen = choose(device) if bundle.manifest.runtime == "torch" else "cpu"
    model = cast(Model, module.load(bundle, device=chosen))
    if Output.UNCERTAINTY in bundle.manifest.outputs and not isinstance(model, UncertainModel):
        raise BundleRefused(
            f"{bundle.folder / MANIFEST}: output.uncertainty: models of family '{family}' offer none: take it out"
        )
    return model


def verify(bundle: Bundle, *, device: str = "auto") -> float:
    """Run a model on the reference input of its bundle.

    Returns
    -------
    Largest difference from the reference output, in parts of the output's range.

    Raises
    ------
    BundleRefused
        When the difference is larger than the bundle allows, or its files were changed.
    """
    pair, manifest = bundle.reference(), bundle.manifest
    shapes = {name: tensor.shape for name, tensor in pair.items()}
    if (
        shapes.get("input") != shapes.get("output")
        or len(shapes.get("input", ())) != 3
        or shapes.get("affine") != (4, 4)
    ):
        raise BundleRefused(f"{bundle.folder / manifest.reference.file}: not a reference pair")
    source = Volume(pair["input"].astype(np.float32), pair["affine"].astype(np.float64), manifest.input.unit)
    result = load(bundle, device=device)(source, target=manifest.reference.target).volume.voxels
    low, high = manifest.output.range
    difference = float(np.abs(result - pair["output"]).max()) / (high - low)
    if not difference <= manifest.reference.tolerance:
        raise BundleRefused(f"{bundle.folder}: the reference output is missed by {difference:.2g} of the range")
    return difference
