"""A stack: the images of a series that can form one volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from dicom_node.domain.facts import Facts


@dataclass(frozen=True, slots=True)
class Frame:
    """One image plane: a classic instance, or one frame of a multi-frame one.

    Attributes
    ----------
    header
        The attributes of a classic image, without pixel data; for a multi-frame source its functional groups
        flattened to their classic keywords.
    sop_class_uid, sop_instance_uid
        Of the file that holds it.
    frame_number
        1-based (PS3.3 10.3.1.1), None in a single-frame instance.
    path
        The file that holds it.
    calling_ae, called_ae
        Who sent it to whom: Sending and Receiving Application Entity Title (0002,0017), (0002,0018); None in a file
        that came another way.
    """

    header: Dataset
    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    path: Path
    calling_ae: str | None = None
    called_ae: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames that form one volume.

    Attributes
    ----------
    label
        What sets it apart from the other stacks of its series, for instance ``EchoTime=30``; empty for the only one.
    frames
        In slice order: frame k lies where slice k of the volume lies.
    facts
        What the rules see.
    """

    label: str
    frames: tuple[Frame, ...]
    facts: Facts
