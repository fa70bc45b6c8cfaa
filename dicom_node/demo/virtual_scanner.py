"""A virtual scanner: one patient's study as three scanners would send it to the node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import Dataset

from dicom_node.demo.scanner_headers import GE_MR, SIEMENS_CT
from dicom_node.demo.scanner_images import Examination, SeriesPlan, images
from dicom_node.demo.scanner_sequences import attributes_of
from dicom_node.demo.scanner_series import HABITS, series_of
from dicom_node.demo.truth import Scene
from training.simulate.ct import HEAD_CT, ct_scan
from training.simulate.grid import Grid, Plane
from training.simulate.head import Head, procedural_head
from training.simulate.scan import scan
from training.simulate.sequences import Mprage, SpoiledGradientEcho
from training.simulate.sites import ADNI, SMC, Site

_GE = replace(
    ADNI,
    sequence=Mprage(cycle_ms=2400, inversion_ms=1000, echoes=124, echo_spacing_ms=9.2, echo_ms=3.9, flip_deg=8),
    grid=Grid("sagittal", (124, 256, 256), (1.5, 0.9375, 0.9375)),
)
"""Thicker slices than at that site: a series of another length than Philips's."""
_LOCALIZER = SpoiledGradientEcho(repetition_ms=25, echo_ms=4.5, flip_deg=30)
_LOCALIZER_CENTRE = (0.0, -11.0, -20.0)
_PLANES: tuple[Plane, ...] = ("axial", "sagittal", "coronal")


@dataclass(frozen=True, slots=True, eq=False)
class ScannedSeries:
    """A series that a scanner is about to send.

    Attributes
    ----------
    name
        What it is, for a person.
    ae_title
        Of the scanner.
    datasets
        Its images, in the order in which the scanner sends them.
    scene
        What another scanner needs to scan the same; None where there is no one volume of MR.
    """

    name: str
    ae_title: str
    datasets: list[Dataset]
    scene: Scene | None = None

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return str(self.datasets[0].SeriesInstanceUID)


def demo_study(seed: int, *, spacing_mm: float = 1.0, study: str = "") -> list[ScannedSeries]:
    """Scan one patient: a localizer and a T1 on a GE 1.5 T, a T1 on a Philips 3 T, a CT.

    That one study comes from three scanners is of the demo: it shows what the rules tell apart.

    Parameters
    ----------
    seed
        The patient, and all noise: the same seed, the same study, UIDs included.
    spacing_mm
        Of the anatomy and, when it is coarser than 1 mm, of the images too: 2 scans an eighth of the voxels.
    study
        Any text: another text gives the same images under other UIDs, as if the patient came again.
    """
    head = procedural_head(seed, spacing_mm)
    coarse_head = head if spacing_mm >= 2 else procedural_head(seed, 2.0)  # enough for a localizer, and quick
    examination = Examination(identity=(str(seed), str(spacing_mm), study), patient_id=f"DEMO-{seed:04d}")
    coarser = max(spacing_mm, 1.0)
    return [
        _localizer(coarse_head, examination, coarser),
        _t1("GE 1.5 T T1", 2, site=_coarse(_GE, coarser), head=head, examination=examination),
        _t1("Philips 3 T T1", 301, site=_coarse(SMC, coarser), head=head, examination=examination),
        _ct(head, examination, coarser),
    ]


def save_study(study: Iterable[ScannedSeries], folder: Path) -> list[Path]:
    """Write every image of a study into a new folder, one folder a series, in the order of sending."""
    paths = []
    for series in study:
        place = folder / series.name.replace(" ", "_")
        place.mkdir(parents=True)
        for number, ds in enumerate(series.datasets, start=1):
            paths.append(place / f"{number:04d}.dcm")
            ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def _localizer(head: Head, examination: Examination, coarser: float) -> ScannedSeries:
    """Scan three single slices, one a plane: no volume, and no model may see it."""
    site = replace(ADNI, sequence=_LOCALIZER)
    plan = SeriesPlan(
        number=1,
        description="3-Plane Localizer",
        habits=GE_MR,
        frame=site.name,
        attributes=attributes_of(site, "axial") | {
            "ImageType": ["ORIGINAL", "PRIMARY", "OTHER", "LOCALIZER"],
            "MRAcquisitionType": "2D",
            "ImagesInAcquisition": len(_PLANES),
        },
        private=GE_MR.counts(len(_PLANES)),
    )  # fmt: skip
    datasets = []
    for number, plane in enumerate(_PLANES, start=1):
        grid = _coarser(Grid(plane, (1, 256, 256), (5.0, 1.0, 1.0), centre_mm=_LOCALIZER_CENTRE), coarser)
        datasets += images(scan(head, site, seed=number, grid=grid), plan, examination, first=number)
    return ScannedSeries("localizer", GE_MR.ae_title, datasets)


def _t1(name: str, number: int, *, site: Site, head: Head, examination: Examination) -> ScannedSeries:
    datasets = series_of(scan(head, site, seed=number), site, examination=examination, number=number)
    return ScannedSeries(name, HABITS[site.vendor].ae_title, datasets, Scene(head, site.grid))


def _ct(head: Head, examination: Examination, coarser: float) -> ScannedSeries:
    plan = SeriesPlan(number=4, description="Head  2.5  H30s", habits=SIEMENS_CT, frame=SIEMENS_CT.ae_title)
    volume = ct_scan(head, seed=plan.number, grid=_coarser(HEAD_CT, coarser))
    return ScannedSeries("CT", SIEMENS_CT.ae_title, images(volume, plan, examination))


def _coarse(site: Site, factor: float) -> Site:
    return replace(site, grid=_coarser(site.grid, factor))


def _coarser(grid: Grid, factor: float) -> Grid:
    """Return a grid over the same field of view with voxels `factor` times as large."""
    slices, rows, columns = (max(round(n / factor), 1) for n in grid.shape)
    s, r, c = (mm * factor for mm in grid.spacing_mm)
    return replace(grid, shape=(slices, rows, columns), spacing_mm=(s, r, c))
