"""The split: nobody stands on both sides, and no look is taken from the answer."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from training.evaluate.splits import Splits, read_splits


def split(**real: dict[str, Any]) -> Splits:
    return Splits.model_validate({
        "labelmaps": {"train": ["01"], "test": ["02"]},
        "procedural": {"train": [0, 9], "test": [10, 19]},
        "real": real,
    })  # fmt: skip


def volume(path: str, subject: str, side: str, *references: str, contrast: str = "T1") -> dict[str, Any]:
    return {"path": path, "subject": subject, "side": side, "contrast": contrast, "references": list(references)}


def test_the_shipped_split_holds_and_every_real_test_volume_has_a_reference() -> None:
    splits = read_splits()
    assert len(splits.labelmaps.train) == 10
    assert set(splits.labelmaps.test) == {"03", "07", "11", "14"}
    assert all(volume.references for volume in splits.real_of("test").values())
    people = {side: {volume.subject for volume in splits.real_of(side).values()} for side in ("train", "test")}
    assert not people["train"] & people["test"]


def test_a_person_on_both_sides_is_refused() -> None:
    with pytest.raises(ValidationError, match="ann is on both sides"):
        split(a=volume("a.nii", "ann", "train"), b=volume("b.nii", "ann", "test"))


def test_the_answer_is_no_reference_of_itself() -> None:
    with pytest.raises(ValidationError, match="no other volume"):
        split(a=volume("a.nii", "ann", "test", "a"))
    with pytest.raises(ValidationError, match="no other volume"):
        split(a=volume("a.nii", "ann", "test", "b"), b=volume("a.nii", "ann", "test"))


def test_a_reference_has_the_same_contrast() -> None:
    with pytest.raises(ValidationError, match="same contrast"):
        split(a=volume("a.nii", "ann", "test", "b"), b=volume("b.nii", "bob", "test", contrast="T2"))
    assert split(a=volume("a.nii", "ann", "test", "b"), b=volume("b.nii", "bob", "test")).real["a"].references == ("b",)
