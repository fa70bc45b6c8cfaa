"""Text of the source, byte for byte, in whatever character set it is or is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.charset import convert_encodings

from dicom_node.domain.stack import Stack

Derive = Callable[..., list[bytes]]
MakeStack = Callable[..., Stack]

PATIENT_AND_STUDY = ("PatientName", "PatientID", "ReferringPhysicianName", "StudyDescription", "PatientComments")


def raw(file: bytes | Path, keyword: str) -> bytes | None:
    """Return an element's bytes without padding; None where it is absent or empty."""
    dataset = dcmread(BytesIO(file) if isinstance(file, bytes) else file, force=True, stop_before_pixels=True)
    element = dataset.get_item(keyword)
    return bytes(element.value).rstrip(b" \0") or None if element is not None and element.value else None


def with_common_from(stack: Stack, path: Path) -> Stack:
    return replace(stack, frames=tuple(replace(frame, path=path) for frame in stack.frames))


@pytest.fixture(scope="module")
def character_sets(real_data: Path) -> list[Path]:
    return sorted((real_data / "odd" / "pydicom_charsets").glob("*.dcm"))


@pytest.mark.real_data
def test_known_character_sets_and_their_text_are_copied(
    make_stack: MakeStack, derive: Derive, character_sets: list[Path]
) -> None:
    stack = make_stack()
    assert character_sets
    for path in character_sets:
        source = dcmread(path, stop_before_pixels=True)
        file = derive(with_common_from(stack, path))[0]
        derived = dcmread(BytesIO(file))
        assert derived.get("SpecificCharacterSet") == source.get("SpecificCharacterSet")
        assert derived.get("PatientName") == source.get("PatientName", "")
        for keyword in PATIENT_AND_STUDY:
            assert raw(file, keyword) == raw(path, keyword)


WRONG = {
    "declared UTF-8, written Latin-1": (b"ISO_IR 192", b"J\xe9r\xf4me"),
    "declared nothing, written UTF-8": (b"", "Jérôme".encode()),
    "declared ASCII, written Greek": (b"ISO_IR 6", "Διονυσιος".encode("iso8859-7")),
    "declared Korean, cut in mid-character": (b"\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8\xc8"),
    "unknown": (b"ISO_IR 999", b"J\xe9r\xf4me"),
    "misspelt": (b"ISO-IR 100", b"J\xe9r\xf4me"),
}


def wrongly_declared(path: Path, term: bytes, value: bytes) -> None:
    """Write text into a file as no library would."""
    data = path.read_bytes()
    for old, new in ((b"ISO_IR 100", term), (b"Muster^Anna", value), (b"t1 mprage", value), (b"a comment", value)):
        start = data.index(old)
        length = len(old) + len(old) % 2
        new += b" " * (len(new) % 2)
        data = data[: start - 2] + len(new).to_bytes(2, "little") + new + data[start + length :]
    path.write_bytes(data)


@pytest.mark.filterwarnings("ignore:(Unknown|Incorrect|Failed to decode|Found unknown|Value '.*' for Specific)")
@pytest.mark.parametrize(("term", "value"), WRONG.values(), ids=WRONG)
def test_unknown_or_wrong_character_sets_are_copied_byte_for_byte(
    make_stack: MakeStack, derive: Derive, term: bytes, value: bytes
) -> None:
    stack = make_stack(lambda header: setattr(header, "PatientComments", "a comment"))
    path = stack.frames[0].path
    wrongly_declared(path, term, value)
    looked_at = dcmread(path)
    str(looked_at)  # decodes every element, for better or worse
    stack = replace(stack, frames=(replace(stack.frames[0], header=looked_at), *stack.frames[1:]))
    file = derive(stack)[0]
    for keyword in ("PatientName", "PatientComments"):
        assert raw(file, keyword) == value
    assert term.strip() in file[:2000]


@pytest.mark.filterwarnings("ignore:(Unknown|Incorrect|Failed to decode|Found unknown|Value '.*' for Specific)")
@pytest.mark.parametrize(
    ("term", "value"), [WRONG[name] for name in WRONG if name != "declared Korean, cut in mid-character"]
)
def test_description_that_cannot_be_read_is_left_out(
    make_stack: MakeStack, derive: Derive, term: bytes, value: bytes
) -> None:
    stack = make_stack(lambda header: setattr(header, "PatientComments", "a comment"))
    wrongly_declared(stack.frames[0].path, term, value)
    assert raw(derive(stack)[0], "SeriesDescription") == b"RESEARCH harmonization siemens-3t"


@pytest.mark.parametrize(
    ("character_set", "description"),
    [("ISO_IR 192", "Schädel 頭部"), ("ISO_IR 100", "tête"), (["", "ISO 2022 IR 87"], "頭部 T1"), ("GB18030", "头部")],
)
def test_description_keeps_the_source_s_words_in_its_character_set(
    make_stack: MakeStack, derive_first: Callable[..., Dataset], character_set: str | list[str], description: str
) -> None:
    def change(header: Dataset) -> None:
        header.SpecificCharacterSet, header.SeriesDescription = character_set, description

    image = derive_first(make_stack(change))
    assert image.SeriesDescription == f"RESEARCH harmonization siemens-3t | {description}"
    assert image.original_character_set == convert_encodings(character_set)


def test_text_inside_sequences_is_copied_byte_for_byte(make_stack: MakeStack, derive: Derive) -> None:
    def change(header: Dataset) -> None:
        own = Dataset()
        own.SpecificCharacterSet, own.CodeMeaning = "ISO_IR 144", "Мозг"
        plain = Dataset()
        plain.CodeMeaning = "tête"
        header.ProcedureCodeSequence = [own, plain]
        header.InstitutionName = "Hôpital"

    file = derive(make_stack(change))[0]
    image = dcmread(BytesIO(file))
    assert [item.CodeMeaning for item in image.ProcedureCodeSequence] == ["Мозг", "tête"]
    assert image.ContributingEquipmentSequence[0].InstitutionName == "Hôpital"
    assert "Мозг".encode("iso8859-5") in file
    assert "tête".encode("latin-1") in file
