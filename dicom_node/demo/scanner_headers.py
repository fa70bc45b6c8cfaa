"""Header habits of the virtual scanners: what GE, Philips, Siemens and Canon write into MR and CT series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID, CTImageStorage, MRImageStorage

SIMULATED = "SIMULATED: a procedural head, not a patient"


@dataclass(frozen=True, slots=True)
class PrivateBlock:
    """Private elements of one creator.

    Attributes
    ----------
    group, creator
        Where they stand.
    elements
        (offset in the block, VR, value).
    """

    group: int
    creator: str
    elements: tuple[tuple[int, str, Any], ...]


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How a scanner stores pixels.

    Attributes
    ----------
    bits_stored
        BitsStored.
    signed
        PixelRepresentation.
    rescale_type
        RescaleType; None writes no rescale.
    intercept
        RescaleIntercept.
    fills_bits
        True: the slope makes the brightest voxel of the series the largest stored value; false: it is 1.
    window
        WindowCenter and WindowWidth, after rescale; None: of each slice's own range.
    """

    bits_stored: int
    signed: bool
    rescale_type: str | None = None
    intercept: float = 0.0
    fills_bits: bool = False
    window: tuple[float, float] | None = None

    @property
    def largest(self) -> int:
        """The largest value that can be stored."""
        return int(2 ** (self.bits_stored - self.signed)) - 1


@dataclass(frozen=True, slots=True)
class Habits:
    """What one scanner writes into every image.

    Attributes
    ----------
    ae_title
        Of the scanner.
    sop_class_uid
        Of its images.
    pixels
        How it stores them.
    attributes
        Keyword -> value.
    private
        Its private elements that are the same in all images.
    counts
        Takes the number of images in a series to the private elements that tell it.
    """

    ae_title: str
    sop_class_uid: UID
    pixels: PixelFormat
    attributes: Mapping[str, Any]
    private: tuple[PrivateBlock, ...] = ()
    counts: Callable[[int], tuple[PrivateBlock, ...]] = lambda images: ()


def ge_counts(images: int) -> tuple[PrivateBlock, ...]:
    """Return how GE tells the number of images in the series."""
    return (PrivateBlock(0x0025, "GEMS_SERS_01", ((0x07, "SL", images), (0x19, "SL", images))),)


def philips_counts(images: int) -> tuple[PrivateBlock, ...]:
    """Return how Philips tells the number of slices in the series."""
    return (PrivateBlock(0x2001, "Philips Imaging DD 001", ((0x18, "SL", images),)),)


_MR = {"Modality": "MR", "ImagedNucleus": "1H", "NumberOfAverages": 1, "EchoNumbers": 1, "AngioFlag": "N"}

