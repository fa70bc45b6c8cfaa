"""The picture of before and after: the middle slices of a series and of what was derived from it, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from dicom_node.demo.pair import Pair
from dicom_node.demo.tile import GAP, TILE, latin, tile

TITLE, CAPTION = 44, 26
"""Pixels: height of the text above a row and below the last."""
PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Plane -> the axis of an upright volume that it cuts."""


def draw(pairs: Sequence[Pair]) -> Image.Image:
    """Return one row a pair: axial, coronal and sagittal, each before and after."""
    width = 2 * len(PLANES) * (TILE + GAP) + GAP
    row = TITLE + TILE + GAP
    sheet = Image.new("L", (width, row * len(pairs) + CAPTION), 0)
    pen, large, small = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(12)
    for number, pair in enumerate(pairs):
        top = number * row
        window = f"both on the derived series' window: centre {pair.window.center:g}, width {pair.window.width:g}"
        pen.text((GAP, top + 4), latin(pair.title), fill=255, font=large)
        pen.text((width - GAP, top + 6), window, fill=150, font=small, anchor="ra")
        for column, (plane, axis) in enumerate(PLANES.items()):
            for step, (label, volume) in enumerate((("before", pair.before), ("after", pair.after))):
                left = GAP + (2 * column + step) * (TILE + GAP)
                pen.text((left, top + 25), f"{plane}, {label}", fill=200, font=small)
                sheet.paste(tile(volume, axis, pair.window.shades), (left, top + TITLE))
    caption = (
        "Middle slices, radiological view (patient's left on the right). For research use only: not for diagnosis."
    )
    pen.text((GAP, row * len(pairs) + 4), caption, fill=200, font=small)
    return sheet
