"""Damaged PDUs and data sets by chance, from a seed: a few of each here, thousands by ``make fuzz``."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import pytest
from made_instances import made_instance
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from raw_peer import (
    ABORT,
    COMMAND,
    DATA,
    LAST,
    RELEASE,
    VERIFICATION,
    RawPeer,
    command,
    elements,
    encoded,
    p_data,
    request,
    store_command,
)
from ward import Ward

from dicom_node.receive.limits import ReceiverLimits

pytestmark = pytest.mark.network

PDUS = int(os.environ.get("DICOM_NODE_FUZZ_PDUS", "150"))
DATASETS = int(os.environ.get("DICOM_NODE_FUZZ_DATASETS", "60"))
SEED = int(os.environ.get("DICOM_NODE_FUZZ_SEED", "1"))

CONTEXTS = ((1, MRImageStorage, ExplicitVRLittleEndian), (3, VERIFICATION, ExplicitVRLittleEndian))
ANSWERS = frozenset((2, 3, 4, 6, 7))  # the types of PDU that an acceptor may send (PS3.8 9.2)


def damaged(chance: random.Random, whole: bytes) -> bytes:
    """Return bytes with some changed, cut out, doubled or put in, those of lengths and types more often."""
    data = bytearray(whole)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(min(len(data), 120) if chance.random() < 0.6 else len(data))
        length = chance.randrange(1, 40)
        what = chance.randrange(4)
        if what == 0:
            data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif what == 1:
            del data[at : at + length]
        elif what == 2:
            data[at:at] = data[at : at + length]
        else:
            data[at : at + length] = chance.randbytes(length)
        data = data or bytearray(b"\0")
    return bytes(data)


def test_no_damaged_pdu_ends_the_listener_or_leaves_anything(tmp_path: Path) -> None:
    chance, ward, dataset = random.Random(SEED), Ward(tmp_path), made_instance()
    receiver = ward.start(ReceiverLimits(negotiation_s=5, pdu_s=5))
    stored = p_data((1, COMMAND | LAST, store_command(dataset))) + p_data((1, DATA | LAST, encoded(dataset)))
    kinds = [request(CONTEXTS), p_data((3, COMMAND | LAST, command(elements(0x30)))), stored, RELEASE, ABORT]
    try:
        for number in range(PDUS):
            asking = request(CONTEXTS) if chance.random() < 0.7 else None
            with RawPeer(receiver.port, asking) as peer:
                peer.send(damaged(chance, chance.choice(kinds)))
                peer.socket.shutdown(socket.SHUT_WR)
                while answer := peer.read():
                    assert answer[0] in ANSWERS, f"seed {SEED}, PDU {number}"
        ward.is_alive()
        assert not list((tmp_path / "incoming").iterdir())
    finally:
        ward.stop()


def test_every_damaged_data_set_is_stored_or_refused_by_a_status_of_storage(tmp_path: Path) -> None:
    chance, ward = random.Random(SEED), Ward(tmp_path)
    receiver, statuses = ward.start(ReceiverLimits()), []
    try:
        with RawPeer(receiver.port, request(CONTEXTS)) as peer:
            for _ in range(DATASETS):
                dataset = made_instance(series_uid="1.2.3")
                data = damaged(chance, encoded(dataset))
                peer.send(p_data((1, COMMAND | LAST, store_command(dataset)), (1, DATA | LAST, data)))
                statuses.append(peer.status())
            peer.send(RELEASE)
            assert peer.read()[0] == 6
        ward.is_alive()
        assert set(statuses) <= {0x0000, 0xA900, 0xC000}
        assert len([path for path in tmp_path.rglob("*.dcm")]) == statuses.count(0x0000) > 0
        assert not list((tmp_path / "incoming").iterdir())
    finally:
        ward.stop()
