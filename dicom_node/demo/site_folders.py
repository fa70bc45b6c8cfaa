"""Folders of DICOM as a hospital would gather them for training: a folder a scanner, in it a folder a person.

``python -m dicom_node.demo.site_folders my-sites --people 4``
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dicom_node.demo.scanner_images import Examination
from dicom_node.demo.scanner_series import series_of
from training.evaluate.people import coarser
from training.simulate.head import procedural_head
from training.simulate.scan import scan
from training.simulate.sites import GSEV, SMC, Site

SCANNERS: Mapping[str, Site] = {"ward-ge": GSEV, "ward-philips": SMC}
"""Name of a folder -> the virtual scanner whose images lie in it."""

_FIRST_SEED = 500


def write_sites(folder: Path, *, people: int, spacing_mm: float) -> list[Path]:
    """Write a T1 of each person as the scanner of its folder would send it; nobody is in two of them.

    Parameters
    ----------
    folder
        Is made, with a folder of `SCANNERS` each.
    people
        A scanner.
    spacing_mm
        About the voxels; 2 and more is quick.

    Returns
    -------
    The folder of each person.

    Raises
    ------
    FileExistsError
        When one of them is there already.
    """
    made = []
    for number, (name, site) in enumerate(SCANNERS.items()):
        scanner = replace(site, grid=coarser(site.grid, spacing_mm))
        for person in range(people):
            seed = _FIRST_SEED + number * people + person
            examination = Examination(identity=(str(seed), str(spacing_mm)), patient_id=f"DEMO-{seed:04d}")
            volume = scan(procedural_head(seed, max(spacing_mm, 1.0)), scanner, seed=seed)
            place = folder / name / f"person-{person + 1:02d}"
            place.mkdir(parents=True)
            for image, ds in enumerate(series_of(volume, scanner, examination=examination, number=2), start=1):
                ds.save_as(place / f"{image:04d}.dcm", enforce_file_format=True)
            made.append(place)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, and tell what."""
    parser = argparse.ArgumentParser(prog="python -m dicom_node.demo.site_folders", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new one")
    parser.add_argument("--people", type=int, default=4, help="a scanner")
    parser.add_argument("--spacing-mm", type=float, default=2.0, help="about the voxels")
    options = parser.parse_args(arguments)
    for place in write_sites(options.folder, people=options.people, spacing_mm=options.spacing_mm):
        print(f"{place}: {len(list(place.iterdir()))} images")


if __name__ == "__main__":
    main()
