"""The tables: means, spreads, differences and their tests, as Markdown."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from scipy.stats import wilcoxon

from training.evaluate.contestants import CLASSICAL
from training.evaluate.pairwise import SEEDS
from training.evaluate.results import REFUSED, Row, by_metric

FEWEST_PAIRS = 6
"""With fewer pairs a two-sided signed-rank test cannot fall below 0.05, whatever they are."""

Measures: TypeAlias = Mapping[str, tuple[str, int]]
Table: TypeAlias = Sequence[Sequence[str]]

_DISTANCES: Measures = {
    "psnr": ("PSNR, dB", 2),
    "psnr_fitted": ("PSNR after a linear fit, dB", 2),
    "ssim": ("SSIM", 4),
    "mae_percent": ("MAE, % of range", 2),
    "background_rise_percent": ("air brighter by, % of the head's median", 2),
    "psnr_noiseless": ("PSNR to the noiseless truth, dB", 2),
    "psnr_fitted_noiseless": ("the same after a linear fit, dB", 2),
    "ssim_noiseless": ("SSIM to the noiseless truth", 4),
    "seconds": ("s a volume", 2),
}
_STRUCTURE: Measures = {
    "gradient_cosine": ("gradient cosine", 4),
    "idempotence_percent": ("H(H(x)) from H(x), % of range", 2),
    "identity_on_target_percent": ("H(x) from x in the target site, % of range", 2),
    "flicker_percent": ("flicker of slice means, %", 2),
    "csf_error_percent": ("CSF volume off by, %", 1),
    "gm_error_percent": ("grey matter, %", 1),
    "wm_error_percent": ("white matter, %", 1),
    "cortex_error_percent": ("thickness proxy, %", 1),
    "cortex_drift_mm": ("cortex thicker than in the target's scan by, mm", 2),
    "lesion_contrast_ratio": ("lesion contrast, after / before", 3),
    "seconds": ("s a volume", 2),
}
_ACCURACIES: Measures = {
    f"{how}_{name}_percent": (f"{name}, {how}, %", 1)
    for name in ("network", "statistics", "resnet")
    for how in ("frozen", "retrained")
}


def markdown(head: Sequence[str], body: Table) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def report(rows: Iterable[Row]) -> str:
    """Return the tables of E1 or E3: a section a group.

    Parameters
    ----------
    rows
        Of one experiment.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    return "\n".join(f"## {group}\n\n{_section(groups[group])}" for group in sorted(groups))


def protocol_report(rows: Iterable[Row]) -> str:
    """Return the tables of E2: how well sites are told apart, and what was kept.

    Parameters
    ----------
    rows
        Of E2.
    """
    rows = list(rows)
    pairs = [row for row in rows if row.group == "protocol"]
    tested = [row for row in rows if row.group == "structure, test"]
    parts = [
        "## Can the site still be told?\n",
        "Part of the slices of held-out people that go to the right one of two sites, mean ± SD over pairs of sites "
        "(n pairs); chance is 50 %. `identity` is before. Frozen: learned from images before harmonization. Retrained: "
        "learned from each model's own results, so that nothing is hidden from it.\n",
        markdown(*means(pairs, _ACCURACIES)),
    ]
    for metric, (title, _) in _ACCURACIES.items():
        parts += [f"By pair: {title}:\n", markdown(*families(by_metric(pairs, metric)))]
    parts += ["What the seed reports of its own images, by pair, ResNet-50, %:\n", markdown(*_seeds())]
    parts += [
        "## Is the anatomy kept?\n",
        f"{len({row.case for row in tested})} scans of {len({row.subject for row in tested})} held-out people.\n",
        markdown(*means(tested, _STRUCTURE)),
    ]
    refused = by_metric(rows, REFUSED)
    if refused:
        parts += ["Not taken:\n", markdown(*refusals(refused))]
    return "\n".join(parts)


def _seeds() -> tuple[Sequence[str], Table]:
    names = sorted(SEEDS)
    body = [
        [title, f"{np.mean([SEEDS[name][k] for name in names]):.1f}", *(f"{SEEDS[name][k]:.1f}" for name in names)]
        for k, title in enumerate(("before", "after"))
    ]
    return ["", "mean", *names], body


