"""The tables of E4, as Markdown and as CSV: one value a person first, then mean and spread over people."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.evaluate.ct_metrics import AIR_HU, BONE_HU, TISSUES
from training.evaluate.results import REFUSED, Row, by_metric
from training.evaluate.synthesizers import PLAIN
from training.evaluate.tables import Measures, against, families, markdown, means, refusals

_IMAGE: Measures = {
    "mae_hu": ("MAE in the head, unclipped, HU", 1),
    "mae_wide_hu": ("MAE in the head and 10 mm around it, unclipped, HU", 1),
    "psnr": ("PSNR in the head, clipped to −1024 … 3000 HU, range 4024, dB", 2),
    "ms_ssim": ("MS-SSIM in the head, clipped likewise, −1024 outside", 4),
    "bone_dice": (f"bone Dice (from {BONE_HU:.0f} HU, in the head)", 3),
    "air_dice": (f"air Dice (to {AIR_HU:.0f} HU, in the head)", 3),
    "seconds": ("s a volume", 2),
}
_PATH: Measures = {
    "path_median_percent": ("median error, % of the path", 2),
    "path_p95_percent": ("95th percentile, %", 2),
    "path_bias_percent": ("mean with its sign, %", 2),
    "path_gamma_2_percent": ("gamma ≤ 1 at 2 % and 2 mm, % of beams", 1),
    "path_gamma_1_percent": ("gamma ≤ 1 at 1 % and 1 mm, % of beams", 1),
}
_MAE: Measures = {f"mae_{name}_hu": (name, 0) for name in TISSUES}
_BIAS: Measures = {f"bias_{name}_hu": (name, 0) for name in TISSUES}
_PLAUSIBLE: Measures = {
    "outline_dice": ("outline Dice with the head in the MR", 4),
    "bone_percent": ("bone, % of the head", 2),
    "air_percent": ("air, % of the head", 2),
    "vault_open_percent": ("rays through the vault that meet no bone, %", 2),
    "vault_holes": ("holes in the vault", 1),
}
_TRUE: Measures = {
    f"true_{name}": (f"{title}, true", digits) for name, (title, digits) in _PLAUSIBLE.items() if name != "outline_dice"
}
_BY_SEQUENCE: Measures = {
    "mae_hu": ("MAE in the head, HU", 1),
    "bone_dice": ("Bone Dice", 3),
    "path_median_percent": ("Median error of the water-equivalent path, %", 2),
}


def ct_report(rows: Sequence[Row]) -> str:
    """Return the tables of E4: a section a group of heads."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    parts = [f"## {group}\n\n{_section(groups[group])}" for group in sorted(groups)]
    refused = by_metric(rows, REFUSED)
    if refused:
        parts.append(f"## Not taken\n\n{markdown(*refusals(refused))}")
    return "\n".join(parts)


def write_summary(path: Path, rows: Sequence[Row]) -> None:
    """Write mean and standard deviation over people as CSV: a row a group, sequence (or all), model and measure."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group, "all"].append(row)
        groups[row.group, row.family].append(row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "sequence", "model", "metric", "mean", "sd", "people", "cases"])
        for (group, family), chosen in groups.items():
            for metric in dict.fromkeys(row.metric for row in chosen if row.metric != REFUSED):
                cases = by_metric(chosen, metric)
                for model, people in by_metric(by_person(chosen), metric).items():
                    values = np.array([row.value for row in people.values()])
                    sd = f"{values.std(ddof=1):.6g}" if values.size > 1 else ""
                    line = [group, family, model, metric, f"{values.mean():.6g}", sd, values.size, len(cases[model])]
                    writer.writerow(line)


def by_person(rows: Iterable[Row]) -> list[Row]:
    """Return one row a person, model and measure: the mean over that person's cases."""
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[row.model, row.subject, row.metric].append(row)
    return [
        replace(each[0], case=each[0].subject, family="all", value=float(np.mean([row.value for row in each])))
        for each in found.values()
    ]


def _section(rows: list[Row]) -> str:
    people = by_person(rows)
    parts = [
        f"{len({row.case for row in rows})} scans of {len({row.subject for row in rows})} people. "
        "Mean ± SD over people (n), each with the mean over that person's scans. A model that will not take a sequence "
        "has a mean over fewer scans: compare scan by scan.\n"
    ]
    error = by_metric(rows, "mae_hu")
    if error:
        parts += [
            markdown(*means(people, _IMAGE)),
            "Water-equivalent path from outside to points in the brain, against the true CT:\n",
            markdown(*means(people, _PATH)),
            "Mean absolute error by tissue of the label, HU:\n", markdown(*means(people, _MAE)),
            "Mean error with its sign by tissue of the label, HU:\n", markdown(*means(people, _BIAS)),
        ]  # fmt: skip
        for metric, (title, digits) in _BY_SEQUENCE.items():
            parts += [f"{title}, by sequence:\n", markdown(*families(by_metric(rows, metric), digits))]
        rivals = [name for name in PLAIN if name in error]
        for rival in rivals:
            table = markdown(*against(error, rival, low_is_good=True))
            parts += [f"MAE in the head against {rival}, scan by scan (HU; below 0 is nearer to the truth):\n", table]
    outline = by_metric(rows, "outline_dice")
    if outline:
        parts += ["What needs no truth:\n", markdown(*means(people, {**_PLAUSIBLE, **_TRUE}))]
    if outline and not error:
        parts += ["Outline Dice, by sequence:\n", markdown(*families(outline, 4))]
    return "\n".join(parts)
