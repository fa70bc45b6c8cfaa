"""What a model aims at: a target of its bundle, or a look or style of the site; and how its values are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.added import Added
from inference.added_style import AddedStyle
from inference.bundle import Bundle
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
        SHA-256 of an added look or style. None for a target of the bundle, which the bundle's own digest covers.
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


def at_style(bundle: Bundle, name: str, style: AddedStyle) -> Aim:
    """Aim at a style that the model's own encoder read in a site's references.

    Raises
    ------
    ModelRefused
        When another model read it, or this one with other weights.
    """
    reason, stored = unfit_style(bundle, style), bundle.manifest.added_styles
    if reason is not None or stored is None:
        raise ModelRefused(f"model {bundle.manifest.name} cannot aim at '{name}': {reason}")
    return Aim(name, stored.model_copy(update={"contrast": style.contrast}), style.digest)


def at_added(bundle: Bundle, name: str, added: Added) -> Aim:
    """Aim at a look or a style that a site added; see `at_look` and `at_style`."""
    return at_style(bundle, name, added) if isinstance(added, AddedStyle) else at_look(bundle.manifest, name, added)


def reason_against(bundle: Bundle, added: Added) -> str | None:
    """Say why a model cannot aim at a look or a style; None when it can."""
    return unfit_style(bundle, added) if isinstance(added, AddedStyle) else unfit(bundle.manifest, added)


def unfit(manifest: Manifest, look: Look) -> str | None:
    """Say why a model cannot aim at a look; None when it can."""
    if manifest.added_targets is None:
        instead = (
            "" if manifest.added_styles is None else f": `models target add --model {manifest.name}` reads a style"
        )
        return f"it takes no looks that were measured on references{instead}"
    return _other_contrast(manifest.added_targets, manifest, look.contrast)


def unfit_style(bundle: Bundle, style: AddedStyle) -> str | None:
    """Say why a model cannot aim at a style; None when it can."""
    manifest = bundle.manifest
    if style.model != manifest.name or manifest.added_styles is None:
        return f"it is a style that model {style.model} read, and means nothing to another"
    if style.model_digest != bundle.digest:
        read, now = style.model_digest[:12], bundle.digest[:12]
        return (
            f"it was read with other weights ({read} then, {now} now): "
            f"`models target add --model {manifest.name} --replace` reads the references again"
        )
    return _other_contrast(manifest.added_styles, manifest, style.contrast)


def _other_contrast(stored: Target, manifest: Manifest, contrast: str) -> str | None:
    taken = manifest.input.contrasts
    wanted = (stored.contrast,) if stored.contrast is not None else taken
    if wanted == "any" or contrast in wanted:
        return None
    return f"the references are {contrast}; the model takes {' or '.join(wanted)}"


def _stored(added: Target, look: Look) -> Target:
    """Store as the manifest says, with its window where that shows all deep tissue of the look, else a wider one."""
    top = added.values_per_unit * float(np.interp(WINDOW_TOP, LEVELS, look.mean_deep))
    changed: dict[str, object] = {"contrast": look.contrast}
    if top > added.window_center + added.window_width / 2:
        width = float(min(STORED_MAX, round(top, -1)))  # in tens: a number that people can read
        changed |= {"window_center": width / 2, "window_width": width}
    return added.model_copy(update=changed)
