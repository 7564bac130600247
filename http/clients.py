"""The clients that requests come from, and what may be stored and logged of their addresses (`privacy.ip`)."""

from functools import lru_cache
from ipaddress import ip_network

from msgspec import Struct

from trackd.config.settings import Privacy
from trackd.core.addresses import Address, network_of, parse_address

Peer = tuple[str, int]
"""The address and port of a client, as ASGI has them. Another ASGI server may have any text there."""


class Client(Struct, frozen=True):
    """A client, as far as `privacy.ip` lets it be known."""

    ip: str | None = None
    """The address that events keep and rules see; None for none."""
    shown: str = ""
    """The address in log lines; empty for none."""


UNKNOWN = Client()


class Clients:
    """Makes the `Client` of an address."""

    def __init__(self, privacy: Privacy | None = None) -> None:
        self._ip = (privacy or Privacy()).ip
        self._client = lru_cache(maxsize=4_096)(self._make)

    def of(self, peer: Peer | None) -> Client:
        address = parse_address(peer[0]) if peer else None
        return UNKNOWN if address is None else self._client(address)

    def _make(self, address: Address) -> Client:
        network = network_of(address)
        if self._ip == "full":
            return Client(str(address), f"{address} in {network}")
        if self._ip == "network":
            return Client(str(ip_network(network).network_address), network)
        return UNKNOWN
