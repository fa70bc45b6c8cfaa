"""A synthetic CT by a tiny U-Net that has learnt nothing, and offers a map of uncertainty."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import phantom
import torch
from made_series import made_series
from pydicom import Dataset
from safetensors.numpy import save

from inference.ct.network import ResidualUnet

NAME, LARGEST_HU = "test-ct-unet", 900

MANIFEST = """\
format: 1
name: {name}
version: 0.0.1
family: ct_unet
task: synthetic ct
licence: Apache-2.0
intended_use: Tests.
runtime: torch
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
output: {{kind: ct, unit: "[hnsf'U]", range: [-1024, 3000], uncertainty: {largest}}}
qa:
  ct: {{min_body_dice: 0.5, warn_body_dice: 0.5, bone_share: [0, 1], air_share: [0, 1], brain_hu: [-1024, 3000]}}
weights: {{file: weights.safetensors, sha256: {weights}}}
reference: {{file: reference.safetensors, sha256: {reference}}}
"""


def network(widths: tuple[int, ...] = (4,)) -> ResidualUnet:
    """Return a network with random weights: around 40 HU, and never the same for a changed head."""
    torch.manual_seed(0)
    unet = ResidualUnet(widths).eval()
    torch.nn.init.normal_(unet.answer.weight, std=0.02)
    torch.nn.init.constant_(unet.answer.bias, 0.04)
    return unet


def write(folder: Path, *, largest: float = LARGEST_HU) -> Path:
    """Write the bundle below `folder`, a folder of bundles; return its own folder."""
    bundle = folder / NAME
    bundle.mkdir(parents=True)
    weights = save({f"network.{name}": tensor.numpy() for name, tensor in network().state_dict().items()})
    reference = save({name: np.zeros((4, 4, 4), np.float32) for name in ("input", "output")})  # no test verifies it
    (bundle / "weights.safetensors").write_bytes(weights)
    (bundle / "reference.safetensors").write_bytes(reference)
    digests = {"weights": hashlib.sha256(weights).hexdigest(), "reference": hashlib.sha256(reference).hexdigest()}
    (bundle / "model.yaml").write_text(MANIFEST.format(name=NAME, largest=largest, **digests))
    return bundle


def small_series() -> list[Dataset]:
    """Return a head of half the size: the network sees an eighth of the voxels."""
    series = made_series(spacing_mm=6.0, directions=phantom.SAGITTAL)
    for image in series:
        for keyword in ("ImagePositionPatient", "PixelSpacing"):
            setattr(image, keyword, [float(value) / 2 for value in image[keyword].value])
        image.SliceThickness = image.SpacingBetweenSlices = 3.0
    return series
