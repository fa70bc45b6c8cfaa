from __future__ import annotations

import pytest

from dicom_node.deliver.backoff import next_attempt


def test_the_wait_doubles_up_to_the_limit() -> None:
    waits = [next_attempt(attempt, first_s=30, maximum_s=600) for attempt in range(1, 8)]
    assert waits == [30, 60, 120, 240, 480, 600, 600]


def test_a_destination_that_is_down_for_years_is_still_tried() -> None:
    assert next_attempt(1_000_000, first_s=30, maximum_s=600) == 600


def test_a_first_wait_above_the_limit_is_the_limit() -> None:
    assert next_attempt(1, first_s=900, maximum_s=600) == 600


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        next_attempt(0, first_s=30, maximum_s=600)
