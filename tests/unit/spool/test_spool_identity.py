"""What makes a node itself, and that no two are the same at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicom_node.errors import RefusedToStart
from dicom_node.spool import durable
from dicom_node.spool.identity import Identity, claim, identity, is_claimed


def test_an_identity_is_made_once_and_stays(tmp_path: Path) -> None:
    made = identity(tmp_path / "new" / "var")
    assert len(made.serial_number) == 12
    assert len(made.salt) == 16
    assert identity(tmp_path / "new" / "var") == made
    assert identity(tmp_path / "other") != made


def test_others_cannot_read_it(tmp_path: Path) -> None:
    identity(tmp_path / "var")
    assert (tmp_path / "var").stat().st_mode & 0o007 == 0
    assert (tmp_path / "var" / "node.json").stat().st_mode & 0o007 == 0


def test_processes_that_start_together_are_one_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other is quicker: its identity comes between our look for the file and our own."""
    others: list[Identity] = []
    write = durable.write_file

    def write_after_another(path: Path, chunks: list[bytes]) -> None:
        monkeypatch.setattr(durable, "write_file", write)
        others.append(identity(tmp_path))
        write(path, chunks)

    monkeypatch.setattr(durable, "write_file", write_after_another)
    assert [identity(tmp_path)] == others
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]


def test_an_end_while_it_is_written_leaves_no_half_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(path: Path, _chunks: list[bytes]) -> None:
        path.write_bytes(b'{"serial_')
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(durable, "write_file", cut)
        with pytest.raises(RefusedToStart, match="cannot be used: No space left on device"):
            identity(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert identity(tmp_path).serial_number


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"serial_number": "A", "salt": "no hex"}', "\x00"])
def test_a_damaged_identity_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "node.json").write_text(content)
    with pytest.raises(RefusedToStart, match=r"node\.json: is damaged; restore it from a backup, or delete it"):
        identity(tmp_path)
    assert (tmp_path / "node.json").read_text() == content


def test_an_identity_of_a_later_version_is_understood(tmp_path: Path) -> None:
    made = {"serial_number": "A1", "salt": "00ff", "more": 1}
    (tmp_path / "node.json").write_text(json.dumps(made))
    assert identity(tmp_path) == Identity("A1", b"\x00\xff")


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for use in (lambda: identity(tmp_path / "file"), lambda: claim(tmp_path / "file", "engine")):
        with pytest.raises(RefusedToStart, match=r"data_dir: .*file cannot be used: "):
            use()


def test_a_role_is_had_by_one_at_a_time(tmp_path: Path) -> None:
    assert not is_claimed(tmp_path, "engine")
    with claim(tmp_path, "engine"):
        assert is_claimed(tmp_path, "engine")
        assert not is_claimed(tmp_path, "receiver")
        with pytest.raises(RefusedToStart, match=r"another node runs as engine on .*: stop that one first"):
            claim(tmp_path, "engine")
        with claim(tmp_path, "receiver"):
            assert is_claimed(tmp_path, "receiver")
    assert not is_claimed(tmp_path, "engine")
    claim(tmp_path, "engine").close()


def test_asking_makes_nothing_and_takes_nothing(tmp_path: Path) -> None:
    assert not is_claimed(tmp_path / "nowhere", "engine")
    assert list(tmp_path.iterdir()) == []
    claim(tmp_path, "engine").close()
    assert not is_claimed(tmp_path, "engine")
    claim(tmp_path, "engine").close()
