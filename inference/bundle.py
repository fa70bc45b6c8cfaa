"""A bundle: a folder with a model's manifest, weights, reference pair and card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from inference.errors import BundleRefused
from inference.manifest import Manifest, PinnedFile

MANIFEST = "model.yaml"
_MANIFEST_MAX_BYTES = 256 * 1024

Tensors: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are as its manifest says.

    Attributes
    ----------
    folder
        Where it lies.
    manifest
        What ``model.yaml`` says.
    digest
        SHA-256 over ``model.yaml`` and the weights, 64 hexadecimal digits: any change shows.
    """

    folder: Path
    manifest: Manifest
    digest: str

    def weights(self) -> Tensors:
        """Read the weights.

        Raises
        ------
        BundleRefused
            When they are not what the manifest pins.
        """
        return _tensors(self.folder, self.manifest.weights)

    def reference(self) -> Tensors:
        """Read the reference pair.

        Raises
        ------
        BundleRefused
            When it is not what the manifest pins.
        """
        return _tensors(self.folder, self.manifest.reference)


def open_bundle(folder: Path) -> Bundle:
    """Read the manifest of a bundle and check its weights against it.

    Raises
    ------
    BundleRefused
        When the folder holds no bundle, or one that is malformed or was changed.
    """
    text = _read(folder, MANIFEST)
    if len(text) > _MANIFEST_MAX_BYTES:
        raise BundleRefused(f"{folder / MANIFEST}: too large for a manifest")
    manifest = _manifest(folder / MANIFEST, text)
    _pinned(folder, manifest.weights)
    both = hashlib.sha256(text).hexdigest() + manifest.weights.sha256
    return Bundle(folder, manifest, hashlib.sha256(both.encode()).hexdigest())


def _manifest(path: Path, text: bytes) -> Manifest:
    try:
        return Manifest.model_validate(YAML(typ="safe", pure=True).load(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        raise BundleRefused(f"{path}:{line} not YAML") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise BundleRefused(f"{path}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key or 'the whole'}: {first['msg']}"


def _tensors(folder: Path, pinned: PinnedFile) -> Tensors:
    try:
        tensors: Tensors = load_tensors(_pinned(folder, pinned))
    except SafetensorError as error:
        raise BundleRefused(f"{folder / pinned.file}: not a safetensors file") from error
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise BundleRefused(f"{folder / pinned.file}: holds values that are not numbers")
    return tensors


def _pinned(folder: Path, pinned: PinnedFile) -> bytes:
    """Return the bytes of a file, the very ones that were compared with the digest."""
    data = _read(folder, pinned.file)
    if hashlib.sha256(data).hexdigest() != pinned.sha256:
        raise BundleRefused(f"{folder / pinned.file}: changed: its SHA-256 is not the one in {MANIFEST}")
    return data


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise BundleRefused(f"{path}: leads out of the bundle")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleRefused(f"{path}: cannot be read: {error.strerror}") from error
