"""The output gate of a map of uncertainty: it speaks of the head of its source and of nothing outside."""

from __future__ import annotations

import numpy as np
import scipy

from dicom_node.infer.verdict import Verdict
from inference.classical.head import Head, working_factors
from inference.volume import Volume

OUTSIDE = (
    "the map holds values outside the head: report this with model and version, and take the rule that asks for "
    "uncertainty out"
)


def judge(result: Volume, head: Head) -> Verdict:
    """Judge a map of uncertainty.

    Parameters
    ----------
    result
        On the grid of its source, HU, finite, not negative, not the same everywhere.
    head
        What `find_head` found in the source: something.
    """
    # a body reaches no farther than one voxel of the grid on which the head was found
    reached = scipy.ndimage.maximum_filter(head.inside, [2 * factor + 1 for factor in working_factors(result)])
    if result.voxels[~reached].any():
        return Verdict((OUTSIDE,))
    within = result.voxels[head.inside]
    median, high = np.percentile(within, [50, 95])
    return Verdict(numbers={"uncertainty_median_hu": float(median), "uncertainty_p95_hu": float(high)})
