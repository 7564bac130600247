"""The client's address and scheme, as trusted proxies report them in `X-Forwarded-For` and `X-Forwarded-Proto`.

This replaces uvicorn's middleware, which takes any text of any length for an address. `Forwarded` and `X-Real-IP` are
not read.
"""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from trackd.config.networks import ANY, networks
from trackd.core.addresses import Address, parse_address

MAX_HOPS = 64  # of a request: parts before them are not read
SCHEMES = {b"http": "http", b"https": "https"}


class ProxyHeaders:
    """ASGI middleware. `trusted_proxies` is the setting."""

    def __init__(self, app: ASGIApp, trusted_proxies: str) -> None:
        self._app = app
        self._trusts_any = trusted_proxies.strip() == ANY
        self._trusted = () if self._trusts_any else networks(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._apply(scope)
        await self._app(scope, receive, send)

    def _apply(self, scope: Scope) -> None:
        peer = scope.get("client")
        address = parse_address(peer[0]) if peer else None
        if not self._trusts(address):
            return
        hops: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                hops += value.rsplit(b",", MAX_HOPS)[-MAX_HOPS:]
            elif name == b"x-forwarded-proto":
                scope["scheme"] = SCHEMES.get(value.strip().lower(), scope["scheme"])
        if client := self._client([hop.decode("latin-1") for hop in hops[-MAX_HOPS:]]):
            scope["client"] = (str(client), 0)

    def _client(self, hops: Iterable[str]) -> Address | None:
        """The address of the client: the nearest hop that is not trusted. If any is trusted, the first address.

        The parts before one that is no address, such as `unknown`, may be forged: then the hop after it is the client.
        """
        addresses = [parse_address(hop) for hop in hops if hop.strip()]
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