def _section(rows: list[Row]) -> str:
    psnr = by_metric(rows, "psnr")
    best = best_classical(psnr)
    parts = [
        f"{len({row.case for row in rows})} cases of {len({row.subject for row in rows})} people. Mean ± SD (n).\n",
        markdown(*means(rows, _DISTANCES)),
        "PSNR (dB) by family:\n",
        markdown(*families(psnr)),
    ]
    for rival in (best, "identity"):
        if rival in psnr:
            parts += [f"PSNR against {_named(rival, best)}, case by case (dB):\n", markdown(*against(psnr, rival))]
    refused = by_metric(rows, REFUSED)
    if refused:
        parts += ["Not taken:\n", markdown(*refusals(refused))]
    return "\n".join(parts)


def best_classical(psnr: Mapping[str, Mapping[str, Row]]) -> str | None:
    """Return the classical method with the highest mean; None when there is none."""
    present = [name for name in CLASSICAL if name in psnr]
    return max(present, key=lambda name: _values(psnr[name].values()).mean(), default=None)


def _named(rival: str | None, best: str | None) -> str:
    return f"{rival}, the best classical method here" if rival == best else str(rival)


def means(rows: Sequence[Row], measures: Measures) -> tuple[Sequence[str], Table]:
    """Return head and body of a table of mean ± SD (n): a row a model, a column a measure that there is."""
    metrics = {metric: by_metric(rows, metric) for metric in measures}
    present = [metric for metric, models in metrics.items() if models]
    models = dict.fromkeys(row.model for row in rows if row.metric in measures)
    body = [
        [model, *(_mean_sd(metrics[metric].get(model, {}).values(), measures[metric][1]) for metric in present)]
        for model in models
    ]
    return ["model", *(measures[metric][0] for metric in present)], body


def families(values: Mapping[str, Mapping[str, Row]], digits: int = 2) -> tuple[Sequence[str], Table]:
    """Return head and body of a table of one measure: a row a model, a column a family."""
    names = sorted({row.family for cases in values.values() for row in cases.values()})
    body = [
        [model, *(_mean_sd([row for row in cases.values() if row.family == name], digits) for name in names)]
        for model, cases in values.items()
    ]
    return ["model", *names], body


def against(
    values: Mapping[str, Mapping[str, Row]], rival: str, *, low_is_good: bool = False
) -> tuple[Sequence[str], Table]:
    """Return head and body of a table of differences from a rival, case by case.

    Parameters
    ----------
    values
        Model -> case -> row of one measure.
    rival
        One of the models.
    low_is_good
        Whether the worst difference is the largest.
    """
    sign = -1 if low_is_good else 1
    head = ["model", "mean difference", "worst", "worst case", "better in", "p (cases)", "p (people)"]
    body = []
    for model, cases in values.items():
        common = sorted(set(cases) & set(values[rival]))
        if model == rival or not common:
            continue
        difference = np.array([cases[case].value - values[rival][case].value for case in common])
        people: dict[str, list[float]] = defaultdict(list)
        for case, value in zip(common, difference, strict=True):
            people[cases[case].subject].append(float(value))
        worst = int(np.argmin(sign * difference))
        body.append([
            model, f"{difference.mean():+.2f} ± {_sd(difference):.2f}", f"{difference[worst]:+.2f}",
            common[worst].split("/", 2)[2], f"{(sign * difference > 0).sum()} of {len(common)}",
            _p(difference), _p(np.array([np.mean(each) for each in people.values()])),
        ])  # fmt: skip
    return head, body


def _p(difference: np.ndarray) -> str:
    """Return the p of a paired test (Wilcoxon signed rank, two-sided), with its n."""
    if difference.size < FEWEST_PAIRS:
        return f"n={difference.size}: too few"
    if not difference.any():
        return f"equal (n={difference.size})"
    return f"{wilcoxon(difference).pvalue:.2g} (n={difference.size})"


def refusals(refused: Mapping[str, Mapping[str, Row]]) -> tuple[Sequence[str], Table]:
    """Return head and body of a table of what models would not take, and why."""
    body = []
    for model, cases in refused.items():
        for note in sorted({row.note for row in cases.values()}):
            body.append([model, str(sum(row.note == note for row in cases.values())), note])
    return ["model", "cases", "why"], body


def _values(rows: Iterable[Row]) -> np.ndarray:
    return np.array([row.value for row in rows])


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else math.nan


def _mean_sd(rows: Iterable[Row], digits: int) -> str:
    values = _values(rows)
    if not values.size:
        return "—"
    spread = f" ± {_sd(values):.{digits}f}" if values.size > 1 else ""
    return f"{values.mean():.{digits}f}{spread} ({values.size})"
