"""A bundle that takes looks of a site's own, and an executor that scales a head to them: no model, but its gates."""

from __future__ import annotations

from pathlib import Path

import any_contrast_bundle

from dicom_node.domain.ports import InferenceOutcome, InferenceRequest
from inference.added import AddedLooks
from inference.look import TOP, profile

NAME, TARGET = "test-looks", any_contrast_bundle.TARGET
ADDED = "added_targets: {values_per_unit: 1, window_center: 600, window_width: 1200}\nqa:"


def write(models: Path, scratch: Path, *, contrasts: str = "any") -> Path:
    """Write the bundle below `models`, a folder of bundles; return its own folder."""
    bundle = any_contrast_bundle.write(scratch)
    manifest = bundle / "model.yaml"
    text = manifest.read_text().replace("contrasts: any", f"contrasts: {contrasts}").replace("qa:", ADDED)
    manifest.write_text(text.replace(f"name: {any_contrast_bundle.NAME}", f"name: {NAME}"))
    models.mkdir(parents=True, exist_ok=True)
    return bundle.rename(models / NAME)


def outcome(request: InferenceRequest, added: AddedLooks) -> InferenceOutcome:
    """Scale the volume of a request as every look is scaled, when the look is the one that was meant."""
    assert request.target is not None
    assert added.get(request.target).digest == request.target_digest
    factor = TOP / profile(request.volume).anchor
    return InferenceOutcome(request.volume.with_voxels(request.volume.voxels * factor), {}, 0.0, "cpu")
