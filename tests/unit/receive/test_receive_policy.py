from __future__ import annotations

import pytest

from dicom_node.errors import RefusedToStart
from dicom_node.receive.policy import Accept, Policy, Reject
from dicom_node.settings import CallingAe

NAMES = {"mr1.hospital": {"10.1.2.3", "fd00::3"}}

POLICY = Policy(
    "HARMONIZE",
    (
        CallingAe(ae_title="ANYWHERE"),
        CallingAe(ae_title="ADDRESS", hosts=("10.1.2.3", "fd00::3")),
        CallingAe(ae_title="NETWORK", hosts=("10.1.0.0/16",)),
        CallingAe(ae_title="NAME", hosts=("mr1.hospital",)),
        CallingAe(ae_title="TWICE", hosts=("10.9.9.9",)),
        CallingAe(ae_title="TWICE", hosts=("10.8.8.8",)),
    ),
    resolve=lambda host: NAMES.get(host, ()),
)


@pytest.mark.parametrize(
    ("calling_ae", "peer_host"),
    [
        ("ANYWHERE", "203.0.113.9"),
        ("  ANYWHERE  ", "203.0.113.9"),
        ("ADDRESS", "10.1.2.3"),
        ("ADDRESS", "::ffff:10.1.2.3"),
        ("ADDRESS", "fd00::3"),
        ("NETWORK", "10.1.255.1"),
        ("NAME", "10.1.2.3"),
        ("NAME", "fd00:0:0::3"),
        ("TWICE", "10.8.8.8"),
    ],
)
def test_a_listed_caller_is_accepted_from_its_hosts(calling_ae: str, peer_host: str) -> None:
    assert POLICY.decide(calling_ae, "HARMONIZE", peer_host=peer_host) == Accept()


@pytest.mark.parametrize(
    ("calling_ae", "peer_host"),
    [
        ("STRANGER", "10.1.2.3"),
        ("anywhere", "10.1.2.3"),
        ("ADDRESS", "10.1.2.4"),
        ("NETWORK", "10.2.0.1"),
        ("NETWORK", "fd00::3"),
        ("NAME", "10.1.2.4"),
        ("", "10.1.2.3"),
        ("   ", "10.1.2.3"),
        ("BACK\\SLASH", "10.1.2.3"),
        ("LINE\r\nBREAK", "10.1.2.3"),
    ],
)
def test_any_other_caller_is_rejected_as_unknown(calling_ae: str, peer_host: str) -> None:
    decision = POLICY.decide(calling_ae, "HARMONIZE", peer_host=peer_host)
    assert isinstance(decision, Reject)
    assert (decision.result, decision.source, decision.reason) == (1, 1, 3)


@pytest.mark.parametrize("called_ae", ["OTHER", "harmonize", "", "   "])
@pytest.mark.parametrize("calling_ae", ["ANYWHERE", "STRANGER"])
def test_a_title_that_is_not_ours_is_rejected_whoever_calls_it(calling_ae: str, called_ae: str) -> None:
    decision = POLICY.decide(calling_ae, called_ae, peer_host="10.1.2.3")
    assert isinstance(decision, Reject)
    assert (decision.result, decision.source, decision.reason) == (1, 1, 7)


@pytest.mark.parametrize(("calling_ae", "accepted"), [("WHOEVER", True), ("  ", False), ("", False)])
def test_any_means_any_caller_with_a_title(calling_ae: str, *, accepted: bool) -> None:
    decision = Policy("HARMONIZE").decide(calling_ae, " HARMONIZE ", peer_host="10.1.2.3")
    assert isinstance(decision, Accept) is accepted


def test_a_mistyped_network_refuses_to_start() -> None:
    with pytest.raises(RefusedToStart, match=r"'10\.1\.0\.0/99' of MR1 is not a network"):
        Policy("HARMONIZE", (CallingAe(ae_title="MR1", hosts=("10.1.0.0/99",)),))


def test_an_unknown_host_name_matches_nobody() -> None:
    policy = Policy("HARMONIZE", (CallingAe(ae_title="MR1", hosts=("no-such-host.invalid",)),))
    assert isinstance(policy.decide("MR1", "HARMONIZE", peer_host="10.1.2.3"), Reject)
