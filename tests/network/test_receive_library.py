"""Associations that agree on a rarer service: pynetdicom serves them whole, storage included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from made_instances import made_instance
from memory_store import MemoryStore
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event, EventHandlerType
from until import until

from dicom_node.domain.association import AssociationEvent
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver

pytestmark = pytest.mark.network

COMMITMENT = UID("1.2.840.10008.1.20.1")


@dataclass(frozen=True)
class Commitment:
    asked: list[str]
    sop_class = COMMITMENT

    @property
    def handlers(self) -> tuple[EventHandlerType, ...]:
        return ((evt.EVT_N_ACTION, self.on_action),)

    def on_action(self, event: Event) -> tuple[int, None]:
        self.asked.append(event.action_information.TransactionUID)
        return 0x0000, None


@pytest.fixture
def house() -> Iterator[tuple[Receiver, MemoryStore, list[str], list[AssociationEvent]]]:
    store, asked, events = MemoryStore(), list[str](), list[AssociationEvent]()
    receiver = Receiver(
        store,
        Policy("HARMONIZE"),
        limits=ReceiverLimits(associations=1),
        services=[Commitment(asked)],
        on_association=events.append,
    )
    receiver.start()
    yield receiver, store, asked, events
    receiver.stop(0)


def associate(receiver: Receiver) -> Any:
    entity = AE(ae_title="SCANNER")
    contexts = [build_context(each, ExplicitVRLittleEndian) for each in (MRImageStorage, COMMITMENT)]
    return entity.associate("127.0.0.1", receiver.port, contexts, ae_title="HARMONIZE")


def ask(association: Any, transaction: str) -> int:
    information = Dataset()
    information.TransactionUID = transaction
    status, _ = association.send_n_action(information, 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
    return int(status.Status)


def test_a_rarer_service_and_storage_share_an_association(
    house: tuple[Receiver, MemoryStore, list[str], list[AssociationEvent]],
) -> None:
    receiver, store, asked, events = house
    association, dataset = associate(receiver), made_instance(side=256)
    assert len(association.accepted_contexts) == 2
    assert association.send_c_store(dataset).Status == 0x0000
    assert ask(association, "1.2.3") == 0x0000
    assert (list(store.held), asked) == ([dataset.SOPInstanceUID], ["1.2.3"])
    assert associate(receiver).is_rejected  # it takes its place as any other
    association.release()
    until(lambda: len(events) == 2)
    assert [(event.outcome, event.instances) for event in events] == [("refused", 0), ("released", 1)]
    assert associate(receiver).is_established


def test_stopping_aborts_it_too(house: tuple[Receiver, MemoryStore, list[str], list[AssociationEvent]]) -> None:
    receiver, store, _, events = house
    association = associate(receiver)
    association.send_c_store(made_instance())
    receiver.stop(0)
    until(lambda: association.is_aborted)
    until(lambda: [event.outcome for event in events] == ["aborted"])
    assert not store.connected.total()
