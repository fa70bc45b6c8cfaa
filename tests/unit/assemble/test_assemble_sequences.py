"""What stands inside sequences, as rules ask for it; and the kind of pulse sequence."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from dicom_node.assemble.facts import facts_of
from dicom_node.assemble.pulse_sequence import sequence_family
from dicom_node.assemble.sequences import MAX_DEPTH, MAX_ITEMS
from dicom_node.domain.facts import DERIVED_FACTS


def item(**elements: object) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def test_an_element_inside_a_sequence_stands_under_its_path_with_the_values_of_all_items(slices, frames_of) -> None:
    (image,) = slices(1)
    image.RequestAttributesSequence = [
        item(RequestedProcedureDescription="Brain", ScheduledProtocolCodeSequence=[item(CodeValue="MR1")]),
        item(RequestedProcedureDescription="Neck", ScheduledProtocolCodeSequence=[item(CodeValue="MR1")]),
    ]
    image.add_new(0x20051010, "LO", "ours")
    image.add_new(0x20051080, "SQ", [item(EchoTime="3")])
    header = facts_of(frames_of([image])).header
    assert header["RequestAttributesSequence.RequestedProcedureDescription"] == ("Brain", "Neck")
    assert header["RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue"] == "MR1"
    assert header["(2005,1080).EchoTime"] == 3.0


def test_sequences_are_looked_at_as_deep_and_as_far_as_the_limits_say(slices, frames_of) -> None:
    (image,) = slices(1)
    inner = item(CodeValue="deep")
    for _ in range(MAX_DEPTH + 1):
        inner = item(CodeValue="above", ConceptCodeSequence=[inner])
    image.ConceptCodeSequence = [inner]
    image.ReferencedImageSequence = [item(ReferencedSOPInstanceUID=f"1.{n}") for n in range(MAX_ITEMS + 5)]
    header = facts_of(frames_of([image])).header
    found = [value for key, value in header.items() if key.endswith("CodeValue")]
    assert found == ["above"] * MAX_DEPTH
    uids = header["ReferencedImageSequence.ReferencedSOPInstanceUID"]
    assert isinstance(uids, tuple)
    assert len(uids) == MAX_ITEMS


@pytest.mark.parametrize(
    ("kinds", "train", "family"),
    [
        ("SE", 1, "SE"), ("SE", 16, "TSE"), (("SE", "IR"), 16, "TSE"), ("IR", None, "SE"), (("GR", "IR"), 200, "GRE"),
        (("SE", "GR"), 9, "GRASE"), (("SE", "EP"), None, "EPI"), ("RM", None, None), (None, None, None),
    ],
)  # fmt: skip
def test_the_family_of_a_pulse_sequence(kinds, train, family) -> None:
    given = {"ScanningSequence": kinds, "EchoTrainLength": train}
    found = sequence_family({key: value for key, value in given.items() if value is not None})
    assert found == family
    assert family is None or family in DERIVED_FACTS["sequence_family"].values
