"""What the node exchanges: SOP classes and transfer syntaxes, in order of preference (PS3.4 B.5, PS3.5 10)."""

from __future__ import annotations

from pydicom import uid
from pydicom.uid import UID
from pynetdicom import AllStoragePresentationContexts

VERIFICATION = UID("1.2.840.10008.1.1")

STORAGE_CLASSES: tuple[UID, ...] = tuple(
    sorted(
        (context.abstract_syntax for context in AllStoragePresentationContexts if context.abstract_syntax),
        key=lambda sop_class: [int(part) for part in sop_class.split(".")],
    )
)
"""Every standard storage SOP class that pynetdicom knows."""

UNCOMPRESSED_LITTLE_ENDIAN: tuple[UID, ...] = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
"""The two that a data set can change between without touching a value."""

TRANSFER_SYNTAXES: tuple[UID, ...] = (
    # Of several in one context the first here is chosen: explicit VR keeps the VR of private elements
    *UNCOMPRESSED_LITTLE_ENDIAN,
    uid.ExplicitVRBigEndian,
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000MCLossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.RLELossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.JPEG2000MC,
    uid.HTJ2K,
    uid.MPEG2MPML,
    uid.MPEG2MPMLF,
    uid.MPEG2MPHL,
    uid.MPEG2MPHLF,
    uid.MPEG4HP41,
    uid.MPEG4HP41F,
    uid.MPEG4HP41BD,
    uid.MPEG4HP41BDF,
    uid.MPEG4HP422D,
    uid.MPEG4HP422DF,
    uid.MPEG4HP423D,
    uid.MPEG4HP423DF,
    uid.MPEG4HP42STEREO,
    uid.MPEG4HP42STEREOF,
    uid.HEVCMP51,
    uid.HEVCM10P51,
)
"""What the node stores, as it comes.

Deflated Explicit VR Little Endian is not among them: a few hundred kilobytes of it can inflate to gigabytes, and the
key of an instance cannot be read without inflating. The JPIP syntaxes are not either: their pixel data lies elsewhere.
"""
