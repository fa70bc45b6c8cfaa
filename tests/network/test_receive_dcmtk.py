"""The receiver against DCMTK's SCUs, with real files in the syntaxes that scanners and archives use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import dcmtk
import pytest
from memory_store import MemoryStore
from pydicom import dcmread
from pydicom.filereader import read_file_meta_info

from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.settings import CallingAe

pytestmark = pytest.mark.network

ALLOWED = (CallingAe(ae_title="SCANNER", hosts=("127.0.0.1",)),)


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="module")
def receiver(store: MemoryStore) -> Iterator[Receiver]:
    receiver = Receiver(store, Policy("HARMONIZE", ALLOWED))
    receiver.start()
    yield receiver
    receiver.stop(0)


def call(
    tool: str, receiver: Receiver, *arguments: object, calling: str = "SCANNER", called: str = "HARMONIZE"
) -> subprocess.CompletedProcess[str]:
    address = ("127.0.0.1", receiver.port)
    return dcmtk.run(tool, "-v", "-aet", calling, "-aec", called, *address, *arguments)


def test_echoscu_is_answered(receiver: Receiver) -> None:
    assert call("echoscu", receiver).returncode == 0


@pytest.mark.parametrize(
    ("calling", "called", "reason"),
    [
        ("SCANNER", "OTHER", "Called AE Title Not Recognized"),
        ("STRANGER", "HARMONIZE", "Calling AE Title Not Recognized"),
    ],
)
def test_echoscu_is_told_why_it_is_rejected(receiver: Receiver, calling: str, called: str, reason: str) -> None:
    result = call("echoscu", receiver, calling=calling, called=called)
    assert result.returncode != 0
    assert "Result: Rejected Permanent, Source: Service User" in result.stdout + result.stderr
    assert reason in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("-xe", "MR_small.dcm"),
        ("-xi", "MR_small_implicit.dcm"),
        ("-xb", "MR_small_bigendian.dcm"),
        ("-xr", "MR_small_RLE.dcm"),
        ("-xt", "MR_small_jpeg_ls_lossless.dcm"),
        ("-xv", "MR_small_jp2klossless.dcm"),
        ("-xw", "JPEG2000.dcm"),
        ("-xx", "JPEG-lossy.dcm"),
    ],
)
def test_storescu_delivers_a_real_file_in_its_own_syntax(
    receiver: Receiver, store: MemoryStore, real_data: Path, option: str, name: str
) -> None:
    path = real_data / "odd" / "pydicom_files" / name
    store.held.clear()
    result = call("storescu", receiver, option, path)
    assert result.returncode == 0, result.stdout + result.stderr
    (held,) = store.held.values()
    meta = read_file_meta_info(path)
    assert held.transport.transfer_syntax_uid == meta.TransferSyntaxUID
    assert held.key.sop_instance_uid == meta.MediaStorageSOPInstanceUID
    assert held.key.series_uid == dcmread(path, stop_before_pixels=True).SeriesInstanceUID
    pixels = dcmread(path).PixelData
    assert pixels[-64:] in held.dataset  # DCMTK may write the elements anew, never the pixels


def test_dcmsend_delivers_a_real_series(receiver: Receiver, store: MemoryStore, real_series: Path) -> None:
    folder = real_series / "ge_signa15t_fse_pd"
    store.held.clear()
    result = call("dcmsend", receiver, "--scan-directories", "--recurse", folder)
    assert result.returncode == 0, result.stdout + result.stderr
    sent = {str(read_file_meta_info(path).MediaStorageSOPInstanceUID) for path in folder.rglob("*.dcm")}
    assert sent == store.held.keys()
    assert len({held.key.series_uid for held in store.held.values()}) == 1
