"""The page about training on a site's own scans: its commands and options, its folders, the messages it names."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from torch.distributed.run import get_args_parser

from dicom_node.cli import app
from dicom_node.demo.site_folders import SCANNERS
from training.simulate.sites import SITES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "how-to" / "train-on-your-site.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ *\$ (.*)$", TEXT, re.MULTILINE) + re.findall(r"^ *(python -m .*)$", TEXT, re.MULTILINE)
PYTHON = [command for command in COMMANDS if command.startswith("python -m ")]
TORCHRUN = [command for command in COMMANDS if command.startswith("torchrun ")]
NODE = [command for command in COMMANDS if command.startswith("dicom-node ")]


class Understood(Exception):
    """Raised in place of the work: the command line was taken."""


_parse_args = argparse.ArgumentParser.parse_args


def _understood(parser: argparse.ArgumentParser, *arguments: Any, **more: Any) -> None:
    _parse_args(parser, *arguments, **more)
    raise Understood


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", _understood)


@pytest.mark.parametrize("command", PYTHON)
def test_each_program_takes_what_the_page_types(command: str) -> None:
    _, _, module, *words = shlex.split(command)
    program = importlib.import_module(module if module != "training.evaluate" else "training.evaluate.__main__")
    with pytest.raises(Understood):
        program.main(words)


@pytest.mark.parametrize("command", TORCHRUN)
def test_torchrun_hands_the_program_what_the_page_types(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # torchrun's own options are to be read
    told = get_args_parser().parse_args(shlex.split(command)[1:])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", _understood)
    with pytest.raises(Understood):
        importlib.import_module(told.training_script).main(told.training_script_args)


@pytest.mark.parametrize("command", NODE)
def test_each_command_of_the_node_takes_what_the_page_types(command: str) -> None:
    words = shlex.split(command)[1:]
    found: Any = typer.main.get_command(app)
    while hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    assert found.make_context(found.name, words).params


def test_every_step_has_its_command() -> None:
    programs = {shlex.split(command)[2] for command in PYTHON}
    assert {
        "training.loops.mhgan",
        "training.loops.mrflow",
        "training.export_mhgan",
        "training.export_mrflow",
    } < programs
    assert {tuple(shlex.split(command)[1:3]) for command in NODE} >= {("models", "verify"), ("models", "target")}


def test_the_folders_are_those_of_the_virtual_scanners_and_may_be_trained_on() -> None:
    assert set(re.findall(r"\bward-[a-z]+\b", TEXT)) == set(SCANNERS)
    assert not set(SCANNERS) & set(SITES)


def test_the_configuration_has_the_line_that_the_page_changes() -> None:
    (line,) = re.findall(r"sed 's/\^([^/]*)/", TEXT)
    assert re.search(f"^{line}", (ROOT / "training" / "configs" / "mhgan.yaml").read_text("utf-8"), re.MULTILINE)


def test_the_messages_of_the_table_are_those_that_the_node_gives() -> None:
    (table,) = re.findall(r"## When it says no\n\n(.*?)\n\n", TEXT, re.DOTALL)
    told = [part.strip() for said in re.findall(r"`([^`]*)`", table) for part in said.split("…")]
    sources = [path for folder in ("dicom_node", "inference", "tests/unit") for path in (ROOT / folder).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    checked = [part for part in told if len(part) > 15]
    assert len(checked) >= 5
    assert [part for part in checked if part not in code] == []
