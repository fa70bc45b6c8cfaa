"""Reference heads: the files that a look is measured on, and why some of them cannot serve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from dicom_node.assemble import gate
from dicom_node.assemble.volume import read_volume
from dicom_node.cli.folders import SeriesOnDisk, series_in
from dicom_node.cli.nifti import read_nifti
from dicom_node.cli.options import is_nifti, show_left_out, shown, waiting
from dicom_node.cli.style_reader import Encoder
from dicom_node.derivation import acquisition_of
from dicom_node.domain.stack import Stack
from dicom_node.errors import NodeError, SeriesRefused
from inference.classical.head import find_head, upper_extents_mm
from inference.contract import Acquisition, InputContract
from inference.errors import ModelRefused
from inference.look import LEVELS, Look, look_of
from inference.volume import Volume

ADVISED = 3
"""So many people, at the least, keep a look from being that of one head."""

CONTRACT = InputContract(
    modality="MR",
    contrasts=("T1", "T2", "PD", "FLAIR"),
    contrast_agent=False,
    derived=True,
    unit="1",
    spacing_mm=(0.4, 8),
    min_slices=10,
    min_field_of_view_mm=100,
    body_parts=("HEAD", "BRAIN", "SKULL", "HEADNECK"),
    skull="kept",
)
"""What can serve as a reference."""

HEAD_MM = (110.0, 280.0)
"""Smallest and largest horizontal extent of a head, as in the output gates of the shipped models."""

LEAST_RATIO = 1.15
"""The 99th percentile of deep tissue over its median: 1.24 and more in real heads of all four contrasts, of which PD is
the flattest, and at most 1.13 in bottles (measured on fifteen volumes; where the line lies between them is chosen)."""

_TAKER = "a look"


@dataclass(frozen=True, slots=True)
class Reference:
    """A head that may serve as a reference.

    Attributes
    ----------
    label
        SeriesInstanceUID and stack, or the name of the file.
    acquisition
        What is known of how it was made.
    refused
        Why it cannot serve; None when nothing that is known so far speaks against it.
    scanner, person
        To tell whether several were mixed; empty when unknown. `person` is never shown or stored.
    read
        Reads the voxels.
    """

    label: str
    acquisition: Acquisition
    refused: str | None
    read: Callable[[], Volume]
    scanner: str = ""
    person: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A look, what it was measured on, and what to mind.

    Attributes
    ----------
    taken, left_out
        Each reference, those that were left out with `refused`.
    cautions
        Sentences for people.
    read
        What an encoder read in each that was taken, where one was asked.
    """

    look: Look
    taken: tuple[Reference, ...]
    left_out: tuple[Reference, ...]
    cautions: tuple[str, ...]
    read: tuple[Sequence[float], ...] = ()


def measure(
    paths: Sequence[Path],
    *,
    contrast: str | None,
    tell: Callable[[Reference], None],
    encoder: Encoder | None = None,
) -> Measured:
    """Measure a look on the heads in some files and folders.

    Parameters
    ----------
    paths
        DICOM files, folders of them, NIfTI files.
    contrast
        Of the NIfTI files, which cannot tell it.
    tell
        Is given each reference as soon as it was measured or left out.
    encoder
        Reads a style in each as well: what it refuses is left out.

    Raises
    ------
    NotFound
        When there is nothing in one of them.
    SeriesRefused
        When the references are of several contrasts, or none can serve.
    """
    with waiting("reading headers"):
        found = _once([each for path in paths for each in references_in(path, contrast=contrast)])
    if encoder is not None:
        found = [replace(each, refused=each.refused or encoder.refusal(each.acquisition)) for each in found]
    of_contrast = _one_contrast(found)
    looks: list[Look] = []
    read: list[Sequence[float]] = []
    taken: list[Reference] = []
    left_out: list[Reference] = []
    for reference in found:
        judged = reference
        if reference.refused is None:
            try:
                with waiting(f"measuring {reference.label}"):
                    volume = reference.read()
                    look = _look(volume, contrast=of_contrast)
                    read += [encoder.read(volume)] if encoder else []
                    looks.append(look)
            except (NodeError, ModelRefused) as refusal:
                judged = replace(reference, refused=str(refusal))
        (taken if judged.refused is None else left_out).append(judged)
        tell(judged)
    if not looks:
        raise SeriesRefused("no reference can serve, for the reasons above")
    deep, head = (np.concatenate([getattr(look, part) for look in looks]) for part in ("deep", "head"))
    return Measured(Look(of_contrast, deep, head), tuple(taken), tuple(left_out), tuple(_cautions(taken)), tuple(read))


