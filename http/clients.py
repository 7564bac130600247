"""The clients that requests come from: what may be kept of their addresses, and the key of their limits."""

from functools import lru_cache
from ipaddress import ip_network

from msgspec import Struct

from trackd.config.networks import networks
from trackd.config.settings import Limits, Privacy
from trackd.core.addresses import Address, limit_key, network_of, parse_address

Peer = tuple[str, int]
"""The address and port of a client, as ASGI has them. Another ASGI server may have any text there."""


class Client(Struct, frozen=True):
    """A client, as far as `privacy.ip` lets it be known."""

    ip: str | None = None
    """The address that events keep and rules see; None for none."""
    shown: str = ""
    """The address in log lines; empty for none."""
    key: str | None = None
    """The key of the limits of the client, from its whole address; None if it has no limits. Only for memory."""
    group: str = ""
    """The same key, also of a client without limits; empty for none. Only for memory."""


UNKNOWN = Client()


class Clients:
    """Makes the `Client` of an address."""

    def __init__(self, privacy: Privacy | None = None, limits: Limits | None = None) -> None:
        self._ip = (privacy or Privacy()).ip
        self._unlimited = networks((limits or Limits()).unlimited_clients)
        self.of_address = lru_cache(maxsize=4_096)(self._make)

    def of(self, peer: Peer | None) -> Client:
        address = parse_address(peer[0]) if peer else None
        return UNKNOWN if address is None else self.of_address(address)

    def _make(self, address: Address) -> Client:
        network = network_of(address)
        group = limit_key(address)
        key: str | None = group
        if any(address in unlimited for unlimited in self._unlimited):
            key = None
        if self._ip == "full":
            return Client(str(address), f"{address} in {network}", key, group)
        if self._ip == "network":
            return Client(str(ip_network(network).network_address), network, key, group)
        return Client(key=key, group=group)
