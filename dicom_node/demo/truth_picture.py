"""The picture of the truth: source, result and truth of a simulated head, and how far the first two are from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicom_node.demo.comparison import Compared, Comparison, Distance
from dicom_node.demo.pair import UInt8Array, Window
from dicom_node.demo.picture import CAPTION, TITLE
from dicom_node.demo.tile import GAP, TILE, latin, tile
from inference.volume import Float32Array, Volume

HEIGHT_MM = 12.0
"""Of the slice that is shown, in the simulated head's own frame: through the bodies of the lateral ventricles."""
LIMIT_PERCENT = 30.0
"""Of white matter: the differences at which the colours end."""

_COLOURS = np.array([(90, 190, 255), (30, 90, 220), (0, 0, 0), (220, 80, 20), (255, 210, 90)], float)
"""From darker than the truth over equal to brighter; read by people who do not tell red from green, too."""
_BAR = (16, 160)
_TEXT = (200, 200, 200)
_CAPTION = (
    "Simulated head; the truth is the same head in the virtual target scanner, with its own noise. Source: scaled so "
    "that its deep 90th percentile is that of the truth. For research use only: not for diagnosis."
)


def draw_truths(compared: Sequence[Compared]) -> Image.Image:
    """Return one row a series: source, result, truth, source and result minus truth, and the scale of both."""
    row = TITLE + TILE + GAP
    sheet = Image.new("RGB", (6 * (TILE + GAP) + GAP, row * len(compared) + CAPTION), 0)
    pen, large, small = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(12)
    for number, each in enumerate(compared):
        top = number * row
        pen.text((GAP, top + 4), latin(f"{each.pair.title}: {each.numbers.verdict}"), fill="white", font=large)
        for column, (label, drawn) in enumerate(_tiles(each).items()):
            left = GAP + column * (TILE + GAP)
            pen.text((left, top + 25), label, fill=_TEXT, font=small)
            sheet.paste(drawn, (left, top + TITLE))
    pen.text((GAP, row * len(compared) + 4), _CAPTION, fill=_TEXT, font=small)
    return sheet


def colours(percent: Float32Array) -> UInt8Array:
    """Return the colours of differences in percent of white matter, shape (..., 3)."""
    at = np.linspace(-LIMIT_PERCENT, LIMIT_PERCENT, len(_COLOURS))
    return np.stack([np.interp(percent, at, channel) for channel in _COLOURS.T], axis=-1).astype(np.uint8)


def _tiles(each: Compared) -> dict[str, Image.Image]:
    """Return what stands above a tile -> the tile, from left to right."""
    true, scale = each.truth.volume, each.pair.per_unit
    window = Window(each.pair.window.center / scale, each.pair.window.width / scale)
    k = _slice_at(true, HEIGHT_MM)
    grey = {"source": each.source, "result": each.result, f"truth: {each.truth.scanner}": true}
    tiles = {label: tile(volume, 0, window.shades, index=k) for label, volume in grey.items()}
    for label, volume in (("source - truth", each.source), ("result - truth", each.result)):
        off = np.where(each.truth.inside, volume.voxels - true.voxels, 0)
        percent = true.with_voxels(off * np.float32(100 / each.truth.white_matter))
        tiles[label] = tile(percent, 0, colours, index=k)
    return tiles | {"minus truth, inside the head": _legend(each.numbers)}


def _slice_at(volume: Volume, height_mm: float) -> int:
    """Return which axial slice of an upright volume lies at a height, or is the nearest to it."""
    slices, rows, columns = volume.voxels.shape
    first_mm = volume.affine[2] @ [0, rows / 2, columns / 2, 1]
    return int(np.clip(round((height_mm - first_mm) / volume.affine[2, 0]), 0, slices - 1))


def _legend(numbers: Comparison) -> Image.Image:
    width, height = _BAR
    made, font = Image.new("RGB", (TILE, TILE), 0), ImageFont.load_default(12)
    pen = ImageDraw.Draw(made)
    steps = np.linspace(LIMIT_PERCENT, -LIMIT_PERCENT, height, dtype=np.float32)
    made.paste(Image.fromarray(colours(np.repeat(steps[:, None], width, axis=1))), (0, GAP))
    for part, text in ((0, f"+{LIMIT_PERCENT:g} %"), (0.5, "0"), (1, f"-{LIMIT_PERCENT:g} % of white matter")):
        pen.text((width + GAP, GAP + part * height), text, fill=_TEXT, font=font, anchor="lm")
    lines = (
        f"source: {_told(numbers.before)}",
        f"result: {_told(numbers.after)}",
        f"edges as in the source: {numbers.edges:.3f}",
    )
    for number, text in enumerate(lines):
        pen.text((0, height + 3 * GAP + 18 * number), text, fill=_TEXT, font=font)
    return made


def _told(distance: Distance) -> str:
    return f"PSNR {distance.psnr_db:.1f} dB, difference {distance.difference_percent:.1f} %"
