"""What a model aims at: a target of its bundle, or a look that the site added; and how its values are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.contract import Contrast
from inference.errors import ModelRefused
from inference.look import LEVELS, Look
from inference.manifest import STORED_MAX, Manifest, Target
from inference.output import Output

WINDOW_TOP = 99.0
"""Percentile of deep tissue that a default window must show: the fluid of a T2 lies there, far above its tissue."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a run of a model aims at.

    Attributes
    ----------
    name
        As rules call it; None where the model takes no target.
    target
        Its contrast, scale and window; None where the model takes no target.
    digest
        SHA-256 of an added look. None for a target of the bundle, which the bundle's own digest covers.
    output
        What is asked of the model.
    """

    name: str | None
    target: Target | None
    digest: str | None = None
    output: Output = Output.RESULT

    @property
    def contrast(self) -> Contrast | None:
        """The contrast that an image must have to get this look; None where the model's contract alone decides."""
        return None if self.target is None else self.target.contrast


def at_target(manifest: Manifest, name: str | None) -> Aim:
    """Aim at a target of the bundle; None means the only one.

    Raises
    ------
    ModelRefused
        When there is no such target, or several and none is named.
    """
    chosen = manifest.choose_target(name)
    return Aim(chosen, None if chosen is None else manifest.targets[chosen])


def at_look(manifest: Manifest, name: str, look: Look) -> Aim:
    """Aim at a look that was measured on a site's own references.

    Raises
    ------
    ModelRefused
        When the model takes no such look.
    """
    reason = unfit(manifest, look)
    if reason is not None or manifest.added_targets is None:
        raise ModelRefused(f"model {manifest.name} cannot aim at '{name}': {reason}")
    return Aim(name, _stored(manifest.added_targets, look), look.digest)


def unfit(manifest: Manifest, look: Look) -> str | None:
    """Say why a model cannot aim at a look; None when it can."""
    if manifest.added_targets is None:
        return "it takes no looks that were measured on references"
    of_looks, taken = manifest.added_targets.contrast, manifest.input.contrasts
    wanted = (of_looks,) if of_looks is not None else taken
    if wanted == "any" or look.contrast in wanted:
        return None
    return f"the references are {look.contrast}; the model takes {' or '.join(wanted)}"


def _stored(added: Target, look: Look) -> Target:
    """Store as the manifest says, with its window where that shows all deep tissue of the look, else a wider one."""
    top = added.values_per_unit * float(np.interp(WINDOW_TOP, LEVELS, look.mean_deep))
    changed: dict[str, object] = {"contrast": look.contrast}
    if top > added.window_center + added.window_width / 2:
        width = float(min(STORED_MAX, round(top, -1)))  # in tens: a number that people can read
        changed |= {"window_center": width / 2, "window_width": width}
    return added.model_copy(update=changed)
