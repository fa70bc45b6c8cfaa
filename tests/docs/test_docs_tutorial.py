"""The tutorial, followed word by word: its files, its commands, and what it says that they print."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_node.demo.node import free_ports
from dicom_node.demo.virtual_scanner import demo_study

pytestmark = pytest.mark.network

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "first-derived-series.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILES = ("node.yaml", "routing_rules.yaml")
BACKGROUND = ("python -m dicom_node.demo.pacs", "dicom-node serve")
ASKED_AGAIN = ("dicom-node series list", "dicom-node jobs list")
# the waits of the tutorial are for people
SHORTER = {"settle_s: 2, silence_s: 10": "settle_s: 0.5, silence_s: 2"}
NUMBER = re.compile(r"[0-9a-f.:-]*[0-9][0-9a-f.:-]*")
"""Of a test study everything is smaller and has other UIDs: what is a number on the page may be any number."""


class Reader:
    """Someone who does what the page says, in one folder."""

    def __init__(self, folder: Path) -> None:
        ports = map(str, free_ports(3))
        self.words = {**dict(zip(("4242", "11112", "8080"), ports, strict=True)), **SHORTER}
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def writes(self, name: str, content: str) -> None:
        (self.folder / name).write_text(self._in_words_of_the_test(content))

    def types(self, command: str, expected: list[str]) -> None:
        command = self._in_words_of_the_test(command)
        if command.startswith(BACKGROUND):
            log = self._start(command)
            self._waits_for(log.read_text, expected)
            assert self.running[-1].poll() is None, log.read_text()
        elif command.startswith(ASKED_AGAIN):
            self._waits_for(lambda: _output_of(command, self.folder), expected)
        else:
            output = _output_of(command, self.folder)
            assert self._sees(output, expected), f"{command}\nprints\n{output}"

    def _start(self, command: str) -> Path:
        log = self.folder / f"{len(self.running)}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, stdout=file, stderr=file, env=_environment()
            )
        self.running.append(process)
        return log

    def _waits_for(self, ask: Callable[[], str], expected: list[str]) -> None:
        end = time.monotonic() + 60
        while not self._sees(answer := ask(), expected):
            assert time.monotonic() < end, answer
            time.sleep(0.1)

    def _sees(self, output: str, expected: list[str]) -> bool:
        """Tell whether each line that the page shows was printed, and learn what stands here for its UIDs and ids."""
        lines = [" ".join(line.split()) for line in output.splitlines()]
        learnt = {}
        for line in filter(str.strip, expected):
            numbers, pattern = _pattern(" ".join(line.split()))
            found = next((match for each in lines if (match := pattern.fullmatch(each))), None)
            if found is None:
                return False
            learnt |= {number: seen for number, seen in zip(numbers, found.groups(), strict=True) if len(number) >= 12}
        self.words |= {number: seen for number, seen in learnt.items() if number not in self.words.values()}
        return True

    def _in_words_of_the_test(self, text: str) -> str:
        for word, ours in self.words.items():
            text = text.replace(word, ours)
        return text


def _pattern(line: str) -> tuple[list[str], re.Pattern[str]]:
    numbers = NUMBER.findall(line)
    words = (re.escape(word).replace("…", ".*") for word in NUMBER.split(line))
    return numbers, re.compile(r"([0-9a-f.:-]+)".join(words))


def _environment() -> Mapping[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "DICOM_NODE__RETENTION__MIN_FREE_GIB": "0"}


def _output_of(command: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=_environment()
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *expected = part.splitlines()
        yield command, expected


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    someone = Reader(folder)
    try:
        yield someone
    finally:
        for process in reversed(someone.running):
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0


def _save_as_the_demo_does(folder: Path) -> None:
    for number, scan in enumerate(demo_study(100, spacing_mm=4), start=1):
        (folder / str(number)).mkdir(parents=True)
        for image, dataset in enumerate(scan.datasets, start=1):
            dataset.save_as(folder / str(number) / f"IM{image:04d}.dcm", enforce_file_format=True)


def test_the_tutorial_is_true(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "activate").touch()
    _save_as_the_demo_does(checkout / "demo-output" / "study")
    files, typed = list(FILES), []
    with reader(tmp_path / "my-node") as someone:
        for kind, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            if kind == "yaml":
                someone.writes(files.pop(0), block)
            elif kind == "console" and "cd ../my-node" in block:
                _output_of(block.replace("$ ", ""), checkout)
            elif kind == "console" and "make demo" not in block:
                for command, expected in _commands(block):
                    someone.types(command, expected)
                    typed.append(command.split()[0])
    assert files == []
    assert set(typed) == {"dicom-node", "python", "pydicom"}
