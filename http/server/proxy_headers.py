"""The client's address and scheme, as trusted proxies report them in `X-Forwarded-For` and `X-Forwarded-Proto`.

This replaces uvicorn's middleware, which takes any text of any length for an address. `Forwarded` and `X-Real-IP` are
not read.
"""

from collections.abc import Iterable
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from trackd.config.networks import ANY, networks
from trackd.core.addresses import Address, parse_address
from trackd.http.clients import Client, Clients, Peer

MAX_HOPS = 64  # of a request: parts before them are not read
MAX_KEPT_BYTES = 256  # of a header whose client is remembered
FORWARDED_HOST = "trackd.forwarded_host"  # in the scope: the host that the client named to a trusted proxy
SCHEMES = {b"http": "http", b"https": "https"}


class TrustedProxies:
    """`setting` is `server.trusted_proxies`."""

    def __init__(self, setting: str) -> None:
        self._trusts_any = setting.strip() == ANY
        self._trusted = () if self._trusts_any else networks(setting)

    def has(self, peer: Peer | None) -> bool:
        return self._trusts(parse_address(peer[0]) if peer else None)

    def client(self, forwarded: Iterable[bytes]) -> Address | None:
        """The client of a request with these headers `X-Forwarded-For`: the nearest hop that is not trusted.

        If any is trusted, the first address. The parts before one that is no address, such as `unknown`, may be forged:
        then the hop after it is the client.
        """
        hops = [hop for value in forwarded for hop in value.rsplit(b",", MAX_HOPS)[-MAX_HOPS:]][-MAX_HOPS:]
        addresses = [parse_address(hop.decode("latin-1")) for hop in hops if hop.strip()]
        if self._trusts_any:
            return next((address for address in addresses if address is not None), None)
        client = None
        for address in reversed(addresses):
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, address: Address | None) -> bool:
        return self._trusts_any or (address is not None and any(address in network for network in self._trusted))


def is_unix_socket(server: tuple[str, int | None] | None) -> bool:
    """Whether a connection came through a Unix socket, by the server's own address as ASGI has it: it has no port.

    Its peer has no address, and is a trusted proxy. Some peers of TCP have none either: they have disconnected.
    """
    return server is None or server[1] is None


class ForwardedClients:
    """The clients that trusted proxies report, by the header. Each visitor has one, whatever else the requests have."""

    def __init__(self, proxies: TrustedProxies, clients: Clients) -> None:
        self.proxies = proxies
        self._clients = clients
        self._kept = lru_cache(maxsize=4_096)(self._find)

    def of(self, forwarded: bytes) -> Client | None:
        """None when the header has no address."""
        return self._kept(forwarded) if len(forwarded) <= MAX_KEPT_BYTES else self._find(forwarded)

    def _find(self, forwarded: bytes) -> Client | None:
        address = self.proxies.client([forwarded])
        return None if address is None else self._clients.of_address(address)


class ProxyHeaders:
    """ASGI middleware. `trusted_proxies` is the setting."""

    def __init__(self, app: ASGIApp, trusted_proxies: str) -> None:
        self._app = app
        self._proxies = TrustedProxies(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (is_unix_socket(scope["server"]) or self._proxies.has(scope["client"])):
            self._apply(scope)
        await self._app(scope, receive, send)

    def _apply(self, scope: Scope) -> None:
        forwarded = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded.append(value)
            elif name == b"x-forwarded-proto":
                scope["scheme"] = SCHEMES.get(value.partition(b",")[0].strip().lower(), scope["scheme"])
            elif name == b"x-forwarded-host":
                scope[FORWARDED_HOST] = value.decode("latin-1").partition(",")[0].strip()
        if client := self._proxies.client(forwarded):
            scope["client"] = (str(client), 0)
