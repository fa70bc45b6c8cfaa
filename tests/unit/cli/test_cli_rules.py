"""``rules``: what is wrong with a file, and what it would do with a series."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import unet_bundle
from dicom_files import write_dicom
from harness import RULES
from made_series import a_few

MORE = """\
  - name: GE only
    when: {manufacturer: GE, contrast: T1}
    run: {model: test-any-contrast, target: plain}
    send: [pacs]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "new.yaml"
    path.write_text(RULES + MORE)
    return path


@pytest.fixture
def explain(run: Any, config: Any, rules: Path) -> Any:
    """Return what explains a folder by `rules`, as JSON."""

    def explain(path: Path) -> Any:
        return run("rules", "explain", path, "--rules", rules, "--json", *config).json["series"]

    return explain


def test_a_good_file_is_well(run: Any, config: Any, rules: Path) -> None:
    assert run("rules", "check", rules, *config).out == f"{rules}: all is well\n"


def test_without_a_file_the_one_of_the_node_is_checked(run: Any, config: Any, worked: Path) -> None:
    assert run("rules", "check", *config).out == f"{worked / 'var' / 'rules.yaml'}: all is well\n"


def test_every_mistake_is_told_with_its_line(run: Any, config: Any, rules: Path) -> None:
    rules.write_text(
        rules.read_text().replace("test-any-contrast", "test-any-contrat").replace("manufacturer:", "manufacurer:")
    )
    done = run("rules", "check", rules, *config)
    assert (done.status, done.out) == (1, "")
    first, *others = done.err.splitlines()
    assert first.startswith(f"{rules}:8: rules[0].run.model: ")
    assert "did you mean 'test-any-contrast'?" in first
    assert [line.split(": ")[1] for line in others] == ["rules[1].when.manufacurer", "rules[1].run.model"]


@pytest.mark.parametrize("command", [("check", "nowhere.yaml"), ("explain", ".", "--rules", "nowhere.yaml", "--json")])
def test_a_rules_file_that_is_not_there_is_one_line(run: Any, config: Any, command: Any) -> None:
    done = run("rules", *command, *config)
    assert (done.status, done.out) == (1, "")
    assert done.err.endswith("nowhere.yaml: cannot be read: No such file or directory\n")


def test_explain_tells_for_each_rule_whether_it_matches_and_which_clause_fails(explain: Any, tmp_path: Path) -> None:
    series = a_few()
    (row,) = explain(write_dicom(series, tmp_path / "in"))
    assert row["series_uid"] == series[0].SeriesInstanceUID
    assert row["refused"] is None
    assert row["facts"]["Modality"] == "MR"
    assert (row["facts"]["contrast"], row["facts"]["slices"]) == ("T1", 20)
    run = [{"model": "test-any-contrast", "target": "plain", "output": "result"}]
    assert row["rules"] == [
        {"name": "every T1", "matched": True, "run": run, "failed": []},
        {
            "name": "GE only",
            "matched": False,
            "run": run,
            "failed": [{"clause": "manufacturer equals GE", "value": "Siemens"}],
        },
    ]


def test_explain_speaks_to_people_too(run: Any, config: Any, rules: Path, tmp_path: Path) -> None:
    series = a_few()
    for ds in series:
        ds.SeriesDescription = "T1 M\xfcller \x1b[2J"
        ds.SpecificCharacterSet = "ISO_IR 100"
    done = run("rules", "explain", write_dicom(series, tmp_path / "in"), "--rules", rules, *config)
    assert done.out.splitlines() == [
        f"{series[0].SeriesInstanceUID}  T1 M\xfcller  [2J",
        "  matches: every T1",
        "  does not match: GE only",
        "      manufacturer equals GE; it is Siemens",
    ]


def test_explain_says_where_a_rule_asks_for_more_than_the_result(run: Any, tmp_path: Path) -> None:
    unet_bundle.write(tmp_path / "models")
    (tmp_path / "node.yaml").write_text("infer: {models: [models]}\n")
    rule = "  - {name: how sure, when: {}, run: {model: test-ct-unet, output: uncertainty}, send: [pacs]}\n"
    (tmp_path / "rules.yaml").write_text(RULES[: RULES.index("  - name")] + rule)
    done = run("rules", "explain", write_dicom(a_few(), tmp_path / "in"), "--rules", "rules.yaml")
    assert done.out.splitlines()[1:] == ["  matches: how sure (asks for the uncertainty of test-ct-unet)"]


