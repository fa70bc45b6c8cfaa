"""E1 in the form of the published evaluation: which cases count, and what is told of them."""

from __future__ import annotations

from training.evaluate.before_after import before_after
from training.evaluate.results import Row


def rows(group: str, family: str, case: str, psnr: dict[str, float]) -> list[Row]:
    return [
        Row("e1", case, group, family, "someone", "T1", model, model, "d", metric, value / unit)
        for model, value in psnr.items()
        for metric, unit in (("psnr", 1), ("ssim", 40))
    ]  # fmt: skip


def test_powers_and_fields_of_simulated_truths_count_together_and_nothing_else() -> None:
    told = before_after([
        *rows("simulated curves", "gamma", "a", {"identity": 20, "ours": 22}),
        *rows("simulated fields", "field 0.2", "b", {"identity": 30, "ours": 31}),
        *rows("simulated curves", "exp", "c", {"identity": 0, "ours": 99}),
        *rows("real fields", "field 0.2", "d", {"identity": 0, "ours": 99}),
        *rows("simulated fields", "field 0.3", "e", {"identity": 90}),
    ])  # fmt: skip
    assert "| ours | 2 | 25.00 ± 7.07 → 26.50 ± 6.36 | +1.50 | 0.6250 ± 0.1768 → 0.6625 ± 0.1591 | +0.0375 |" in told
    assert "25.28 ± 3.13 → 26.04 ± 2.96" in told


def test_with_no_such_case_nothing_is_told() -> None:
    assert before_after(rows("simulated curves", "exp", "c", {"identity": 20, "ours": 22})) == ""
