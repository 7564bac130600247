"""Who may ask what: `Authorization: Bearer TOKEN`.

Tokens are read from the store now and then. To read them for each request took a switch of the GIL to the writer's
thread and back: with 100 requests a second, several percent of the throughput of `/track`.
"""

import functools
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.core.rate_limit import Bucket, take
from trackd.http.errors import failed_too_often, lacks_scope, unauthenticated

KEPT_S = 0.5
FAILURES_PER_S = 1.0
FAILURES_BURST = 10
MAX_ADDRESSES = 10_000
MAX_ADDRESS_LENGTH = 64  # of an IPv6 address with its zone; what a trusted proxy forwards may be any text

Endpoint = Callable[[Request], Awaitable[Response]]


class RequireScope(functools.partial[Awaitable[Response]]):
    """An endpoint behind a guard. Starlette takes a partial as it takes a function: a route without methods is GET."""

    @property
    def needs(self) -> TokenScope:
        scope: TokenScope = self.args[0]
        return scope


class Authenticator:
    """Stands before routes: `guard.read(endpoint)` lets in who has a token with that scope.

    `tokens` reads those that hold at the moment. A right token always passes, whoever fails from the same address.
    """

    def __init__(self, tokens: Callable[[], Iterable[Token]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._monotonic = monotonic
        self._kept: tuple[Token, ...] = ()
        self._read_again = -math.inf
        self._failures = Failures(monotonic)

    def read(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._ask, TokenScope.READ, endpoint)

    def admin(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._ask, TokenScope.ADMIN, endpoint)

    async def _ask(self, scope: TokenScope, endpoint: Endpoint, request: Request) -> Response:
        token = self._authenticate(request)
        if not token.opens(scope):
            raise lacks_scope(scope, token.name)
        return await endpoint(request)

    def _authenticate(self, request: Request) -> Token:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        bears = scheme.lower() == "bearer" and secret.strip() != ""
        token = self._token(secret.strip()) if bears else None
        if token is not None:
            return token
        address = request.client.host[:MAX_ADDRESS_LENGTH] if request.client else "an unknown address"
        if wait := self._failures.wait(address):
            raise failed_too_often(wait, address)
        raise unauthenticated("unknown token" if bears else "no token", address)

    def _token(self, secret: str) -> Token | None:
        """A token that was made just now is known at once, one that was revoked for `KEPT_S` at most."""
        if self._monotonic() < self._read_again and (token := self._among_kept(secret)):
            return token
        self._kept = tuple(self._tokens())
        self._read_again = self._monotonic() + KEPT_S
        return self._among_kept(secret)

    def _among_kept(self, secret: str) -> Token | None:
        """Looks at all tokens, whichever it is: how long it takes tells nothing."""
        shown, found = secret_hash(secret).encode(), None
        for token in self._kept:
            if hmac.compare_digest(token.hash.encode(), shown):
                found = token
        return found


class Failures:
    """How often each address may fail. Remembers the `MAX_ADDRESSES` that failed last."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, address: str) -> float:
        """Counts a failure. Returns the seconds to wait when there were too many, else 0."""
        before = self._buckets.pop(address, Bucket())
        self._buckets[address], wait = take(before, FAILURES_PER_S, self._monotonic(), FAILURES_BURST)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return wait
