"""Which stacks no model may see, and why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom_node.assemble.elements import UNREADABLE, unquoted, value_of
from dicom_node.assemble.geometry import PLANES, Plane, anatomical_plane, irregularity, plane_of, slice_spacing_mm
from dicom_node.domain.provenance import MODEL_NAME
from dicom_node.domain.stack import Frame, Stack

MAX_VOXELS = 1 << 29
"""Refused before decoding: 2 GiB of float32, twice the largest clinical CT."""

_LOCALIZER_SLICES = 20
"""Localizers have at most this many images in a plane; no volume in three planes has so few."""

_LOCALIZER = re.compile(r"localizer|localiser|scout|survey|3[ -]?pl|pilot", re.IGNORECASE)
_REFORMAT = frozenset({"MPR", "MIP", "MINIP", "MNIP", "PROJECTION", "CPR", "VRT", "SSD", "REFORMATTED", "CURVED"})
_SCREEN = frozenset({"SCREEN", "SCREENSHOT", "SCREENSAVE"})
_KIND = (
    "ImageType", "ComplexImageComponent", "ScanningSequence", "EchoTime", "DiffusionBValue", "ContrastBolusAgent",
)  # fmt: skip
_SAME_KIND = 0.1
"""How far the numbers among these may differ, in parts: some scanners round the echo time slice by slice."""
_FEWEST_TO_COUNT = 3
_CALCULATED = frozenset({"MPR", "CURVED_MPR", "MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER"})


def series_refusal(frames: Sequence[Frame], broken: Sequence[str] = ()) -> str | None:
    """Say why a series as a whole must not be processed, None when its stacks may be looked at one by one.

    Parameters
    ----------
    frames
        All of the series.
    broken
        Reasons of its files that could not be read: a series with an unreadable slice is not whole.
    """
    if broken:
        return f"{len(broken)} of its files cannot be read: {sorted(broken)[0]}"
    if not frames:
        return "it holds no images that could form a volume"
    with unquoted():
        for keyword, what in (("PatientID", "patient"), ("StudyInstanceUID", "study"), ("Modality", "modality")):
            if len({str(value_of(frame.header, keyword)).strip() for frame in frames}) > 1:
                return f"its images name more than one {what} ({keyword} differs)"
        return _three_planes(frames)


def _three_planes(frames: Sequence[Frame]) -> str | None:
    planes = [plane for frame in frames if isinstance(plane := plane_of(frame.header), Plane)]
    count = Counter(anatomical_plane(plane) for plane in planes)
    if len(count) == len(PLANES) and max(count.values()) <= _LOCALIZER_SLICES:
        return f"it is a localizer: {len(planes)} images in three planes"
    return None


def refusal(stack: Stack) -> str | None:
    """Say why a stack must not reach a model, None when it may."""
    with unquoted():
        try:
            return next((reason for check in _CHECKS if (reason := check(stack)) is not None), None)
        except UNREADABLE as error:
            return f"its header holds values that cannot be read ({type(error).__name__})"


def _own_work(stack: Stack) -> str | None:
    for frame in stack.frames:
        if frame.header.get("SyntheticData") == "YES":
            return "it was made by a model already (SyntheticData is YES)"
        makers = (frame.header, *(frame.header.get("ContributingEquipmentSequence") or ()))
        if any(maker.get("ManufacturerModelName") == MODEL_NAME for maker in makers):
            return "a node of this kind made it (equipment)"
    return None


def _image_type(stack: Stack) -> str | None:
    for frame in stack.frames:
        values = [str(value).upper() for value in _several(frame.header.get("ImageType"))]
        words = {word for value in values for word in re.findall(r"[A-Z0-9]+", value)}
        derived = values[:1] == ["DERIVED"]
        if "LOCALIZER" in words or "SCOUT" in words:
            return "it is a localizer (ImageType)"
        if "MOSAIC" in words:
            return (
                "its slices are tiled into mosaic images (ImageType MOSAIC): send the series as enhanced or unmosaiced"
            )
        if words & _SCREEN:
            return "it is a screen capture (ImageType)"
        # GE calls original images of oblique slices ORIGINAL\PRIMARY\MPR: only derived ones are reformats
        if derived and (kinds := words & _REFORMAT):
            return f"it is a reformat or projection, not an acquisition (ImageType DERIVED, {' '.join(sorted(kinds))})"
        if derived and frame.header.get("VolumeBasedCalculationTechnique") in _CALCULATED:
            return "it is a reformat or projection, not an acquisition (VolumeBasedCalculationTechnique)"
    return None


def _few_images(stack: Stack) -> str | None:
    named = " ".join(str(stack.facts.header.get(keyword, "")) for keyword in ("SeriesDescription", "ProtocolName"))
    if len(stack.frames) <= _LOCALIZER_SLICES and _LOCALIZER.search(named):
        return f"it is a localizer by its name, with {len(stack.frames)} images"
    return "a single slice makes no volume" if len(stack.frames) < 2 else None


def _one_kind(stack: Stack) -> str | None:
    """Compare what makes the contrast of MR: what is known of a stack is read from its first frame alone."""
    if stack.facts.header.get("Modality") != "MR":
        return None
    first = stack.frames[0].header
    for frame in stack.frames:
        for keyword in _KIND:
            if not _alike(value_of(first, keyword), value_of(frame.header, keyword)):
                return f"its images are not all of one kind: {keyword} differs"
    return None


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_SAME_KIND)
    return bool(one == other)


def _pixels(stack: Stack) -> str | None:
    for frame in stack.frames:
        reason = _pixel_module(frame.header)
        if reason is not None:
            return reason
    first = stack.frames[0].header
    voxels = len(stack.frames) * first.Rows * first.Columns
    return f"it is too large: {voxels} voxels, {MAX_VOXELS} are the most" if voxels > MAX_VOXELS else None


def _pixel_module(header: Dataset) -> str | None:
    photometric = header.get("PhotometricInterpretation")
    table: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: header.get("BurnedInAnnotation") == "YES", "text is burned into its pixels (BurnedInAnnotation YES)"),
        (lambda: header.get("SamplesPerPixel") != 1, "its images are in colour"),
        (lambda: photometric == "MONOCHROME1", "its grey scale is inverted (MONOCHROME1)"),
        (lambda: photometric != "MONOCHROME2", "its images are not plain grey (PhotometricInterpretation)"),
        (lambda: header.BitsAllocated not in (8, 16, 32), f"BitsAllocated {header.BitsAllocated} is not read"),
        (
            lambda: not header.HighBit + 1 == header.BitsStored <= header.BitsAllocated,
            "BitsAllocated, BitsStored and HighBit contradict each other",
        ),
        (lambda: header.get("PixelRepresentation") not in (0, 1), "PixelRepresentation is neither 0 nor 1"),
        (lambda: min(header.Rows, header.Columns) < 2, "its images have no rows or columns"),
        (lambda: not _scales(header), "RescaleSlope or RescaleIntercept is zero or no number"),
    )
    return next((reason for fails, reason in table if fails()), None) or _codec(header)


def _scales(header: Dataset) -> bool:
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    slope, intercept = (1 if slope in (None, "") else slope), (0 if intercept in (None, "") else intercept)
    return math.isfinite(float(slope)) and float(slope) != 0 and math.isfinite(float(intercept))


def _codec(header: Dataset) -> str | None:
    syntax = UID(header.file_meta.TransferSyntaxUID)
    try:
        if not syntax.is_compressed or get_decoder(syntax).is_available:
            return None
    except (NotImplementedError, ValueError):
        pass
    return f"no decoder for its transfer syntax is installed ({syntax.name})"


def _image_planes(stack: Stack) -> str | None:
    planes = []
    for frame in stack.frames:
        plane = plane_of(frame.header)
        if isinstance(plane, str):
            return plane
        planes.append(plane)
    reason = irregularity(planes)
    if reason is None and not value_of(stack.frames[0].header, "FrameOfReferenceUID"):
        return "FrameOfReferenceUID is missing: a derived series could not lie over it"
    return reason


def _thinned(stack: Stack) -> str | None:
    """Tell whether a regular stack is what is left of a finer one, as when one half of an interleaved scan is lost.

    Numbers that are left out alone show nothing (echoes are counted in turn), nor does a spacing that is larger than a
    header says, which scanners get wrong; that both go by the same factor is no chance.
    """
    numbers = [value_of(frame.header, "InstanceNumber") for frame in stack.frames if frame.frame_number is None]
    if len(numbers) < max(_FEWEST_TO_COUNT, len(stack.frames)) or not all(isinstance(one, int) for one in numbers):
        return None
    steps = {abs(second - first) for first, second in pairwise(numbers)}
    step = steps.pop() if len(steps) == 1 else 1
    spacing = slice_spacing_mm(stack.frames) or 0.0
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        said = value_of(stack.frames[0].header, keyword)
        if step > 1 and isinstance(said, int | float) and math.isclose(spacing, step * said, rel_tol=_SAME_KIND):
            return (
                f"only one slice of every {step} is there: InstanceNumber goes up by {step}, and the slices lie "
                f"{step} times as far apart as {keyword} says"
            )
    return None


def _several(value: Any) -> Sequence[Any]:
    return () if value is None else (value,) if isinstance(value, str) else value


_CHECKS: tuple[Callable[[Stack], str | None], ...] = (
    _own_work, _image_type, _few_images, _one_kind, _pixels, _image_planes, _thinned,
)  # fmt: skip
"""In the order in which their reasons help most: what the images are, before what is wrong with them."""
