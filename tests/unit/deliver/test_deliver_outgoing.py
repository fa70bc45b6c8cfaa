from __future__ import annotations

from pathlib import Path

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from dicom_node.deliver.outgoing import MAXIMUM_CONTEXTS, Outgoing, batches


def outgoing(sop_class_uid: str, syntax: str = ExplicitVRLittleEndian) -> Outgoing:
    return Outgoing(Path("file"), sop_class_uid, "1.2.3", syntax)


def test_only_little_endian_syntaxes_may_change_into_each_other() -> None:
    explicit, implicit = ("1.1", ExplicitVRLittleEndian), ("1.1", ImplicitVRLittleEndian)
    assert outgoing("1.1").contexts == (explicit, implicit)
    assert outgoing("1.1", ImplicitVRLittleEndian).contexts == (implicit, explicit)
    assert outgoing("1.1", RLELossless).contexts == (("1.1", RLELossless),)
    assert outgoing("1.1", ExplicitVRBigEndian).contexts == (("1.1", ExplicitVRBigEndian),)


def test_files_that_share_their_contexts_share_an_association() -> None:
    files = [outgoing("1.1"), outgoing("1.2", RLELossless), outgoing("1.1")]
    (batch,) = batches(files)
    assert batch.files == files
    assert len(batch.contexts) == 3


def test_no_association_gets_more_contexts_than_there_can_be() -> None:
    files = [outgoing(f"1.{number}") for number in range(150)]
    made = list(batches(files))
    assert [len(batch.contexts) for batch in made] == [128, 128, 44]
    assert [file for batch in made for file in batch.files] == files
    assert all(context in batch.contexts for batch in made for file in batch.files for context in file.contexts)
    assert MAXIMUM_CONTEXTS == 128


def test_nothing_to_send_needs_no_association() -> None:
    assert list(batches([])) == []
