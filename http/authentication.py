"""Authentication by `Authorization: Bearer TOKEN`, and the scope that each endpoint requires.

Tokens are cached for half a second: reading them from the store for each request would slow down `/track`.
"""

import functools
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from trackd.core.addresses import limit_key, parse_address
from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.core.rate_limit import Buckets
from trackd.http.errors import failed_too_often, lacks_scope, unauthenticated

KEPT_S = 0.5  # a revoked token is accepted for at most this long
FAILURES_PER_S = 1.0
FAILURES_BURST = 10
UNKNOWN_ADDRESS = "unknown"  # of all clients without one, such as those of a Unix socket

Endpoint = Callable[[Request], Awaitable[Response]]


class RequireScope(functools.partial[Awaitable[Response]]):
    """An endpoint that requires a token with a scope.

    It is a partial because Starlette treats one as it treats a function: a route without methods is GET.
    """

    @property
    def required_scope(self) -> TokenScope:
        scope: TokenScope = self.args[0]
        return scope


class Authenticator:
    """Wraps endpoints: `read(endpoint)` and `admin(endpoint)` run it for requests with a token of that scope.

    `tokens` reads the valid tokens from the store. Failures are limited by address, but never requests with a
    valid token.
    """

    def __init__(self, tokens: Callable[[], Iterable[Token]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._monotonic = monotonic
        self._cached: tuple[Token, ...] = ()
        self._cached_until = -math.inf
        self._failures: Buckets[str] = Buckets()

    def read(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._authorize, TokenScope.READ, endpoint)

    def admin(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._authorize, TokenScope.ADMIN, endpoint)

    async def _authorize(self, scope: TokenScope, endpoint: Endpoint, request: Request) -> Response:
        token = self._authenticate(request)
        if not token.opens(scope):
            raise lacks_scope(scope, token.name)
        return await endpoint(request)

    def _authenticate(self, request: Request) -> Token:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        has_secret = scheme.lower() == "bearer" and secret.strip() != ""
        token = self._token(secret.strip()) if has_secret else None
        if token is not None:
            return token
        address = parse_address(request.client.host) if request.client else None
        client = limit_key(address) if address else UNKNOWN_ADDRESS
        if wait := self._failures.take(client, FAILURES_PER_S, self._monotonic(), FAILURES_BURST):
            raise failed_too_often(wait)
        raise unauthenticated("unknown token" if has_secret else "no token")

    def _token(self, secret: str) -> Token | None:
        """The token of a secret. Tokens are read from the store again when none matches: a new one works at once."""
        if self._monotonic() < self._cached_until and (token := self._find_cached(secret)):
            return token
        self._cached = tuple(self._tokens())
        self._cached_until = self._monotonic() + KEPT_S
        return self._find_cached(secret)

    def _find_cached(self, secret: str) -> Token | None:
        """Compares with all tokens in constant time: the duration gives no hint about a secret."""
        shown, found = secret_hash(secret).encode(), None
        for token in self._cached:
            if hmac.compare_digest(token.hash.encode(), shown):
                found = token
        return found
