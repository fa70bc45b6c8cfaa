from __future__ import annotations

import pytest

from dicom_node.deliver.address import parse_address


@pytest.mark.parametrize(
    ("text", "ae_title", "host", "port"),
    [
        ("ORTHANC@127.0.0.1:4242", "ORTHANC", "127.0.0.1", 4242),
        ("PACS 1@pacs.hospital.example:104", "PACS 1", "pacs.hospital.example", 104),
        ("PACS@[fd00::1]:11112", "PACS", "fd00::1", 11112),
        ("A@B@pacs:104", "A@B", "pacs", 104),
    ],
)
def test_an_address_names_title_host_and_port(text: str, ae_title: str, host: str, port: int) -> None:
    settings = parse_address(text)
    assert (settings.ae_title, settings.host, settings.port) == (ae_title, host, port)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ORTHANC", "write AE@HOST:PORT"),
        ("127.0.0.1:4242", "write AE@HOST:PORT"),
        ("ORTHANC@127.0.0.1", "write AE@HOST:PORT"),
        ("ORTHANC@127.0.0.1:dicom", "write AE@HOST:PORT"),
        ("ORTHANC@fd00::1:104", "write AE@HOST:PORT"),
        ("@127.0.0.1:4242", "write AE@HOST:PORT"),
        ("ORTHANC@127.0.0.1:0", "0 is not a port"),
        ("ORTHANC@127.0.0.1:65536", "65536 is not a port"),
        ("A_TITLE_TOO_LONG_1@127.0.0.1:104", "is not an AE title"),
        ("A\\B@127.0.0.1:104", "is not an AE title"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_address(text)
