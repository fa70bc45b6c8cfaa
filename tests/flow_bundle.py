"""A harmonizer by a tiny flow that has learned nothing: its latent is near the image, so that shrinking it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from inference.mrflow.flow import Flow, FlowShape, described

NAME, TARGET = "test-flow", "siemens-3t"
SHAPE = FlowShape("affine", 2, 1, 4, 4, (4, 4))

MANIFEST = """\
format: 1
name: {name}
version: 0.0.1
family: mrflow
task: harmonization
licence: Apache-2.0
intended_use: Tests.
runtime: torch
input:
  modality: MR
  contrasts: [T1]
  contrast_agent: false
  derived: true
  unit: "1"
  spacing_mm: [0.4, 8]
  min_slices: 10
  min_field_of_view_mm: 100
  skull: kept
output: {{kind: mr, unit: "1", range: [0, 4095]}}
targets:
  {target}: {{contrast: T1, values_per_unit: 1, window_center: 600, window_width: 1200}}
{flow}
weights: {{file: weights.safetensors, sha256: {weights}}}
reference: {{file: reference.safetensors, sha256: {reference}, target: {target}}}
"""

SETTINGS = "flow: {alpha: [0.02], beta_edges: 0.001, beta_likeness: 0.2, iterations: 2, planes: [axial]}"


def flow(seed: int = 0) -> Flow:
    """Return a flow whose layers all do something."""
    torch.manual_seed(seed)
    made = Flow(SHAPE).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def tensors(made: Flow) -> dict[str, np.ndarray]:
    """Return a flow as a run writes it."""
    held = {f"flow.{name}": each for name, each in made.state_dict().items()} | described(made.shape)
    return {name: each.numpy() for name, each in held.items()}


def write(
    folder: Path, *, settings: str = SETTINGS, weights: Mapping[str, np.ndarray] | None = None, name: str = NAME
) -> Path:
    """Write the bundle below `folder`, a folder of bundles; return its own folder."""
    bundle = folder / name
    bundle.mkdir(parents=True)
    held = tensors(flow()) if weights is None else weights
    files = {
        "weights": save({f"{TARGET}.{key}": each for key, each in held.items()}),
        "reference": save({key: np.zeros((4, 4, 4), np.float32) for key in ("input", "output")}),  # nobody verifies it
    }
    for part, data in files.items():
        (bundle / f"{part}.safetensors").write_bytes(data)
    digests = {part: hashlib.sha256(data).hexdigest() for part, data in files.items()}
    (bundle / "model.yaml").write_text(MANIFEST.format(name=name, target=TARGET, flow=settings, **digests))
    return bundle