GE_MR = Habits(
    ae_title="GE_SCANNER",
    sop_class_uid=MRImageStorage,
    pixels=PixelFormat(bits_stored=16, signed=True),
    attributes=_MR | {
        "Manufacturer": "GE MEDICAL SYSTEMS",
        "StationName": "GEVIRTUAL",
        "SoftwareVersions": "SIMULATED",
        "DeviceSerialNumber": "0000000000GEMR",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanOptions": ["FAST_GEMS", "EDR_GEMS", "FILTERED_GEMS"],
        "PixelBandwidth": 244.141,
        "ReceiveCoilName": "8HRBRAIN",
        "VariableFlipAngleFlag": "N",
    },
    private=(
        PrivateBlock(0x0009, "GEMS_IDEN_01", ((0x01, "LO", "GE_GENESIS_FF"), (0x02, "SH", "VIRTUAL"))),
        PrivateBlock(0x0043, "GEMS_PARM_01", ((0x2F, "SS", 0),)),  # magnitude image
    ),
    counts=ge_counts,
)  # fmt: skip
PHILIPS_MR = Habits(
    ae_title="PHILIPS_MR",
    sop_class_uid=MRImageStorage,
    pixels=PixelFormat(bits_stored=12, signed=False, rescale_type="normalized", fills_bits=True),
    attributes=_MR | {
        "Manufacturer": "Philips Medical Systems",
        "StationName": "PHVIRTUAL",
        "SoftwareVersions": "SIMULATED",
        "DeviceSerialNumber": "00PHMR",
        "ScanOptions": "OTHER",
        "PixelBandwidth": 142.0,
        "ReceiveCoilName": "SENSE-Head-8",
        "TransmitCoilName": "B",
    },
    counts=philips_counts,
)  # fmt: skip
SIEMENS_MR = Habits(
    ae_title="SIEMENS_MR",
    sop_class_uid=MRImageStorage,
    pixels=PixelFormat(bits_stored=12, signed=False),
    attributes=_MR | {
        "Manufacturer": "SIEMENS",
        "StationName": "SIEVIRTUAL",
        "SoftwareVersions": "SIMULATED",
        "DeviceSerialNumber": "00000SIEMR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
        "ScanOptions": "",
        "PixelBandwidth": 200,
        "TransmitCoilName": "Body",
        "VariableFlipAngleFlag": "N",
        "dBdt": 0,
        "WindowCenterWidthExplanation": "Algo1",
    },
    private=(
        PrivateBlock(0x0029, "SIEMENS CSA HEADER", ()),  # only the creator: its elements are protocols of real scans
        PrivateBlock(0x0051, "SIEMENS MR HEADER", ((0x0F, "LO", "HEA;HEP"), (0x16, "LO", "M/ND/NORM"))),
    ),
)  # fmt: skip
CANON_MR = Habits(
    ae_title="CANON_MR",
    sop_class_uid=MRImageStorage,
    pixels=PixelFormat(bits_stored=16, signed=True),
    attributes=_MR | {
        "Manufacturer": "CANON_MEC",
        "StationName": "CANVIRTUAL",
        "SoftwareVersions": "SIMULATED",
        "DeviceSerialNumber": "0000CANMR",
        "ImageType": ["ORIGINAL", "PRIMARY", "GDC"],
        "ScanOptions": "",
        "PixelBandwidth": 244,
        "TransmitCoilName": "QD Whole Body",
        "ReceiveCoilName": "32ch Head SPDR",
    },
)  # fmt: skip
SIEMENS_CT = Habits(
    ae_title="CT_SCANNER",
    sop_class_uid=CTImageStorage,
    pixels=PixelFormat(bits_stored=12, signed=False, rescale_type="HU", intercept=-1024.0, window=(40.0, 80.0)),
    attributes={
        "Modality": "CT",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Sensation 64",
        "StationName": "CTVIRTUAL",
        "SoftwareVersions": "SIMULATED",
        "DeviceSerialNumber": "00000CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "KVP": 120,
        "ExposureTime": 1000,
        "XRayTubeCurrent": 300,
        "ConvolutionKernel": "H30s",
        "GantryDetectorTilt": 0,
        "TableHeight": 150,
        "RotationDirection": "CW",
        "FilterType": "0",
    },
)  # fmt: skip


def philips_scale(rescale_slope: float) -> tuple[PrivateBlock, ...]:
    """Return Philips's scale slope SS: D / (RS * SS) is the signal that the coils gave, for rescaled values D.

    The rescale slope RS only fits D into 12 bits (Chenevert et al. 2014, Transl Oncol 7:65); SS here is such that
    RS * SS is 0.01 in every series, since the simulated signal has no absolute value.
    """
    elements = ((0x0D, "FL", 0.0), (0x0E, "FL", 0.01 / rescale_slope))
    return (PrivateBlock(0x2005, "Philips MR Imaging DD 001", elements),)


def add_private(ds: Dataset, blocks: tuple[PrivateBlock, ...]) -> None:
    """Add private elements to a data set."""
    for block in blocks:
        room = ds.private_block(block.group, block.creator, create=True)
        for offset, vr, value in block.elements:
            room.add_new(offset, vr, value)
