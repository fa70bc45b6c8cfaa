"""What holds for every command: help, exit status, one line for what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dicom_node import __version__
from dicom_node.cli import app


def _commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, *path, name)


COMMANDS = tuple(_commands(typer.main.get_command(app)))
GROUPS = ((), ("rules",), ("series",), ("jobs",), ("models",), ("models", "target"))
WORKING = tuple(path for path in COMMANDS if path not in GROUPS)


def test_the_commands_are_those_of_the_interface_and_no_stubs() -> None:
    assert {" ".join(path) for path in WORKING} == {
        "serve", "apply", "rules check", "rules explain", "rules history", "rules replay", "rules restore",
        "series list", "series show", "series export", "jobs list", "jobs show", "jobs retry", "jobs retract",
        "models list", "models show", "models verify", "models target add",
        "models target list", "models target show", "models target remove", "send", "echo", "doctor",
    }  # fmt: skip


@pytest.mark.parametrize("path", WORKING, ids=" ".join)
def test_help_teaches_by_example_and_every_command_takes_a_config(run: Any, path: tuple[str, ...]) -> None:
    shown = run(*path, "--help")
    assert shown.status == 0
    assert f"Example: dicom-node {' '.join(path)}" in shown.out
    assert "--config" in shown.out


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in WORKING], ids=" ".join)
def test_a_group_without_a_command_shows_its_help(run: Any, path: tuple[str, ...]) -> None:
    shown = run(*path)
    assert shown.status == 2
    assert "Usage: dicom-node" in shown.out + shown.err


def test_help_loads_none_of_the_heavy_libraries() -> None:
    script = """
import sys
from dicom_node.cli import main
for arguments in ([], ["apply"], ["series", "list"]):
    sys.argv = ["dicom-node", *arguments, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code
heavy = {"torch", "pydicom", "pynetdicom", "highdicom", "numpy", "scipy", "sqlalchemy", "nibabel", "dicom_node.app"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_version_is_shown(run: Any) -> None:
    assert run("--version").out == f"dicom-node {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("jobs", "cancel", "x"),
        ("series", "show"),
        ("jobs", "list", "--jsonn"),
        ("echo", "no-address"),
        ("send", "x", "--to", "PACS@host"),
        ("apply", "in", "out"),
        ("apply", "--model", "harmonize-nyul", "--contrast", "T3", "in.nii", "out.nii"),
        ("apply", "--model", "harmonize-nyul", "--contrast", "T1", "folder", "out"),
        ("serve", "--role", "admin"),
    ],
)
def test_wrong_usage_ends_with_2(run: Any, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "Error: " in done.err


@pytest.mark.parametrize("command", [("series", "list", "--json"), ("doctor",), ("models", "verify"), ("serve",)])
def test_broken_settings_are_one_line_with_file_line_and_key(
    run: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "node.yaml").write_text("ae_title: HERE\nlisten: {prot: 104}\n")
    assert run(*command).refusal == (
        "dicom-node: node.yaml:2: listen.prot: not a key that is known here; did you mean 'port'?\n"
    )


def test_a_variable_with_a_bad_value_is_named(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.yaml").write_text("listen: {port: 104}\n")
    monkeypatch.setenv("DICOM_NODE__LISTEN__PORT", "x")
    refusal = run("models", "list").refusal
    assert refusal == "dicom-node: environment: DICOM_NODE__LISTEN__PORT: must be a whole number\n"


def test_a_config_that_is_not_there_is_named(run: Any) -> None:
    assert "nowhere.yaml: cannot be read: No such file" in run("series", "list", "--config", "nowhere.yaml").refusal


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = [sys.executable, "-m", "dicom_node", "models", "show", "harmonize-nyul"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
