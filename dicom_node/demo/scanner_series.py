"""A scan of any virtual site as the DICOM series that a scanner of its vendor would send."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset

from dicom_node.demo.scanner_headers import CANON_MR, GE_MR, PHILIPS_MR, SIEMENS_MR, Habits
from dicom_node.demo.scanner_images import Examination, SeriesPlan, images
from dicom_node.demo.scanner_sequences import attributes_of, description_of
from inference.volume import Volume
from training.simulate.grid import Plane
from training.simulate.sites import Site

HABITS: dict[str, Habits] = {"GE": GE_MR, "Philips": PHILIPS_MR, "Siemens": SIEMENS_MR, "Canon": CANON_MR}
"""Vendor of a site to the habits of its scanners."""

_ACROSS: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
"""The plane of slices that follow each other along x, y, z."""


def series_of(volume: Volume, site: Site, *, examination: Examination, number: int) -> list[Dataset]:
    """Write a scan with the header habits of its site's vendor.

    Parameters
    ----------
    volume
        What `training.simulate.scan.scan` made at the site, on the site's grid or another one.
    site
        Vendor, magnet and sequence stand in the headers as its scanners write them.
    examination
        Patient and study.
    number
        SeriesNumber; in one examination, another for every series.

    Returns
    -------
    One image a slice, from the first slice of the volume on.
    """
    habits = HABITS[site.vendor]
    plane = _ACROSS[int(np.argmax(np.abs(volume.affine[:3, 0])))]
    slices = len(volume.voxels)
    attributes = attributes_of(site, plane)
    if site.vendor == "GE":
        attributes["ImagesInAcquisition"] = slices
    plan = SeriesPlan(
        number=number,
        description=description_of(site, plane),
        habits=habits,
        frame=site.name,
        attributes=attributes,
        private=habits.counts(slices),
    )
    datasets = images(volume, plan, examination)
    if site.vendor == "Siemens" and site.grid.thickness_mm is None:
        for ds in datasets:
            del ds.SpacingBetweenSlices  # Siemens states it of 2D series only
    return datasets
