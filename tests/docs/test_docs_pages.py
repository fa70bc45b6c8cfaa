"""All pages: links lead somewhere, and every YAML example is one that the node would take."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from dicom_node.holdings import catalogue
from dicom_node.located_yaml import read
from dicom_node.route.loader import check
from dicom_node.settings import load_settings
from inference.registry import SHIPPED, Registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXAMPLES = [
    pytest.param(re.sub(f"^{found[1]}", "", found[2], flags=re.MULTILINE), id=f"{page.stem}-{number}")
    for page in PAGES
    for number, found in enumerate(
        re.finditer(r"^( *)```yaml\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), f"{page.name} links to {link}"


def test_every_page_of_the_docs_is_in_their_index() -> None:
    linked = {
        (ROOT / "docs" / link).resolve() for link in LINK.findall((ROOT / "docs" / "README.md").read_text("utf-8"))
    }
    assert {page for page in PAGES if ROOT / "docs" in page.parents} - linked == {ROOT / "docs" / "README.md"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_yaml_example_loads(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "example.yaml"
    file.write_text(example, encoding="utf-8")
    if "rules" in read(file) and "version" in read(file):
        assert check(file, catalogue(Registry((SHIPPED,)))) == []
    else:
        load_settings(file)


def test_there_are_examples_of_rules_and_of_settings() -> None:
    texts = [str(example.values[0]) for example in EXAMPLES]
    assert any("version: 1" in text for text in texts)
    assert any("ae_title: HARMONIZE" in text for text in texts)


def test_the_figures_of_the_harmonizer_in_the_readme_are_those_of_its_page() -> None:
    (told,) = re.findall(r"\*\*A harmonizer\*\*.*?\n\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    page = (ROOT / "docs" / "explanation" / "harmonizer.md").read_text(encoding="utf-8")
    figures = re.findall(r"\b\d\d\.\d\b", told)
    assert figures
    assert [figure for figure in figures if figure not in page] == []


def test_the_make_targets_that_the_readme_names_are_there() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
