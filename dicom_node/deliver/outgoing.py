"""Files on their way out: the contexts that they need, and how they share associations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from dicom_node.dimse.contexts import UNCOMPRESSED_LITTLE_ENDIAN
from dicom_node.errors import DeliveryRefused

MAXIMUM_CONTEXTS = 128
"""Of one association: their ids are the odd numbers of a byte (PS3.8 9.3.2.2)."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file to be sent, by its file meta information (PS3.10 7.1)."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    @property
    def contexts(self) -> tuple[tuple[str, str], ...]:
        """SOP class and transfer syntax of each context it may go under, the one that leaves it as it is first."""
        syntaxes = [self.transfer_syntax_uid]
        if self.transfer_syntax_uid in UNCOMPRESSED_LITTLE_ENDIAN:
            syntaxes += [syntax for syntax in UNCOMPRESSED_LITTLE_ENDIAN if syntax != self.transfer_syntax_uid]
        return tuple((self.sop_class_uid, str(syntax)) for syntax in syntaxes)


@dataclass(slots=True)
class Batch:
    """Files that go over one association, and the contexts to propose for them, each once."""

    files: list[Outgoing] = field(default_factory=list)
    contexts: dict[tuple[str, str], None] = field(default_factory=dict)


def read_outgoing(path: Path) -> Outgoing:
    """Return what sending a file needs to know.

    Raises
    ------
    DeliveryRefused
        When it is not a readable DICOM file.
    """
    try:
        meta = read_file_meta_info(path)
        return Outgoing(
            path,
            str(meta.MediaStorageSOPClassUID),
            str(meta.MediaStorageSOPInstanceUID),
            str(meta.TransferSyntaxUID),
        )
    except OSError as error:
        raise DeliveryRefused(f"cannot read {path}: {error.strerror or error}") from None
    except (InvalidDicomError, AttributeError):
        raise DeliveryRefused(f"{path} is not a DICOM file with file meta information (PS3.10 7.1)") from None


def batches(files: Sequence[Outgoing]) -> Iterator[Batch]:
    """Yield files in their order, grouped so that no association needs more contexts than there can be."""
    batch = Batch()
    for file in files:
        needed = [context for context in file.contexts if context not in batch.contexts]
        if len(batch.contexts) + len(needed) > MAXIMUM_CONTEXTS:
            yield batch
            batch, needed = Batch(), list(file.contexts)
        batch.files.append(file)
        batch.contexts.update(dict.fromkeys(needed))
    if batch.files:
        yield batch
