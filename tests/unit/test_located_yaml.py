from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr

from dicom_node.errors import RefusedToStart
from dicom_node.located_yaml import FileRefused, did_you_mean, load, read
from dicom_node.yaml_tree import MAX_DEPTH, BadYaml, parse


class Listen(BaseModel):
    model_config = ConfigDict(extra="forbid")
    host: str = "127.0.0.1"
    port: int = 11112


class Node(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ae_title: str
    listen: Listen | None = None
    peers: list[Listen] = []
    tls: dict[str, Listen] = {}
    level: Literal["debug", "info"] = "info"
    password: SecretStr | None = None


@pytest.fixture
def problems_of(tmp_path: Path) -> Any:
    def problems_of(text: str | bytes) -> tuple[str, ...]:
        path = tmp_path / "node.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(FileRefused) as refusal:
            load(path, Node)
        assert "\n" not in str(refusal.value)
        return tuple(line.removeprefix(str(path)) for line in refusal.value.problems)

    return problems_of


def test_a_right_file_becomes_the_model(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("\ufeffae_title: HARMONIZE\nlisten: {port: 104}\npeers:\n  - host: pacs\n")
    node = load(path, Node)
    assert (node.ae_title, node.listen, node.peers) == ("HARMONIZE", Listen(port=104), [Listen(host="pacs")])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ae_title: A\nlisten:\n  prot: 1\n", ":3: listen.prot: not a key that is known here; did you mean 'port'?"),
        ("ae_title: A\npeers: [{}, {hst: a}]", ":2: peers[1].hst: not a key that is known here; did you mean 'host'?"),
        ("ae_title: A\ntls:\n  x:\n    prt: 1\n", ":4: tls.x.prt: not a key that is known here; did you mean 'port'?"),
        ("ae_title: A\nlisten:\n  port: many\n", ":3: listen.port: must be a whole number"),
        ("ae_title: A\n\nlevel: loud\n", ":3: level: must be 'debug' or 'info'"),
        ("ae_title: 12\n", ":1: ae_title: must be text (in quotes where it looks like a number)"),
        ("ae_title: A\nlisten: 3\n", ":2: listen: must hold keys with values"),
        ("", ": ae_title: is required"),
        ("# nothing but a comment\n", ": ae_title: is required"),
    ],
)  # fmt: skip
def test_a_mistake_names_line_key_and_nearest_name(problems_of: Any, text: str, problem: str) -> None:
    assert problems_of(text) == (problem,)


def test_every_mistake_is_told_in_the_order_of_the_file_and_the_message_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("level: x\nlisten:\n  port: y\nae_title: A\nextra: 1\n")
    with pytest.raises(RefusedToStart, match=r":1: level: .* \(and 2 more\)$") as refusal:
        load(path, Node)
    assert isinstance(refusal.value, FileRefused)
    assert [line.removeprefix(f"{path}:")[0] for line in refusal.value.problems] == ["1", "3", "5"]


def test_a_value_never_stands_in_a_message_or_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("ae_title: A\npassword: [hunter2]\nlisten: {port: hunter2}\n")
    with pytest.raises(FileRefused) as refusal:
        load(path, Node)
    assert "hunter2" not in "".join(refusal.value.problems)
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", ":2: tags such as 'tag:yaml.org,2002:python/object"),
        ("a: !own x\n", ":1: tags such as '!own'"),
        ("a: 1\nb: 2\na: 3\n", ":3: the key 'a' stands here twice, first on line 1"),
        ("a: {b: 1, b: 2}\n", ":1: the key 'b' stands here twice"),
        ("a: 1\n---\nb: 2\n", ":3: a second document"),
        ("- a\n", ":1: the file must hold keys"),
        ("? [a]\n: b\n", ":1: a key must be plain text"),
        ("a: [1\nb: 2\n", ":2: not YAML"),
        ("a: b: c\n", ":1: not YAML"),
        ("a: 1\nb:\n\td: 1\n", ":3: not YAML"),
        ("a: 1\nb: \x07\n", ":2: not YAML: a control character"),
        (b"a: 1\nb: \xff\n", ":2: not UTF-8"),
        ("a: &a [*a]\n", ":1: *a has no &a that ends before it"),
        ("a: *b\n", ":1: *b has no &b"),
        ("a: " + "[" * 100_000, f":1: nested more than {MAX_DEPTH} deep"),
        ("a: " + "{b: " * 100_000, f":1: nested more than {MAX_DEPTH} deep"),
        ("x" * 600_000, ": larger than 512 KiB"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(problems_of: Any, text: str | bytes, start: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(start)


def test_an_alias_bomb_is_refused_before_it_unfolds(problems_of: Any) -> None:  # into 10^11 values
    names = [f"n{i}" for i in range(12)]
    levels = [f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]" for below, name in pairwise(names)]
    (problem,) = problems_of("n0: &n0 [lol]\n" + "\n".join(levels))
    assert "aliases counted as what they stand for" in problem


def test_aliases_cannot_nest_deeper_than_text_can() -> None:
    deep = [f"a{i + 1}: &a{i + 1} {'[' * 30}*a{i}{']' * 30}" for i in range(3)]
    with pytest.raises(BadYaml, match="deep"):
        parse("a0: &a0 x\n" + "\n".join(deep))


def test_an_alias_stands_for_its_value() -> None:
    assert parse("a: &a {b: [1]}\nc: *a\n") == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_scalars_are_those_of_yaml_1_2_and_keys_are_text() -> None:
    text = "a: yes\nb: NO\nc: 007\nd: 1.5\ne: 2026-01-01\nf: ~\ng: '3'\nh: True\n1: 12:30\non: 1e3\n1.0: |\n  x\n"
    assert parse(text) == {
        "a": "yes", "b": "NO", "c": 7, "d": 1.5, "e": "2026-01-01", "f": None, "g": "3", "h": True,
        "1": "12:30", "on": 1000.0, "1.0": "x\n",
    }  # fmt: skip


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"absent\.yaml: cannot be read: No such file"):
        read(tmp_path / "absent.yaml")
    with pytest.raises(FileRefused, match="cannot be read: Is a directory"):
        read(tmp_path)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!?|>'\"#%@, \n\t0.~\\"), max_size=60))
def test_any_text_is_a_mapping_or_a_refusal(text: str) -> None:
    with suppress(BadYaml):
        assert isinstance(parse(text), dict)


def test_a_control_character_in_a_key_stays_on_the_line_and_off_the_terminal(problems_of: Any) -> None:
    assert problems_of('ae_title: A\n"x\\e[31m\\ny": 1\n')[0].startswith(":2: x?[31m y: not a key")


def test_names_that_differ_in_case_only_are_offered_as_written() -> None:
    assert did_you_mean("Manufacturrer", ["manufacturer", "Manufacturer"]) == "; did you mean 'Manufacturer'?"
    assert did_you_mean("manufacturrer", ["manufacturer", "Manufacturer"]) == "; did you mean 'manufacturer'?"


def test_few_names_are_listed_where_none_is_near() -> None:
    assert did_you_mean("zzz", ["pacs", "tps"]) == "; there is 'pacs', 'tps'"
    assert did_you_mean("zzz", []) == ""
