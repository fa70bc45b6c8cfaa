"""The targets that a site added: a folder with a safetensors file each, which holds a look or a style, and no image."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, get_args

from pydantic import TypeAdapter, ValidationError

from inference.added_style import AddedStyle, style_in
from inference.contract import Contrast
from inference.errors import BundleRefused
from inference.look import Look, one_look, tensors_of
from inference.manifest import Name

Added: TypeAlias = Look | AddedStyle
"""Percentiles, which many models can aim at, or a style, which the model can that read it."""

SUFFIX = ".safetensors"

_MAX_BYTES = 1 << 20  # some 600 references
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class AddedLooks:
    """The looks and styles in a folder. It is read at every call, so that what is added there counts at once.

    Parameters
    ----------
    folder
        Need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def looks(self) -> Mapping[str, Added]:
        """Return name -> look or style of those that can be used."""
        return self._read()[0]

    def refused(self) -> Mapping[Path, str]:
        """Return file -> why it cannot be used."""
        return self._read()[1]

    def has(self, name: str) -> bool:
        """Tell whether there is a file for a look of that name, one that can be used or not."""
        try:
            return self._path(name).is_file()
        except BundleRefused:  # nothing can have this name
            return False

    def get(self, name: str) -> Added:
        """Return one look or style.

        Raises
        ------
        BundleRefused
            When there is none of that name, or its file cannot be used.
        """
        path = self._path(name)
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            raise BundleRefused(f"there is no added target '{name}' in {self.folder}") from None
        except OSError as error:
            raise BundleRefused(f"{path}: cannot be read: {error.strerror}") from error
        if len(data) > _MAX_BYTES:
            raise BundleRefused(f"{path}: too large for a look")
        try:
            tensors = tensors_of(data)
            look = style_in(tensors) or one_look(tensors)
        except BundleRefused as refusal:
            raise BundleRefused(f"{path}: {refusal}") from refusal
        if look.contrast not in get_args(Contrast):
            raise BundleRefused(f"{path}: its contrast is none that is known")
        return look

    def check_new(self, name: str, *, replace: bool = False) -> None:
        """Refuse a name before the work is done that leads to its look.

        Raises
        ------
        BundleRefused
            When a look cannot have this name, or one has it and may not be replaced.
        """
        if not replace and self._path(name).exists():
            raise self._taken(name)

    def put(self, name: str, look: Added, *, replace: bool = False) -> Path:
        """Write a look or a style, whole or not at all, and return its file.

        Raises
        ------
        BundleRefused
            When a look cannot have this name, or one has it and may not be replaced.
        """
        path = self._path(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{secrets.token_hex(8)}.unfinished"
        try:
            _write(unfinished, look.to_bytes())
            if replace:
                unfinished.replace(path)
            else:
                os.link(unfinished, path)  # unlike a rename, it refuses where there is one
        except FileExistsError:
            raise self._taken(name) from None
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(self.folder)
        return path

    def remove(self, name: str) -> None:
        """Delete a look, also one that cannot be used.

        Raises
        ------
        BundleRefused
            When there is none of that name.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise BundleRefused(f"there is no added target '{name}' in {self.folder}") from None

    def _read(self) -> tuple[dict[str, Added], dict[Path, str]]:
        looks: dict[str, Added] = {}
        refused: dict[Path, str] = {}
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            name = path.name.removesuffix(SUFFIX)
            try:
                looks[name] = self.get(name)
            except BundleRefused as refusal:
                refused[path] = str(refusal)
        return looks, refused

    def _path(self, name: str) -> Path:
        """Return the file of a name that was checked: nothing from outside leads out of the folder."""
        try:
            return self.folder / f"{_NAME.validate_python(name)}{SUFFIX}"
        except ValidationError:
            raise BundleRefused(
                f"'{name}' cannot name a target: 1 to 64 of a-z, 0-9, '.' and '-', the first a letter or digit"
            ) from None

    def _taken(self, name: str) -> BundleRefused:
        return BundleRefused(f"there is an added target '{name}' already: --replace puts the new one in its place")


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
