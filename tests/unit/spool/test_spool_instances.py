"""The spool: what is acknowledged is there, once, and nothing else is."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from made_series import TRANSPORT
from pydicom import dcmread

from dicom_node.domain.instance import InstanceKey, Stored
from dicom_node.errors import AssociationLost, InstanceRejected
from dicom_node.spool import durable
from dicom_node.spool.instances import Spool, folder_name

KEY = InstanceKey("1.2.1", "1.2.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.3")
FOLDER = folder_name(KEY.series_uid)
# explicit VR little endian: StudyInstanceUID, SeriesInstanceUID, SeriesNumber
DATASET = b"\x20\x00\x0d\x00UI\x06\x001.2.1\0\x20\x00\x0e\x00UI\x06\x001.2.2\0\x20\x00\x11\x00IS\x02\x007 "


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def files_below(folder: Path) -> list[Path]:
    """Return all files but the notes, empty ones, that tell where something is new."""
    return [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "news"]


def test_an_instance_is_a_readable_dicom_file_that_tells_its_sender(spool: Spool) -> None:
    assert spool.put(KEY, TRANSPORT, DATASET) is Stored.NEW
    (path,) = spool.instances(FOLDER)
    ds = dcmread(path)
    assert ds.StudyInstanceUID == "1.2.1"
    assert ds.file_meta.MediaStorageSOPInstanceUID == KEY.sop_instance_uid
    assert ds.file_meta.SendingApplicationEntityTitle == "SCANNER"
    assert path.read_bytes()[:128] == bytes(128)
    assert path.read_bytes().endswith(DATASET)


def test_no_text_from_the_network_reaches_a_file_name(spool: Spool, tmp_path: Path) -> None:
    spool.put(InstanceKey("1.2.1", "../../x", "1.2", "1.2.3"), TRANSPORT, DATASET)
    (path,) = files_below(tmp_path)
    assert all("x" not in note.name for note in (tmp_path / "spool" / "news").iterdir())
    assert path.suffix == ".dcm"
    assert path.stem.isalnum()
    assert path.parent.parent == tmp_path / "spool" / "series"


def test_the_same_instance_again_is_kept_once(spool: Spool, tmp_path: Path) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    assert spool.put(KEY, TRANSPORT, DATASET) is Stored.DUPLICATE
    assert len(files_below(tmp_path)) == 1
    assert spool.conflicts(FOLDER) == []


def test_the_same_uid_with_other_content_never_replaces_the_first(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    other = DATASET[:-2] + b"8 "
    assert spool.put(KEY, TRANSPORT, other) is Stored.CONFLICT
    assert spool.put(KEY, TRANSPORT, other) is Stored.CONFLICT
    (kept,) = spool.instances(FOLDER)
    assert kept.read_bytes().endswith(DATASET)
    (conflict,) = spool.conflicts(FOLDER)
    assert conflict.sop_instance_uid == KEY.sop_instance_uid


def test_an_instance_that_comes_again_is_as_durable_as_if_it_came_first(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    (path,) = spool.instances(FOLDER)
    first = path.stat().st_ino
    with path.open("rb"):  # whoever wrote it may not have come to sync it: what was just synced takes its place
        assert spool.put(KEY, TRANSPORT, DATASET) is Stored.DUPLICATE
        assert path.stat().st_ino != first


def test_a_damaged_file_is_replaced_when_its_instance_comes_again(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    (path,) = spool.instances(FOLDER)
    path.write_bytes(b"")
    assert spool.put(KEY, TRANSPORT, DATASET) is Stored.NEW
    assert path.read_bytes().endswith(DATASET)


def test_a_folder_whose_name_could_not_be_synced_is_synced_before_anything_in_it_is_acknowledged(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = durable.sync_folder

    def sync_folder(folder: Path) -> None:
        synced.append(folder.name)
        if synced == ["series"]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(folder)

    monkeypatch.setattr(durable, "sync_folder", sync_folder)
    with pytest.raises(InstanceRejected):
        spool.put(KEY, TRANSPORT, DATASET)
    assert spool.put(KEY, TRANSPORT, DATASET) is Stored.NEW
    assert synced == ["series", "series", FOLDER]


def test_an_empty_folder_that_another_process_just_made_is_synced_too(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        synced: list[Path] = []
        patch.setattr(durable, "sync_folder", synced.append)
        durable.make_folder(folder)
        (folder / "content").touch()
        durable.make_folder(folder)
    assert synced == [tmp_path]


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_is_answered_with_a700_and_leaves_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    spool.put(KEY, TRANSPORT, DATASET)
    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(durable, "write_all", fail)
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(InstanceRejected) as rejected:
            spool.put(InstanceKey("1.2.1", "1.2.2", "1.2", "1.2.4"), TRANSPORT, DATASET)
    assert rejected.value.status == 0xA700
    assert len(files_below(tmp_path)) == 1
    assert spool.put(InstanceKey("1.2.1", "1.2.2", "1.2", "1.2.4"), TRANSPORT, DATASET) is Stored.NEW


def test_success_comes_only_after_file_and_folder_are_synced(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def spy_fsync(descriptor: int) -> None:
        done.append("fsync " + ("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"))
        fsync(descriptor)

    def spy_link(source: Path, target: Path) -> None:
        done.append("link")
        link(source, target)

    spool.put(KEY, TRANSPORT, DATASET)  # its folder is there now
    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "link", spy_link)
    spool.put(InstanceKey("1.2.1", "1.2.2", "1.2", "1.2.4"), TRANSPORT, DATASET)
    assert done == ["fsync file", "link", "fsync folder"]


def test_nothing_is_taken_when_less_than_the_configured_space_is_free(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", min_free_bytes=1 << 62)
    with pytest.raises(InstanceRejected):
        spool.put(KEY, TRANSPORT, DATASET)


def test_a_sender_is_connected_until_its_mark_is_let_go_and_a_dead_ones_mark_does_not_count(spool: Spool) -> None:
    with spool.sender_connected(KEY.series_uid):
        assert spool.is_sender_connected(FOLDER)
        with spool.sender_connected(KEY.series_uid):
            pass
        assert spool.is_sender_connected(FOLDER)
    assert not spool.is_sender_connected(FOLDER)

    die_in_mid_association(spool)
    assert not spool.is_sender_connected(FOLDER)
    assert not spool.has_broken_off(FOLDER)  # it brought nothing


def test_a_sweep_removes_what_was_never_acknowledged_and_nothing_else(spool: Spool, tmp_path: Path) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    (tmp_path / "spool" / "incoming" / "half").write_bytes(b"half a file")
    assert spool.sweep() == 1
    assert len(files_below(tmp_path)) == 1


def test_a_folder_tells_which_series_it_holds(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    key = spool.identify(FOLDER)
    assert (key.study_uid, key.series_uid, key.series_number) == ("1.2.1", "1.2.2", 7)


def test_a_folder_is_news_once_whenever_something_was_put_into_it(spool: Spool) -> None:
    assert list(spool.news()) == []
    spool.put(KEY, TRANSPORT, DATASET)
    spool.put(KEY, TRANSPORT, DATASET)
    assert list(spool.news()) == [FOLDER]
    assert list(spool.news()) == []
    spool.put(KEY, TRANSPORT, DATASET)
    assert list(spool.news()) == [FOLDER]


def test_news_that_cannot_be_taken_is_kept(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fails(OSError(errno.EROFS, os.strerror(errno.EROFS))))
        with pytest.raises(OSError, match="Read-only"):
            list(spool.news())
    assert list(spool.news()) == [FOLDER]


def fails(error: OSError) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_damaged_file_does_not_keep_a_folder_from_being_told(spool: Spool) -> None:
    for number in range(3):
        spool.put(InstanceKey("1.2.1", "1.2.2", "1.2", f"1.2.3.{number}"), TRANSPORT, DATASET)
    first, second, _ = spool.instances(FOLDER)
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:160])
    assert spool.identify(FOLDER).series_uid == "1.2.2"


def test_a_file_in_another_series_folder_does_not_name_it(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    spool.put(InstanceKey("1.2.1", "1.2.9", "1.2", "1.2.3"), TRANSPORT, DATASET)
    (path,), (astray,) = spool.instances(FOLDER), spool.instances(folder_name("1.2.9"))
    path.write_bytes(astray.read_bytes())
    with pytest.raises(ValueError, match="which series"):
        spool.identify(FOLDER)


def test_a_revision_holds_what_it_was_closed_with_whatever_comes_later(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    closed = spool.instances(FOLDER)
    spool.seal(FOLDER, 1, closed)
    spool.put(InstanceKey("1.2.1", "1.2.2", "1.2", "1.2.4"), TRANSPORT, DATASET)
    assert spool.sealed(FOLDER, 1) == closed
    assert spool.sealed(FOLDER, 2) == spool.instances(FOLDER) != closed


def test_a_series_of_which_more_has_come_than_is_known_is_not_discarded(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    spool.seal(FOLDER, 1, spool.instances(FOLDER))
    assert not spool.discard(FOLDER, instances=0)
    with spool.sender_connected(KEY.series_uid):
        assert not spool.discard(FOLDER, instances=1)
    assert len(spool.instances(FOLDER)) == 1
    assert spool.discard(FOLDER, instances=1)
    assert spool.folders() == []


def test_what_comes_while_its_series_is_discarded_stays(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    real = Path.unlink

    def one_more_comes(path: Path, missing_ok: bool = False) -> None:
        monkeypatch.setattr(Path, "unlink", real)
        spool.put(InstanceKey("1.2.1", "1.2.2", "1.2", "1.2.4"), TRANSPORT, DATASET)
        path.unlink(missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", one_more_comes)
    assert not spool.discard(FOLDER, instances=1)
    assert len(spool.instances(FOLDER)) == 1


@pytest.mark.parametrize("step", ["write_file", "sync_folder"])
def test_results_that_cannot_be_written_leave_nothing_on_a_disk_that_may_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(durable, step, fails(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    with pytest.raises(OSError, match="No space"):
        durable.write_folder(tmp_path / "job", {"1.dcm": b"one"})
    assert list(tmp_path.iterdir()) == []


def test_an_end_while_results_are_removed_leaves_none_or_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.write_folder(tmp_path / "job", {"1.dcm": b"one", "2.dcm": b"two"})

    def killed(folder: Path, **_: object) -> None:
        if folder.exists():
            (folder / "1.dcm").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            durable.remove_folder(tmp_path / "job")
    assert not (tmp_path / "job").exists()
    durable.write_folder(tmp_path / "job", {"1.dcm": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["job"]


def test_a_folder_of_results_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    durable.write_folder(tmp_path / "job", {"1.dcm": b"one", "2.dcm": b"two"})
    durable.write_folder(tmp_path / "job", {"1.dcm": b"new"})
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["1.dcm"]
    assert not (tmp_path / "job.part").exists()


def test_an_association_that_broke_off_is_remembered_until_another_brings_the_series(spool: Spool) -> None:
    with suppress(AssociationLost), spool.sender_connected(KEY.series_uid):
        raise AssociationLost
    assert not spool.has_broken_off(FOLDER)  # it brought nothing that could be taken for the whole
    with suppress(AssociationLost), spool.sender_connected(KEY.series_uid):
        spool.put(KEY, TRANSPORT, b"data")
        raise AssociationLost
    assert spool.has_broken_off(FOLDER)
    assert not spool.is_sender_connected(FOLDER)
    with spool.sender_connected(KEY.series_uid):
        assert not spool.has_broken_off(FOLDER)
    assert not spool.has_broken_off(FOLDER)


def test_what_a_dead_process_had_begun_to_receive_counts_as_broken_off(spool: Spool) -> None:
    spool.put(KEY, TRANSPORT, DATASET)
    die_in_mid_association(spool)
    assert not spool.is_sender_connected(FOLDER)
    assert spool.has_broken_off(FOLDER)

    die_in_mid_association(spool)
    with spool.sender_connected(KEY.series_uid):
        pass
    assert not spool.is_sender_connected(FOLDER)
    assert not spool.has_broken_off(FOLDER)  # the association that came after it brought the rest


def die_in_mid_association(spool: Spool) -> None:
    child = os.fork()
    if child == 0:  # dies without letting go, as kill -9 would have it
        mark = spool.sender_connected(KEY.series_uid)
        mark.__enter__()
        os._exit(0)
    os.waitpid(child, 0)
