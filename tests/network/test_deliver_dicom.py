"""Delivery to a PACS that behaves as a test has written, and to DCMTK's."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import dcmtk
import pytest
from made_instances import made_instance, written
from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, AllStoragePresentationContexts, build_context
from pynetdicom.dsutils import encode, split_dataset
from pynetdicom.events import Event
from scripted_pacs import abort, running_pacs
from until import until

from dicom_node.deliver.dicom import DicomDestination
from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.domain.ports import DeliveryReport
from dicom_node.errors import DeliveryDeferred, DeliveryRefused

pytestmark = pytest.mark.network


def destination(port: int, **settings: Any) -> DicomDestination:
    settings = {"ae_title": "PACS", "response_timeout_s": 20, **settings}
    return DicomDestination(DicomDestinationSettings(host="127.0.0.1", port=port, **settings), "HARMONIZE")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [written(made_instance(number=number), tmp_path) for number in range(3)]


def bytes_after_the_meta(path: Path) -> bytes:
    return path.read_bytes()[split_dataset(path)[1] :]


def test_files_arrive_byte_for_byte_and_in_order(paths: list[Path]) -> None:
    with running_pacs() as pacs:
        assert destination(pacs.port).send(paths) == DeliveryReport(3)
    assert [data for _, _, data in pacs.received] == [bytes_after_the_meta(path) for path in paths]


def test_an_uncompressed_file_is_encoded_anew_for_a_pacs_that_takes_only_implicit_vr(paths: list[Path]) -> None:
    with running_pacs(syntaxes=[ImplicitVRLittleEndian]) as pacs:
        assert destination(pacs.port).send(paths[:1]) == DeliveryReport(1)
    assert pacs.received[0][1:] == (ImplicitVRLittleEndian, encode(dcmread(paths[0]), True, True))


def test_a_compressed_file_goes_as_it_is(real_data: Path) -> None:
    path = real_data / "odd" / "pydicom_files" / "MR_small_RLE.dcm"
    with running_pacs(syntaxes=[ExplicitVRLittleEndian, RLELossless]) as pacs:
        assert destination(pacs.port).send([path]) == DeliveryReport(1)
    assert pacs.received[0][1:] == (RLELossless, bytes_after_the_meta(path))


def test_a_syntax_that_the_pacs_does_not_take_is_refused_and_the_rest_proceeds(
    paths: list[Path], real_data: Path
) -> None:
    compressed = real_data / "odd" / "pydicom_files" / "MR_small_RLE.dcm"
    with running_pacs() as pacs:
        report = destination(pacs.port).send([compressed, *paths])
    refused = {str(read_file_meta_info(compressed).MediaStorageSOPInstanceUID): 0x0122}
    assert report == DeliveryReport(3, refused=refused)


def test_a_pacs_that_takes_nothing_of_it_refuses_all(paths: list[Path]) -> None:
    with running_pacs(sop_classes=["1.2.840.10008.5.1.4.1.1.2"]) as pacs:
        report = destination(pacs.port).send(paths)
    assert report == DeliveryReport(0, refused={path.stem: 0x0122 for path in paths})


def test_an_instance_refused_for_good_does_not_stop_the_rest(paths: list[Path]) -> None:
    with running_pacs(0xC123, 0xA900, 0x0000) as pacs:
        report = destination(pacs.port).send(paths)
    assert report == DeliveryReport(1, refused={paths[0].stem: 0xC123, paths[1].stem: 0xA900})


def test_warnings_are_delivered_and_reported(paths: list[Path]) -> None:
    with running_pacs(0xB000, 0xB007, 0xB000) as pacs:
        report = destination(pacs.port).send(paths)
    assert report == DeliveryReport(
        3,
        (
            "0xB000 Warning: coercion of data elements: 2 instances",
            "0xB007 Warning: data set does not match SOP class: 1 instances",
        ),
    )


def lost(event: Event) -> int:
    event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    return 0x0000


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0xA700, r"0xA700 \(Refused: out of resources\): look at its disk space"),
        (abort, "closed the connection or did not answer within 20 s after it answered for 1 instances"),
        (lost, "closed the connection or did not answer within 20 s after it answered for 1 instances"),
    ],
)
def test_a_pacs_that_stops_in_the_middle_gets_the_same_again_later(paths: list[Path], answer: Any, says: str) -> None:
    with running_pacs(0x0000, answer) as pacs:
        with pytest.raises(DeliveryDeferred, match=says):
            destination(pacs.port).send(paths)
        assert destination(pacs.port).send(paths) == DeliveryReport(3)
    assert [uid for uid, _, _ in pacs.received] == [path.stem for path in (*paths[:2], *paths)]
    assert pacs.received[0] == pacs.received[2]


def test_a_pacs_that_does_not_answer_in_time_is_tried_later(paths: list[Path]) -> None:
    go_on = threading.Event()

    def never(event: Event) -> int:
        go_on.wait(20)
        return 0x0000

    with running_pacs(never) as pacs:
        with pytest.raises(DeliveryDeferred, match=r"did not answer within 0\.5 s after it answered for 0 instances"):
            destination(pacs.port, response_timeout_s=0.5).send(paths)
        go_on.set()


@contextmanager
def listening(backlog: int = 5) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        server.settimeout(20)
        yield server


def test_a_pacs_that_takes_the_connection_and_says_nothing_is_tried_later(paths: list[Path]) -> None:
    with listening() as server, pytest.raises(DeliveryDeferred, match="is this the port of a DICOM node"):
        destination(server.getsockname()[1], response_timeout_s=0.3).send(paths)


def test_a_pacs_that_stops_reading_does_not_hold_the_sender_for_ever(tmp_path: Path) -> None:
    """Its window fills up in mid-instance: the association is accepted by hand, then nothing is read any more."""
    big = written(made_instance(side=4096), tmp_path)
    with running_pacs() as pacs, listening() as server:
        enough = threading.Event()
        relay = threading.Thread(target=relay_until_accepted, args=(server, pacs.port, enough))
        relay.start()
        began = time.monotonic()
        with pytest.raises(DeliveryDeferred, match="did not answer within 1 s"):
            destination(server.getsockname()[1], response_timeout_s=1).send([big])
        assert time.monotonic() - began < 15  # without a limit on sending it never comes back
        enough.set()
        relay.join(20)


def relay_until_accepted(server: socket.socket, port: int, enough: threading.Event) -> None:
    sender, _ = server.accept()
    with sender, socket.create_connection(("127.0.0.1", port)) as pacs:
        pacs.sendall(sender.recv(65536))
        sender.sendall(pacs.recv(65536))
        enough.wait(20)  # reads nothing meanwhile


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_pacs_that_is_down_is_said_to_be_down(paths: list[Path]) -> None:
    port = free_port()
    for action in (lambda: destination(port).send(paths), destination(port).echo):
        with pytest.raises(DeliveryDeferred, match=f"connection refused by 127.0.0.1:{port}: is the PACS running"):
            action()


def test_an_unknown_host_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch, paths: list[Path]) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DeliveryDeferred, match=r"the host name 127\.0\.0\.1 is unknown"):
        destination(104).send(paths)


@pytest.mark.parametrize(
    ("entity_settings", "says"),
    [
        (
            {"require_called_aet": True, "ae_title": "ANOTHER"},
            r"does not answer to the AE title PACS.*\(rejected 1, 1, 7\)",
        ),
        ({"require_calling_aet": ["SOMEONE"]}, r"does not know our AE title HARMONIZE.*\(rejected 1, 1, 3\)"),
        ({"maximum_associations": 1}, r"has reached its limit of associations \(rejected 2, 3, 2\)"),
    ],
)
def test_a_rejection_says_what_to_do(paths: list[Path], entity_settings: dict[str, Any], says: str) -> None:
    with (
        running_pacs(**entity_settings) as pacs,
        occupied(pacs.port) if "maximum_associations" in entity_settings else nullcontext(),
        pytest.raises(DeliveryDeferred, match=says),
    ):
        destination(pacs.port).send(paths)


@contextmanager
def occupied(port: int) -> Iterator[None]:
    association = AE().associate("127.0.0.1", port, [build_context("1.2.840.10008.1.1")])
    yield
    association.release()


def test_echo_returns_when_the_pacs_answers() -> None:
    with running_pacs() as pacs:
        destination(pacs.port).echo()


def test_echo_says_that_the_pacs_went_away_before_it_answered() -> None:
    with running_pacs(echo=abort) as pacs, pytest.raises(DeliveryDeferred, match="after it accepted the association"):
        destination(pacs.port).echo()


def test_more_sop_classes_than_one_association_holds_are_sent_over_several(tmp_path: Path) -> None:
    paths = []
    for context in AllStoragePresentationContexts[:100]:
        dataset = made_instance()
        dataset.SOPClassUID = context.abstract_syntax
        paths.append(written(dataset, tmp_path))
    with running_pacs() as pacs:
        assert destination(pacs.port).send(paths) == DeliveryReport(100)


def test_a_path_that_is_no_dicom_file_is_refused_before_anything_is_sent(paths: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no DICOM")
    with running_pacs() as pacs:
        with pytest.raises(DeliveryRefused, match=r"notes\.txt is not a DICOM file"):
            destination(pacs.port).send([*paths, text])
        with pytest.raises(DeliveryRefused, match=r"cannot read .*gone\.dcm: No such file"):
            destination(pacs.port).send([tmp_path / "gone.dcm"])
    assert pacs.received == []


def test_storescp_receives_what_was_sent(paths: list[Path], real_data: Path, tmp_path: Path) -> None:
    sent = [*paths, *(real_data / "odd" / "pydicom_files" / name for name in ("MR_small.dcm", "JPEG2000.dcm"))]
    folder, port = tmp_path / "received", free_port()
    folder.mkdir()
    command = [dcmtk.tool("storescp"), "+xa", "-aet", "PACS", "-od", folder, str(port)]
    with subprocess.Popen(command, env=dcmtk.ENVIRONMENT, stdout=subprocess.DEVNULL) as storescp:
        try:
            until(lambda: answers(port))
            assert destination(port).send(sent) == DeliveryReport(len(sent))
        finally:
            storescp.terminate()
    assert sorted(dcmread(path).SOPInstanceUID for path in folder.iterdir()) == sorted(
        str(read_file_meta_info(path).MediaStorageSOPInstanceUID) for path in sent
    )


def answers(port: int) -> bool:
    try:
        destination(port).echo()
    except DeliveryDeferred:
        return False
    return True
