"""A multi-harmonization GAN of tiny networks that have learnt nothing: it changes a head a little, by its style."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from inference.mhgan.networks import STYLE, Generator, Sizes, StyleEncoder
from inference.mhgan.style import Style
from training.export_mhgan import TEMPLATE

NAME = "harmonize-mhgan"
SIZES = Sizes(
    width=4, judge_width=4, widest=8, halvings=1, bottleneck=2, hidden=8, side=128, residual=1, curves=3,
    fold=2, bands=4,
)  # fmt: skip
SITES = ("ge-15t", "siemens-3t")
_TARGET = "  {name}: {{contrast: T1, values_per_unit: 1, window_center: 600, window_width: 1200}}"


def networks() -> tuple[Generator, StyleEncoder]:
    """Return networks of random weights; the generator answers a style with some percent of a standard deviation."""
    torch.manual_seed(0)
    generator, encoder = Generator(SIZES).eval(), StyleEncoder(SIZES, len(SITES)).eval()
    torch.nn.init.normal_(generator.give.weight, std=0.01)
    return generator, encoder


def style(number: int) -> Style:
    """Return a style, another for each number."""
    return Style(np.random.default_rng(number).standard_normal(STYLE).astype(np.float32), -0.35, 0.05)


def tensors() -> dict[str, np.ndarray]:
    """Return the weights."""
    held = {"sizes": np.array([getattr(SIZES, name) for name in Sizes.__slots__])}
    for prefix, network in zip(("generator", "encoder"), networks(), strict=True):
        held |= {f"{prefix}.{name}": each.numpy().astype(np.float16) for name, each in network.state_dict().items()}
    for number, site in enumerate(SITES):
        held |= style(number).tensors(site) | style(number).encoded_tensors(site)
        held[f"site.{site}"] = np.array([number, -0.35], np.float32)
    return held


def write(folder: Path) -> Path:
    """Write the bundle below `folder`, a folder of bundles; return its own folder."""
    bundle = folder / NAME
    bundle.mkdir(parents=True)
    weights, reference = save(tensors()), save({"input": np.zeros((4, 4, 4), np.float32)})  # no test verifies it
    (bundle / "weights.safetensors").write_bytes(weights)
    (bundle / "reference.safetensors").write_bytes(reference)
    text = (TEMPLATE / "model.yaml").read_text()
    text = text.replace("targets: {}", "\n".join(["targets:", *(_TARGET.format(name=site) for site in SITES)]))
    for data in (weights, reference):
        text = text.replace("0" * 64, hashlib.sha256(data).hexdigest(), 1)
    (bundle / "model.yaml").write_text(text)
    return bundle
