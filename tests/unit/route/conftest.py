from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from dicom_node.domain.ports import Catalogue
from dicom_node.route.loader import check, load_rules
from dicom_node.route.schema import RulesFile
from inference.output import Output

HEAD = """\
version: 1
destinations:
  pacs: {kind: dicom, host: 127.0.0.1, port: 4242, ae_title: ORTHANC}
  tps: {kind: folder, path: out}
rules:
"""


class DicomSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["dicom"]
    host: str
    port: int
    ae_title: str
    timeout_s: float = 30


class FolderSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["folder"]
    path: Path


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        models={
            "harmonize-nyul": ["siemens-3t"],
            "harmonize-bounded": ["siemens-3t"],
            "synth-ct": [],
            "synth-ct-bulk": [],
            "synth-ct-unet": [],
        },
        destination_kinds={"dicom": DicomSettings, "folder": FolderSettings},
        outputs={"synth-ct": tuple(Output), "harmonize-nyul": (Output.RESULT,)},
    )


@pytest.fixture
def rules_path(tmp_path: Path) -> Path:
    return tmp_path / "rules.yaml"


@pytest.fixture
def rules(rules_path: Path, catalogue: Catalogue) -> Callable[[str], RulesFile]:
    """Return a function that loads rules, given as the lines below `rules:`."""

    def rules(text: str) -> RulesFile:
        rules_path.write_text(HEAD + text)
        return load_rules(rules_path, catalogue)

    return rules


@pytest.fixture
def mistakes(rules_path: Path, catalogue: Catalogue) -> Callable[[str], list[str]]:
    """Return a function that checks a whole file, and gives its mistakes without the name of the file."""

    def mistakes(text: str) -> list[str]:
        rules_path.write_text(text)
        return [line.removeprefix(f"{rules_path}:") for line in check(rules_path, catalogue)]

    return mistakes
