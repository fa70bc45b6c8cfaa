"""What docs/reference says of settings and commands is what the code says."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from dicom_node.settings import Settings

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
NAMES = ("node-yaml.md", "command-line.md")


@pytest.fixture(scope="module")
def page() -> Callable[[str, str], str]:
    made: Callable[[str, str], str] = runpy.run_path(str(FOLDER / "generate.py"))["page"]
    return made


@pytest.fixture(autouse=True)
def any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_from_the_code_is_current(page: Callable[[str, str], str], name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert page(name, text) == text, "run: make docs"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_without_markers_is_not_written(page: Callable[[str, str], str], name: str) -> None:
    with pytest.raises(ValueError, match="has no markers"):
        page(name, "# nothing")


def test_every_setting_is_on_the_page_with_its_variable() -> None:
    text = (FOLDER / "node-yaml.md").read_text(encoding="utf-8")
    for key in keys(Settings):
        assert f"| `{key}`<br>`DICOM_NODE__{key.upper().replace('.', '__')}` |" in text


def keys(part: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the settings that hold no others, those of an optional part too."""
    for name, field in part.model_fields.items():
        kind = field.annotation
        kinds = () if get_origin(kind) is tuple else (kind, *get_args(kind))  # a list of parts is one setting
        below = next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if below is None:
            yield prefix + name
        else:
            yield from keys(below, f"{prefix}{name}.")


def test_every_command_is_on_the_page() -> None:
    text = (FOLDER / "command-line.md").read_text(encoding="utf-8")
    for command in ("serve", "apply", "rules check", "rules explain", "series list", "jobs retry", "doctor"):
        assert f"## dicom-node {command}\n\n```\nUsage: dicom-node {command} " in text
