"""E1 as the seed of MRFlow reports it: PSNR and SSIM before and after, over its synthetic source domains together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from training.evaluate.results import Row, by_metric
from training.evaluate.tables import markdown

BEFORE = "identity"
"""Told the truth's scale, as published evaluations have it."""

_FAMILIES = ("gamma", "field")
_PUBLISHED = ["as published (3 T, ADNI 2; before, after)", "", "25.28 ± 3.13 → 26.04 ± 2.96", "+0.76", "slightly lower "
              "in some", ""]  # fmt: skip


def before_after(rows: Iterable[Row]) -> str:
    """Return a section with a line a model; only simulated truths, and families that the seed names.

    Parameters
    ----------
    rows
        Of E1.
    """
    own = [row for row in rows if row.group.startswith("simulated") and row.family.startswith(_FAMILIES)]
    psnr, ssim = by_metric(own, "psnr"), by_metric(own, "ssim")
    body = [_PUBLISHED]
    for model, cases in psnr.items():
        common = sorted(set(cases) & set(psnr.get(BEFORE, {})))
        if model == BEFORE or not common:
            continue
        line = [model, str(len(common))]
        for values, digits in ((psnr, 2), (ssim, 4)):
            before, after = (np.array([values[each][case].value for case in common]) for each in (BEFORE, model))
            line += [
                f"{_spread(before, digits)} → {_spread(after, digits)}", f"{(after - before).mean():+.{digits}f}"
            ]  # fmt: skip
        body.append(line)
    if len(body) == 1:
        return ""
    head = ["model", "cases", "PSNR, dB", "difference", "SSIM", "difference"]
    return (
        "## Before and after, as the seed of MRFlow reports it\n\nSimulated truths; powers, low-frequency products and "
        "sums together; mean ± SD over cases. Before is `identity`, on the cases that a model takes. The published "
        f"figures are of other heads, masks and ranges: of the same protocol, not of the same scale.\n\n"
        f"{markdown(head, body)}\n"
    )


def _spread(values: np.ndarray, digits: int) -> str:
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1) if values.size > 1 else 0:.{digits}f}"
