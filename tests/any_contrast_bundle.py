"""A bundle that takes any MR volume: what pushes series that no shipped model takes through the whole node."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import phantom
from safetensors.numpy import save

from inference.classical.nyul import fit, landmarks

NAME, TARGET = "test-any-contrast", "plain"
PERCENTILES = np.array([10.0, 50.0, 90.0])
LANDMARKS = np.array([250.0, 520.0, 800.0])

MANIFEST = """\
format: 1
name: {name}
version: 0.0.1
family: nyul
task: harmonization
licence: Apache-2.0
intended_use: Tests.
runtime: numpy
input:
  modality: MR
  contrasts: any
  contrast_agent: true
  derived: true
  unit: "1"
  spacing_mm: [0.01, 100]
  min_slices: 1
  min_field_of_view_mm: 0
  skull: either
output: {{kind: mr, unit: "1", range: [0, 4095]}}
targets:
  {target}: {{values_per_unit: 1, window_center: 600, window_width: 1200}}
qa:
  min_gradient_cosine: 0
  warn_gradient_cosine: 0
  min_slice_cosine: -1
  min_place_cosine: -1
  max_background_rise: 1
  max_clipped: 1
weights: {{file: weights.safetensors, sha256: {weights}}}
reference: {{file: reference.safetensors, sha256: {reference}, target: {target}}}
"""


def write(folder: Path) -> Path:
    """Write the bundle below `folder`, a folder of bundles; return its own folder."""
    bundle = folder / NAME
    bundle.mkdir(parents=True)
    source = phantom.head((8.0, 8.0, 8.0))
    output = np.clip(fit(landmarks(source, PERCENTILES), LANDMARKS)(source.voxels), 0, 4095)
    weights = save({"percentiles": PERCENTILES, f"landmarks.{TARGET}": LANDMARKS})
    reference = save({"input": source.voxels, "output": output, "affine": source.affine})
    (bundle / "weights.safetensors").write_bytes(weights)
    (bundle / "reference.safetensors").write_bytes(reference)
    digests = {"weights": hashlib.sha256(weights).hexdigest(), "reference": hashlib.sha256(reference).hexdigest()}
    (bundle / "model.yaml").write_text(MANIFEST.format(name=NAME, target=TARGET, **digests))
    return bundle
