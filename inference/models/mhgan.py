"""The multi-harmonization GAN: any site's head in any site's style, slice by slice in three planes.

Weights: ``sizes``; ``generator.<parameter>`` and ``encoder.<parameter>``, half precision; ``site.<name>``, the number
of the encoder's branch; ``encoded.<name>`` and ``style.<target>``: see `inference.mhgan.style`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from inference.bundle import Bundle, Tensors
from inference.errors import BundleRefused, ModelRefused
from inference.look import Look
from inference.manifest import Manifest
from inference.mhgan.native import natively
from inference.mhgan.networks import Generator, Sizes, StyleEncoder
from inference.mhgan.sight import sight_of, span
from inference.mhgan.style import Style, encoded_in, styles_in
from inference.mhgan.volumes import in_style, read_styles
from inference.model import Result
from inference.planes import AXES
from inference.volume import Float32Array, Volume


class MhGanModel:
    """Brings a head to a style.

    Parameters
    ----------
    manifest
        Of the bundle.
    networks
        Trained, on `device`.
    styles
        Target -> style.
    encoded
        Site -> what the encoder reads from its scans, in the order of its branches.
    device
        Where it runs.
    """

    def __init__(
        self,
        manifest: Manifest,
        networks: tuple[Generator, StyleEncoder],
        *,
        styles: Mapping[str, Style],
        encoded: Mapping[str, Style],
        device: str,
    ) -> None:
        self._manifest = manifest
        self._generator, self._encoder = networks
        self._styles, self._encoded = styles, encoded
        self.device = device

    def __call__(self, volume: Volume, *, target: str | Look | Style | None = None) -> Result:
        """Harmonize a volume on its own grid; see `inference.model.Model`. A style may be the target, too."""
        style = self._meant(target)
        sight = sight_of(volume)
        made = in_style(self._generator, sight, style, device=self.device)
        voxels, numbers = natively(made, sight, volume, style)
        output = self._manifest.output
        np.clip(voxels, *output.range, out=voxels)
        inside = sight.head.inside
        change = float(np.abs(made[inside] - sight.voxels[inside]).mean() / sight.voxels[inside].std())
        return Result(Volume(voxels, volume.affine.copy(), output.unit), {**numbers, "change": change})

    def style_of(self, volume: Volume) -> Style:
        """Read the style of a reference: one for the whole volume.

        The encoder has a branch for each site that it was trained on; that one reads whose own site it finds nearest.

        Raises
        ------
        ModelRefused
            When there is no head in it.
        """
        sight = sight_of(volume)
        spans = np.array([span(sight.head.inside, axis) for axis in AXES])
        read = read_styles(self._encoder, sight.voxels, sight.floor, spans, device=self.device)
        away = [np.abs(code - own.code).mean() for code, own in zip(read, self._encoded.values(), strict=True)]
        return Style(read[int(np.argmin(away))], sight.floor, sight.noise)

    def read_style(self, volume: Volume) -> Float32Array:
        """Read the style of a reference as numbers; see `inference.model.StyledModel`."""
        return self.style_of(volume).numbers

    def in_style(self, volume: Volume, numbers: Float32Array) -> Result:
        """Harmonize to a style that was read in references; see `inference.model.StyledModel`."""
        try:
            style = Style.of(numbers)
        except ValueError as error:
            raise ModelRefused(f"model {self._manifest.name}: {error}") from None
        return self(volume, target=style)

    def _meant(self, target: str | Look | Style | None) -> Style:
        if isinstance(target, Style):
            return target
        if isinstance(target, Look):
            raise ModelRefused(f"model {self._manifest.name} takes no looks: it reads styles in references itself")
        name = self._manifest.choose_target(target)
        if name is None:
            raise ModelRefused(f"model {self._manifest.name} has no targets: add a style to its bundle")
        return self._styles[name]


def load(bundle: Bundle, *, device: str) -> MhGanModel:
    """Read networks and styles.

    Raises
    ------
    BundleRefused
        When the weights are not those of these networks, or a target has no style.
    """
    tensors = bundle.weights()
    try:
        styles, encoded = styles_in(tensors), encoded_in(tensors)
        networks = read_networks(tensors)
    except ValueError as error:
        raise BundleRefused(f"{bundle.folder}: {error}") from error
    if missing := sorted(set(bundle.manifest.targets) - set(styles)):
        raise BundleRefused(f"{bundle.folder}: the weights hold no style for target '{missing[0]}'")
    for network in networks:
        network.eval().to(device)
    return MhGanModel(bundle.manifest, networks, styles=styles, encoded=encoded, device=device)


def read_networks(tensors: Tensors) -> tuple[Generator, StyleEncoder]:
    """Make generator and style encoder of weights.

    Raises
    ------
    ValueError
        When the weights are not those of such networks.
    """
    told = tensors.get("sizes", np.empty(0))
    if told.shape != (len(Sizes.__slots__),):
        raise ValueError("the weights do not tell the sizes of the networks")
    sizes = Sizes(*(int(size) for size in told))
    domains = sum(name.startswith("site.") for name in tensors)
    generator, encoder = Generator(sizes), StyleEncoder(sizes, domains)
    for name, network in (("generator.", generator), ("encoder.", encoder)):
        _fill(network, name, tensors)
    return generator, encoder


def _fill(network: nn.Module, prefix: str, tensors: Tensors) -> None:
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    held = {name: torch.from_numpy(tensor.astype(np.float32)) for name, tensor in own.items()}
    try:
        network.load_state_dict(held)
    except RuntimeError as error:
        raise ValueError("the weights are not those of these networks") from error
