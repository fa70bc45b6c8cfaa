"""What is put right in pynetdicom."""

from __future__ import annotations

import pytest
from made_instances import made_instance
from pynetdicom import AE
from scripted_pacs import running_pacs
from until import until

from dicom_node.dimse.library import prepare_library

pytestmark = pytest.mark.network


def test_a_response_that_the_requestors_own_thread_took_reaches_the_sender() -> None:
    prepare_library()
    with running_pacs() as pacs:
        instance = made_instance()
        entity = AE()
        entity.dimse_timeout = 20
        entity.add_requested_context(instance.SOPClassUID, instance.file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", pacs.port)
        until(lambda: association.is_established)
        sent = association.dimse.send_msg

        def send_and_wake_the_thread(*message: object) -> None:
            association._reactor_checkpoint.set()  # as when it is still being woken after the instance before
            sent(*message)

        association.dimse.send_msg = send_and_wake_the_thread
        statuses = [association.send_c_store(instance).get("Status") for _ in range(20)]
        association.release()
    assert statuses == [0x0000] * 20
