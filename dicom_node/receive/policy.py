"""Who may open an association: the called title must be ours, the calling one allowed (PS3.8 9.3.4)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, Protocol, TypeAlias

from dicom_node.domain.identifiers import is_ae_title
from dicom_node.errors import RefusedToStart

_Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Accept:
    """The association may be opened."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The association is refused with these fields of A-ASSOCIATE-RJ (PS3.8 table 9-21).

    Attributes
    ----------
    result
        1 permanent, 2 transient.
    source
        1 service user, 2 service provider (ACSE), 3 service provider (presentation).
    reason
        Reason/Diag., in the meaning that `source` gives it.
    why
        For the log; holds no text of the peer.
    """

    result: int
    source: int
    reason: int
    why: str


UNKNOWN_CALLING_AE = Reject(1, 1, 3, "calling AE title not recognized")
UNKNOWN_CALLING_HOST = Reject(1, 1, 3, "calling AE title not recognized from this host")
UNKNOWN_CALLED_AE = Reject(1, 1, 7, "called AE title not recognized")
UNKNOWN_APPLICATION_CONTEXT = Reject(1, 1, 2, "application context name not supported")
UNKNOWN_PROTOCOL = Reject(1, 2, 2, "protocol version not supported")
TOO_MANY = Reject(2, 3, 2, "too many associations")
SHUTTING_DOWN = Reject(2, 3, 1, "shutting down")
CANNOT_DECIDE = Reject(2, 1, 1, "the policy could not be applied")
REJECTIONS = (
    UNKNOWN_CALLING_AE, UNKNOWN_CALLING_HOST, UNKNOWN_CALLED_AE, UNKNOWN_APPLICATION_CONTEXT, UNKNOWN_PROTOCOL,
    TOO_MANY, SHUTTING_DOWN, CANNOT_DECIDE,
)  # fmt: skip
"""All that there are."""


class AllowedCaller(Protocol):
    """An application entity that may send; `dicom_node.settings.CallingAe` is one."""

    @property
    def ae_title(self) -> str:
        """As it calls itself; upper and lower case differ (PS3.5 6.2)."""
        ...

    @property
    def hosts(self) -> Sequence[str]:
        """Host names, addresses or networks (``10.1.0.0/16``) it may come from; empty: from anywhere."""
        ...


def addresses_of(host: str) -> Collection[str]:
    """Return the addresses of a host name, none when it is unknown."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule for opening associations.

    Attributes
    ----------
    ae_title
        Our own, which callers must call.
    callers
        ``any``, or those who may call.
    resolve
        Host name -> its addresses.

    Raises
    ------
    RefusedToStart
        When a network among the hosts is mistyped: it must not pass for a host name that never matches.
    """

    ae_title: str
    callers: Literal["any"] | Sequence[AllowedCaller] = "any"
    resolve: Callable[[str], Collection[str]] = addresses_of

    def __post_init__(self) -> None:
        for caller in self.callers if self.callers != "any" else ():
            for host in caller.hosts:
                _check_network(host, caller.ae_title)

    def decide(self, calling_ae: str, called_ae: str, *, peer_host: str) -> Accept | Reject:
        """Decide on an association request.

        Parameters
        ----------
        calling_ae, called_ae
            As they stand in A-ASSOCIATE-RQ; spaces around them do not count (PS3.8 table 9-11).
        peer_host
            Address that the connection comes from.
        """
        calling_ae, called_ae = calling_ae.strip(), called_ae.strip()
        if called_ae != self.ae_title.strip():
            return UNKNOWN_CALLED_AE
        if not is_ae_title(calling_ae):
            return UNKNOWN_CALLING_AE
        if self.callers == "any":
            return Accept()
        named = [caller for caller in self.callers if caller.ae_title.strip() == calling_ae]
        if not named:
            return UNKNOWN_CALLING_AE
        if any(self._comes_from(caller.hosts, peer_host) for caller in named):
            return Accept()
        return UNKNOWN_CALLING_HOST

    def _comes_from(self, hosts: Sequence[str], peer_host: str) -> bool:
        return not hosts or any(self._is_at(host, _address(peer_host)) for host in hosts)

    def _is_at(self, host: str, peer: _Address) -> bool:
        try:
            return peer in ip_network(host, strict=False)
        except ValueError:
            return any(peer == _address(address) for address in self.resolve(host))


def _check_network(host: str, ae_title: str) -> None:
    if "/" in host:
        try:
            ip_network(host, strict=False)
        except ValueError:
            raise RefusedToStart(f"calling_ae: '{host}' of {ae_title} is not a network such as 10.1.0.0/16") from None


def _address(text: str) -> _Address:
    address = ip_address(text)
    # a socket that listens on both families shows an IPv4 peer as ::ffff:10.0.0.1
    return getattr(address, "ipv4_mapped", None) or address
