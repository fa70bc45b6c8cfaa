"""The page on virtual scanners: its picture and its table, made anew.

``python -m training.simulate.report --data FOLDER`` writes ``docs/images/virtual-scanners.png`` and the table of
``docs/explanation/virtual-scanners.md``. It needs label maps and real volumes, and a few minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.progress import track
from scipy import ndimage

from inference.classical.head import find_head
from inference.errors import ModelRefused
from inference.volume import Float32Array, Volume
from training.evaluate.real import data_folder, read_real
from training.evaluate.splits import RealVolume, read_splits
from training.simulate.head import Head, procedural_head
from training.simulate.labelmap import VERTEX_MM, labelmap_head
from training.simulate.scan import scan
from training.simulate.shapes import Point
from training.simulate.sites import SITES, Site
from training.simulate.statistics import Statistics, statistics
from training.simulate.unseen import UNSEEN

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "explanation" / "virtual-scanners.md"
PICTURE = DOCS / "images" / "virtual-scanners.png"

HEADS = ("02", "09")
"""Label maps of the table: of the training side, so that nobody looks at heads that are tested on."""

_SHOWN = {
    "ixi": "REAL: IXI012 (IXI, CC BY-SA 3.0)",
    "patient04-t1": "REAL: T1, patient 04 (Lesjak, CC BY)",
    "patient12-s1-t1": "REAL: T1, patient 12 (Lesjak, CC BY)",
    "patient12-s1-t2": "REAL: T2, patient 12 (Lesjak, CC BY)",
    "patient12-s1-flair": "REAL: FLAIR, patient 12 (Lesjak, CC BY)",
}
"""Adults whose licence lets an axial slice be shown with their name."""

_VENTRICLES_MM: Point = (0.0, 2.0, 24.0)
_SIDE_MM = 232.0
_PIXELS = 232
_COLUMNS = 4
_SHADES = 96
_BEGIN, _END = "<!-- table: begin -->", "<!-- table: end -->"
_HEADINGS = (
    "Volume", "Deep p10", "p50", "p99", "Dark class", "Middle class", "Width of bright class", "Noise", "Field (N4)",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Write picture and table; return 0, or 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of label maps and real volumes")
    try:
        data = data_folder(parser.parse_args(arguments).data)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    if data is None:
        print("name the folder of label maps and real volumes: --data", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as unpacked:
        save(draw(data, Path(unpacked)), PICTURE)
        rows = table(data, Path(unpacked))
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(_BEGIN)[0], page.split(_END)[1]
    PAGE.write_text(f"{before}{_BEGIN}\n{rows}{_END}{after}", encoding="utf-8")
    return 0


def draw(data: Path, unpacked: Path) -> Figure:
    """Draw one head at every site, and real heads: an axial slice of each, above the eyes."""
    head = _labelmap(data, HEADS[0])
    tiles = [
        (f"{name}: {site.contrast}, simulated", axial(scan(head, site, seed=1), at_mm=_VENTRICLES_MM))
        for name, site in _sites().items()
    ]
    for name, caption in _SHOWN.items():
        volume = read_real(data, read_splits().real[name].path, unpacked=unpacked)
        if volume is not None:
            tiles.append((caption, axial(volume, at_mm=_ventricles_mm(volume))))
    rows = -(-len(tiles) // _COLUMNS)
    figure = Figure(figsize=(2.3 * _COLUMNS, 2.5 * rows), dpi=110, facecolor="black", layout="tight")
    for place, (caption, plane) in enumerate(tiles, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        axes.imshow(plane, cmap="gray", vmin=0, vmax=float(np.percentile(plane, 99.0)))
        axes.set_title(caption, color="white", fontsize=6.5)
        axes.set_axis_off()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG with few shades of grey: a small file, and looking the same."""
    drawn = BytesIO()
    figure.savefig(drawn)
    Image.open(drawn).convert("L").quantize(_SHADES, dither=Image.Dither.NONE).save(path, optimize=True)