def references_in(path: Path, *, contrast: str | None) -> Iterator[Reference]:
    """Give the references in a file or folder, judged by their headers.

    Raises
    ------
    NotFound
        When there is nothing there.
    """
    if is_nifti(path):
        acquisition = Acquisition(modality="MR", contrast=contrast)
        yield Reference(str(path), acquisition, _reason(acquisition), partial(read_nifti, path, unit=CONTRACT.unit))
        return
    content = series_in(path)
    show_left_out(content.left_out)
    for found in content.series:
        yield from _of_series(found)


def _of_series(found: SeriesOnDisk) -> Iterator[Reference]:
    for stack in found.stacks:
        acquisition = acquisition_of(stack)
        field_t = stack.facts.get("field_strength_t")
        scanner = (str(stack.facts.get("manufacturer") or ""), f"{field_t:g} T" if isinstance(field_t, float) else "")
        yield Reference(
            f"{found.series_uid} {stack.label}".rstrip(),
            acquisition,
            found.refused or _reason(acquisition) or gate.refusal(stack),
            partial(read_volume, stack),
            scanner=" ".join(filter(None, scanner)),
            person=_person(stack),
        )
    if not found.stacks:
        yield Reference(found.series_uid, Acquisition(modality=""), found.refused, _nothing)


def _reason(acquisition: Acquisition) -> str | None:
    return "; ".join(CONTRACT.acquisition_violations(acquisition, taker=_TAKER)) or None


def _person(stack: Stack) -> str:
    return str(stack.facts.get("PatientID") or "")


def _nothing() -> Volume:
    raise SeriesRefused("none of its images can be read")


def _once(found: Sequence[Reference]) -> list[Reference]:
    """Refuse what was named twice: it would count twice."""
    seen: set[str] = set()
    once = []
    for each in found:
        once.append(replace(each, refused="it was named before") if each.label in seen else each)
        seen.add(each.label)
    return once


def _one_contrast(found: Sequence[Reference]) -> str:
    """Return the contrast of all references, before minutes are spent on measuring them."""
    counts = Counter(str(each.acquisition.contrast) for each in found if each.refused is None)
    if len(counts) > 1:
        told = " and ".join(f"{count} {contrast}" for contrast, count in counts.most_common())
        fewest, _ = counts.most_common()[-1]
        one = next(each.label for each in found if each.refused is None and each.acquisition.contrast == fewest)
        raise SeriesRefused(f"a look has one contrast, and the references are {told}, {fewest} for instance {one}")
    return next(iter(counts), "")


def _look(volume: Volume, *, contrast: str) -> Look:
    reasons = CONTRACT.volume_violations(volume, taker=_TAKER)
    if reasons:
        raise SeriesRefused("; ".join(reasons))
    head = find_head(volume)
    if not head.inside.any():
        raise SeriesRefused("no head can be told from the air around it")
    short, long = upper_extents_mm(volume, head)
    if not HEAD_MM[0] <= short <= long <= HEAD_MM[1]:
        raise SeriesRefused(f"what is imaged is {short:.0f} x {long:.0f} mm across, which is not the size of a head")
    look = look_of([volume], contrast=contrast)
    middle, top = np.interp((50, 99), LEVELS, look.mean_deep)
    if top < LEAST_RATIO * middle:
        raise SeriesRefused(f"bright and middle tissue hardly differ ({top / middle:.2f} times): is it a phantom?")
    return look


def _cautions(taken: Sequence[Reference]) -> Iterator[str]:
    people = [each.person for each in taken if each.person]
    scanners = sorted({each.scanner for each in taken if each.scanner})
    if len(taken) < ADVISED:
        count = "one reference" if len(taken) == 1 else f"{len(taken)} references"
        yield f"{count}: a look of {ADVISED} people or more depends less on any one head"
    if len(set(people)) < len(people):
        yield "several references are of the same person, who counts that many times"
    if len(scanners) > 1:
        told = ", ".join(map(shown, scanners))
        yield f"the references come from several scanners ({told}): the look lies between them"
