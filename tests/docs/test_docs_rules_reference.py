from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from dicom_node.domain.ports import Catalogue
from dicom_node.route.loader import check
from dicom_node.route.reference import page_with_tables

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE, HOW_TO = DOCS / "reference" / "routing-rules.md", DOCS / "how-to" / "write-a-rule.md"
EXAMPLES = [
    pytest.param(re.sub(f"^{found[1]}", "", found[2], flags=re.MULTILINE), id=f"{page.stem}-{number}")
    for page in (REFERENCE, HOW_TO)
    for number, found in enumerate(
        re.finditer(r"^( *)```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    )
]


class AnyDicom(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["dicom"]
    host: str
    port: int
    ae_title: str


CATALOGUE = Catalogue({"harmonize-nyul": ["siemens-3t"], "harmonize-bounded": ["siemens-3t"]}, {"dicom": AnyDicom})


def test_the_tables_are_those_of_the_code() -> None:
    page = REFERENCE.read_text()
    assert page.count(":begin -->") == 4
    assert page_with_tables(page) == page, "run: python -m dicom_node.route.reference docs/reference/routing-rules.md"


def test_a_table_that_was_edited_by_hand_would_be_seen() -> None:
    page = REFERENCE.read_text()
    assert page_with_tables(page.replace("| `at_least` |", "| `at_leest` |")) == page


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str, tmp_path: Path) -> None:
    path = tmp_path / "routing_rules.yaml"
    path.write_text(example)
    assert check(path, CATALOGUE) == []


def test_there_are_examples_on_both_pages() -> None:
    assert len(EXAMPLES) == 4


def test_the_mistake_that_the_page_shows_is_the_one_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = REFERENCE.read_text()
    (shown,) = re.findall(r"^    (routing_rules\.yaml:.*)$", page, re.MULTILINE)
    example = EXAMPLES[0].values[0]
    assert isinstance(example, str)
    monkeypatch.chdir(tmp_path)
    Path("routing_rules.yaml").write_text(example.replace("manufacturer: GE", "Manufacturrer: GE"))
    assert check(Path("routing_rules.yaml"), CATALOGUE) == [shown]