def axial(volume: Volume, *, at_mm: Point) -> Float32Array:
    """Return an axial slice around a point, as radiologists hang it; shape (rows, columns), a pixel a mm."""
    steps = np.linspace(-_SIDE_MM / 2, _SIDE_MM / 2, _PIXELS)
    across, down = np.meshgrid(at_mm[0] + steps, at_mm[1] + steps)
    points = np.stack([across, down, np.full(across.shape, at_mm[2]), np.ones(across.shape)]).reshape(4, -1)
    plane = ndimage.map_coordinates(volume.voxels, (np.linalg.inv(volume.affine) @ points)[:3], order=1, cval=0.0)
    return np.asarray(plane.reshape(across.shape), np.float32)


def _ventricles_mm(volume: Volume) -> Point:
    """Return the middle of the head as far below its top as the lateral ventricles lie: above the eyes."""
    nodes = np.argwhere(find_head(volume).inside[::2, ::2, ::2]) * 2
    x, y, z = volume.affine[:3, :3] @ nodes.T + volume.affine[:3, 3:]
    level = float(np.percentile(z, 99.98)) - (VERTEX_MM - _VENTRICLES_MM[2])
    upper = z > level
    return (float(x[upper].min() + x[upper].max()) / 2, float(y[upper].min() + y[upper].max()) / 2, level)


def table(data: Path, unpacked: Path) -> str:
    """Return the statistics of simulated and real volumes as Markdown."""
    lines = [f"| {' | '.join(_HEADINGS)} |", f"|{' --- |' * len(_HEADINGS)}"]
    for title, volumes in track(list(_rows(data, unpacked)), description="volumes", console=Console(stderr=True)):
        measured = list(_measured(volumes))
        lines.append(f"| {title} | {' | '.join(_cells(measured)) if measured else 'no head found |' * 8} |")
    return "\n".join(lines) + "\n"


def _rows(data: Path, unpacked: Path) -> Iterator[tuple[str, list[Callable[[], Volume | None]]]]:
    """Give each row its title and the volumes that it is the mean of."""
    for name, site in _sites().items():
        heads = HEADS if site.contrast == "T1" else HEADS[:1]
        yield (
            f"{name}, {site.contrast}, {len(heads)} label map{'s' * (len(heads) > 1)}",
            [partial(_scanned, data, number, site) for number in heads],
        )
    yield "siemens-3t, T1, drawn head", [lambda: scan(procedural_head(1), SITES["siemens-3t"], seed=1)]
    for name, real in read_splits().real.items():
        yield f"**real** {name}, {real.contrast} ({real.side})", [partial(_read, data, real, unpacked)]


def _scanned(data: Path, number: str, site: Site) -> Volume:
    return scan(_labelmap(data, number), site, seed=1)


def _read(data: Path, real: RealVolume, unpacked: Path) -> Volume | None:
    return read_real(data, real.path, unpacked=unpacked)


def _measured(volumes: Iterable[Callable[[], Volume | None]]) -> Iterator[Statistics]:
    for make in volumes:
        volume = make()
        try:
            if volume is not None:
                yield statistics(volume)
        except ModelRefused:
            continue


def _cells(measured: Sequence[Statistics]) -> Iterator[str]:
    rows = np.array([(*one.deep, *one.classes, one.width) for one in measured]).mean(axis=0)
    yield from (f"{value:.2f}" for value in rows[:5])
    yield f"{rows[5]:.3f}"
    noises = [one.noise for one in measured if one.noise is not None]
    yield f"{np.mean(noises):.4f}" if noises else "no noise stored"
    yield f"{np.mean([one.field for one in measured]):.3f}"


def _sites() -> dict[str, Site]:
    return SITES | UNSEEN


@lru_cache(maxsize=len(HEADS))
def _labelmap(data: Path, number: str) -> Head:
    return labelmap_head(data / "nifti" / "labelmaps" / f"synthseg_labels_{number}.nii.gz")


if __name__ == "__main__":
    raise SystemExit(main())