def test_two_series_and_what_is_none_in_one_folder(run: Any, config: Any, rules: Path, tmp_path: Path) -> None:
    one, other = a_few(), a_few(description="Localizer")[:3]
    for ds in other:
        ds.SeriesNumber = 5
    folder = write_dicom([*one, *other], tmp_path / "in" / "deep")
    (folder / "notes.txt").write_text("no DICOM")
    (folder / "empty").touch()
    done = run("rules", "explain", tmp_path / "in", "--rules", rules, "--json", *config)
    refused = {row["series_uid"]: row["refused"] for row in done.json["series"]}
    assert refused == {
        str(one[0].SeriesInstanceUID): None,
        str(other[0].SeriesInstanceUID): "it is a localizer by its name, with 3 images",
    }
    assert sum(int(line.split()[0]) for line in done.err.splitlines()) == 2
    assert all("left out: not " in line for line in done.err.splitlines())


@pytest.mark.parametrize("cut", [1, 20], ids=["one slice", "all slices"])
def test_a_cut_slice_holds_its_series_and_no_other(explain: Any, tmp_path: Path, cut: int) -> None:
    one, other = a_few(), a_few()
    for ds in other:
        ds.SeriesNumber = 5
    folder = write_dicom([*one, *other], tmp_path / "in")
    for file in sorted(folder.glob("4-*.dcm"))[:cut]:
        file.write_bytes(file.read_bytes()[:-1000])
    refused = {row["series_uid"]: row["refused"] for row in explain(folder)}
    assert refused.keys() == {str(one[0].SeriesInstanceUID), str(other[0].SeriesInstanceUID)}
    assert refused[str(one[0].SeriesInstanceUID)].startswith(f"{cut} of its files cannot be read: the pixel data holds")
    assert refused[str(other[0].SeriesInstanceUID)] is None


def test_one_file_can_be_asked_about(explain: Any, tmp_path: Path) -> None:
    (row,) = explain(next(write_dicom(a_few()[:1], tmp_path / "in").iterdir()))
    assert row["refused"] == "a single slice makes no volume"


def test_the_stacks_of_a_series_are_rows_of_their_own(explain: Any, tmp_path: Path) -> None:
    series = a_few()[:4]
    late = deepcopy(series)
    for number, ds in enumerate(late):
        ds.SOPInstanceUID, ds.EchoTime = f"1.2.3.{number}", 80
    folder = write_dicom(series, tmp_path / "in")
    write_dicom(late, folder / "late")
    rows = explain(folder)
    assert {row["series_uid"] for row in rows} == {str(series[0].SeriesInstanceUID)}
    assert [row["stack"] for row in rows] == ["EchoTime=2.9", "EchoTime=80"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file or folder"),
        ({}, "the folder is empty"),
        ({"a": b"x"}, "no DICOM images here: not "),
    ],
)
def test_a_path_without_images_is_one_line(
    run: Any, config: Any, tmp_path: Path, content: dict[str, bytes] | None, reason: str
) -> None:
    folder = tmp_path / "in"
    if content is not None:
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_bytes(data)
    refusal = run("rules", "explain", folder, "--json", *config).refusal
    assert refusal.startswith(f"dicom-node: {folder}: ")
    assert reason in refusal


def test_a_rule_that_would_match_its_own_output_is_warned_of(run: Any, config: Any, rules: Path) -> None:
    done = run("rules", "check", rules, *config)
    (warning,) = done.err.splitlines()
    assert warning.startswith(f"{rules}: warning: rule 'every T1' would match the output of test-any-contrast")
    assert (run("rules", "check", rules, "--strict", *config).status, done.status) == (1, 0)
    rules.write_text(rules.read_text().replace("contrast: T1", "contrast: T1, is_original: true"))
    assert run("rules", "check", rules, "--strict", *config).err == ""


def test_rules_are_printed_as_the_node_reads_them(run: Any, config: Any, rules: Path, tmp_path: Path) -> None:
    printed = run("rules", "check", rules, "--print", *config).out
    assert "  priority: routine\n" in printed
    again = tmp_path / "again.yaml"
    again.write_text(printed)
    assert run("rules", "check", again, "--print", *config).out == printed
