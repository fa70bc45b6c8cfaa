"""The looks that come with a bundle, and which of them is meant."""

from __future__ import annotations

from collections.abc import Mapping

from inference.bundle import Bundle
from inference.errors import BundleRefused, ModelRefused
from inference.look import Look, looks_in
from inference.manifest import Manifest


def bundled_looks(bundle: Bundle) -> dict[str, Look]:
    """Read the looks of all targets of a bundle.

    Raises
    ------
    BundleRefused
        When a target has none.
    """
    looks = looks_in(bundle.weights())
    if missing := sorted(set(bundle.manifest.targets) - set(looks)):
        raise BundleRefused(f"{bundle.folder}: the weights hold no look for target '{missing[0]}'")
    return looks


def meant(manifest: Manifest, looks: Mapping[str, Look], target: str | Look | None) -> Look:
    """Return the look that a caller means.

    Parameters
    ----------
    manifest, looks
        Of the bundle.
    target
        As in `inference.model.Model`.

    Raises
    ------
    ModelRefused
        When none is named where there are several, or one that the bundle does not have.
    """
    if isinstance(target, Look):
        return target
    name = manifest.choose_target(target)
    if name is None:
        raise ModelRefused(f"model {manifest.name} needs a target, or references to take one from")
    return looks[name]
