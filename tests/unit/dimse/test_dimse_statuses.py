from __future__ import annotations

import pytest
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from dicom_node.dimse.statuses import STORAGE_STATUSES, StatusClass, storage_status


@pytest.mark.parametrize(
    ("code", "status_class"),
    [
        (0x0000, StatusClass.SUCCESS),
        (0xA700, StatusClass.TRY_LATER),
        (0xA7FF, StatusClass.TRY_LATER),
        (0x0110, StatusClass.TRY_LATER),
        (0x0213, StatusClass.TRY_LATER),
        (0xA900, StatusClass.REFUSED),
        (0xA9FF, StatusClass.REFUSED),
        (0xC000, StatusClass.REFUSED),
        (0xCFFF, StatusClass.REFUSED),
        (0x0122, StatusClass.REFUSED),
        (0x0124, StatusClass.REFUSED),
        (0xB000, StatusClass.WARNING),
        (0xB006, StatusClass.WARNING),
        (0xB007, StatusClass.WARNING),
        (0x0111, StatusClass.WARNING),
        (0x0001, StatusClass.WARNING),
        (0x0107, StatusClass.WARNING),
        (0x0116, StatusClass.WARNING),
        (0xB123, StatusClass.WARNING),  # of a class that the Standard knows, in a number that it does not
        (0xA8AA, StatusClass.REFUSED),
        (0xFE00, StatusClass.REFUSED),
    ],
)
def test_a_status_asks_of_the_sender_what_its_class_says(code: int, status_class: StatusClass) -> None:
    assert storage_status(code).status_class is status_class


def test_every_code_has_a_meaning() -> None:
    assert all(storage_status(code).meaning for code in range(0x10000))


def test_the_table_agrees_with_pynetdicoms_reading_of_the_standard() -> None:
    categories = {
        StatusClass.SUCCESS: "Success",
        StatusClass.WARNING: "Warning",
        StatusClass.TRY_LATER: "Failure",
        StatusClass.REFUSED: "Failure",
    }
    for status in STORAGE_STATUSES:
        # what an archive means by 0111 is that the instance is there; the others pynetdicom does not list
        if status.first not in {0x0111, 0x0001}:
            assert categories[status.status_class] == STORAGE_SERVICE_CLASS_STATUS[status.first][0], hex(status.first)


def test_a_narrow_range_is_never_hidden_by_a_wide_one_before_it() -> None:
    for status in STORAGE_STATUSES:
        assert storage_status(status.first) is status or status.first in {0xB000, 0x0001}
    assert storage_status(0xB001) is STORAGE_STATUSES[-2]
    assert storage_status(0x0002) is STORAGE_STATUSES[-1]
