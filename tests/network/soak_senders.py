"""Senders of different kinds, each of which writes down what the node acknowledged and how long it took to."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from commitment_scu import Scanner
from made_instances import made_instance
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import evt
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
from soak_gate import Gate

CONTEXTS = ((1, MRImageStorage, ExplicitVRLittleEndian), (3, VERIFICATION, ExplicitVRLittleEndian))
ECHO = p_data((3, COMMAND | LAST, command(elements(0x0030))))
SERIES = 50
"""Images of a series, or some more where several go at once."""
REPORTED_WITHIN_S = 120.0
"""Only ends a soak that would hang."""

_PIECE_BYTES = 1 << 14
_UIDS_OF_A_SITE = 10**7
_ROOT = "1.2.826.0.1.3680043.10.1657"
_NAMES = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def _uid(number: int) -> str:
    """Return a UID that is as long as any other of these, so that one can stand for another in encoded bytes."""
    return f"{_ROOT}.1{number:012d}"


@dataclass(frozen=True)
class Image:
    """An instance as it goes over the wire."""

    uid: str
    command: bytes
    dataset: bytes


class Images:
    """Makes instances out of one that was encoded once: encoding each would cost more than sending it."""

    def __init__(self, side: int) -> None:
        dataset = made_instance(side=side)
        for name, number in zip(_NAMES, range(3), strict=True):
            setattr(dataset, name, _uid(number))
        self._patterns = [_uid(number).encode() for number in range(3)]
        self._command, self._dataset = store_command(dataset), encoded(dataset)

    def made(self, number: int, series: int) -> Image:
        uid, series_uid = _uid(number), _uid(series)
        data = self._dataset
        for pattern, value in zip(self._patterns, (uid, series_uid, series_uid), strict=True):
            data = data.replace(pattern, value.encode())
        data = data[:-32] + hashlib.sha256(uid.encode()).digest()  # no two have the same content
        return Image(uid, self._command.replace(self._patterns[0], uid.encode()), data)


@dataclass
class Account:
    """What all senders were told; written by several threads, each entry at once.

    Attributes
    ----------
    acknowledged
        SOPInstanceUID -> SHA-256 of the data set.
    answered
        (what was asked, when, s after the start, how long the answer took, s).
    counts
        What happened how often.
    """

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    answered: list[tuple[str, float, float]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def summary(self) -> str:
        happened = ", ".join(f"{count:,} {what}" for what, count in self.counts.items())
        lasted_s = max(at for _, at, _ in self.answered)
        return f"{lasted_s:.0f} s: {len(self.acknowledged):,} images, {happened}"

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def took(self, what: str, since: float) -> None:
        now = time.monotonic()
        self.answered.append((what, since - self.began, now - since))


class Site:
    """The senders of a hospital, and the node that they send to.

    Parameters
    ----------
    seed
        Of what is left to chance, and of the UIDs: no two sites may have the same.
    haste
        By how much the pauses of all senders are divided.
    """

    def __init__(self, port: int, seed: int, *, haste: float) -> None:
        self.port = port
        self.account = Account()
        self.over = threading.Event()
        self.gate = Gate()
        self._haste = haste
        self._chance = random.Random(seed)
        self._numbers = itertools.count(seed * _UIDS_OF_A_SITE)
        self._own = threading.local()
        self._images = {side: Images(side) for side in (64, 128, 256)}

    def rest(self, seconds: float) -> None:
        self.over.wait(seconds / self._haste)

    def next_images(self, count: int, side: int = 64) -> list[Image]:
        """Return what the sender of this thread is to send next; after so many it begins another series."""
        if getattr(self._own, "left", 0) <= 0:
            self._own.series, self._own.left = next(self._numbers), SERIES
        self._own.left -= count
        return [self._images[side].made(next(self._numbers), self._own.series) for _ in range(count)]

    def associate(self) -> RawPeer:
        began = time.monotonic()
        peer = RawPeer(self.port, request(CONTEXTS))
        assert peer.answer[:1] == b"\x02", "the association was not accepted"
        self.account.took("association", began)
        self.account.count("associations")
        return peer

    def store(self, peer: RawPeer, image: Image) -> None:
        peer.send(p_data((1, COMMAND | LAST, image.command)) + p_data((1, DATA | LAST, image.dataset)))
        since = time.monotonic()
        self.answer(peer, image)
        self.account.took("image", since)

    def answer(self, peer: RawPeer, image: Image) -> None:
        """Take the answer; what is acknowledged is to be found again."""
        assert peer.status() == 0x0000
        self.account.acknowledged[image.uid] = hashlib.sha256(image.dataset).digest()

    def release(self, peer: RawPeer) -> None:
        peer.send(RELEASE)
        assert peer.read()[:1] == b"\x06"
        peer.socket.close()

    # --- the kinds: one round of each

    def steady(self) -> None:
        """Send images as a scanner makes them."""
        with self.associate() as peer:
            for image in self.next_images(20):
                self.store(peer, image)
                self.rest(0.1)
            self.release(peer)

    def bursty(self) -> None:
        """Send many images at once, as an archive does."""
        with self.associate() as peer:
            for image in self.next_images(25, side=128):
                self.store(peer, image)
            self.release(peer)
        self.rest(2)

    def one_by_one(self) -> None:
        """Send each image on an association of its own."""
        for image in self.next_images(5):
            with self.associate() as peer:
                self.store(peer, image)
                self.release(peer)
        self.rest(0.5)

    def broken(self) -> None:
        """Send a whole image, half of another, and go, one way or another."""
        first, second = self.next_images(2)
        with self.associate() as peer:
            self.store(peer, first)
            half = p_data((1, DATA, second.dataset[: len(second.dataset) // 2]))
            peer.send(p_data((1, COMMAND | LAST, second.command)) + half)
            ending = self._chance.choice((b"", ABORT, b"GET / HTTP/1.1\r\n\r\n"))
            if ending:
                peer.send(ending)
            else:
                peer.reset()
        self.account.count("broken off")
        self.rest(0.5)

    def monitor(self) -> None:
        """Knock as a load balancer does, then ask whether somebody is there."""
        RawPeer(self.port, None).socket.close()
        self.account.count("probes")
        with self.associate() as peer:
            began = time.monotonic()
            peer.send(ECHO)
            assert peer.status() == 0x0000
            self.account.took("echo", began)
            self.release(peer)
        self.rest(0.15)

    def slow(self) -> None:
        """Send an image in small pieces, and take the answer late."""
        (image,) = self.next_images(1, side=256)
        with self.associate() as peer:
            peer.send(p_data((1, COMMAND | LAST, image.command)))
            for at in range(0, len(image.dataset), _PIECE_BYTES):
                last = LAST if at + _PIECE_BYTES >= len(image.dataset) else 0
                pdu = p_data((1, DATA | last, image.dataset[at : at + _PIECE_BYTES]))
                peer.send(pdu[: len(pdu) // 2])
                self.rest(0.1)
                peer.send(pdu[len(pdu) // 2 :])
            self.rest(0.3)
            self.answer(peer, image)
            self.release(peer)

    def commitment(self) -> None:
        """Send images, and ask whether they are safe: all of them are."""
        images = self.next_images(3)
        with self.associate() as peer:
            for image in images:
                self.store(peer, image)
            self.release(peer)
        scanner, uids = Scanner(), [image.uid for image in images]
        association = scanner.associate(self.port)
        assert association.is_established
        answered = threading.Event()
        # the answer to a report must have gone before the release: pynetdicom sends it from another thread
        association.bind(evt.EVT_PDU_SENT, lambda _event: answered.set() if scanner.reports else None)
        self.account.count("associations")
        began = time.monotonic()
        assert scanner.ask(association, _uid(next(self._numbers)), uids) == 0x0000
        assert answered.wait(REPORTED_WITHIN_S)
        self.account.took("commitment", began)
        assert sorted(scanner.committed) == uids
        association.release()
        self.account.count("commitments")
        self.rest(2)


KINDS: Mapping[str, tuple[Callable[[Site], None], int]] = {
    "steady": (Site.steady, 1),
    "bursty": (Site.bursty, 1),
    "an association for each image": (Site.one_by_one, 2),
    "broken associations": (Site.broken, 1),
    "monitors": (Site.monitor, 1),
    "slow": (Site.slow, 2),
    "storage commitment": (Site.commitment, 1),
}
"""Name -> one round, and how many do it at the same time."""
