"""The body in an MR, voxel by voxel: what a synthetic CT fills, and around which it is empty."""

from __future__ import annotations

import numpy as np
import scipy

from inference.classical.head import Head, find_head, working_factors
from inference.errors import ModelRefused
from inference.volume import BoolArray, Volume


def find_body(volume: Volume, *, head: Head | None = None) -> BoolArray:
    """Find the body; sinuses, airways and other cavities inside its outer surface count as body.

    `find_head` finds it on a grid of about 2 mm, and rather too large than too small. Here its surface is placed anew,
    on the grid of the volume and within one voxel of that grid to either side: where the intensity is half that of the
    tissue at the surface. What the new surface encloses is body.

    Parameters
    ----------
    volume
        Of a head, any orientation and spacing; the head is brighter than the air.
    head
        What `find_head` found in it, where that is known already.

    Returns
    -------
    Shape (slices, rows, columns).

    Raises
    ------
    ModelRefused
        When no head can be told from the air.
    """
    head = head or find_head(volume)
    if not head.inside.any():
        raise ModelRefused("no head can be told from the air around it")
    factors = working_factors(volume)
    share = scipy.ndimage.uniform_filter(head.inside.astype(np.float32), [2 * factor + 1 for factor in factors])
    deep, near = share > 0.999, share > 0.001  # 1 and 0, but for rounding
    means = scipy.ndimage.uniform_filter(volume.voxels, [factor | 1 for factor in factors])
    surface = means[head.inside & ~deep]
    tissue = surface[surface > head.tissue_above]
    half = np.median(tissue) / 2 if tissue.size else 0.0
    solid = deep | (near & (means > max(half, head.tissue_above)))
    empty, count = scipy.ndimage.label(~solid)
    leads_out = np.zeros(count + 1, bool)
    leads_out[empty[~near]] = True
    leads_out[0] = False
    return np.asarray(~leads_out[empty])
