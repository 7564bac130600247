"""Authentication by `Authorization: Bearer TOKEN`, and the scope that each endpoint requires.

Tokens are cached for half a second: reading them from the store for each request would slow down `/track`. Their last
use is written at most once an hour for each.
"""

import asyncio
import functools
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from trackd.core.addresses import limit_key, parse_address
from trackd.core.documents import Token, TokenScope, secret_hash, timestamp
from trackd.core.rate_limit import Buckets
from trackd.http.errors import HttpError, expired, failed_too_often, lacks_scope, unauthenticated

KEPT_S = 0.5  # a revoked token is accepted for at most this long
UNKNOWN_READ_EVERY_S = 0.05  # requests with unknown tokens share a reading, however many clients make tokens up
USE_WRITTEN_EVERY = timedelta(hours=1)
FAILURES_PER_S = 1.0
FAILURES_BURST = 10
IS_ALLOWED = "trackd.is_allowed"  # in the scope of a request: whether its token or its login is valid still
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
    """Wraps endpoints: `read(endpoint)` runs it for requests with a token that opens the scope `read`, and so on.

    `tokens` reads the tokens from the store, `write_use` writes the time of a token's use without waiting. Failures are
    limited by address, but never requests with a valid token. `monotonic` and `sleep` are of one clock.
    """

    def __init__(
        self,
        tokens: Callable[[], Iterable[Token]],
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        write_use: Callable[[Token, str], None] = lambda token, used: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tokens = tokens
        self._monotonic = monotonic
        self._sleep = sleep
        self._now = now
        self._write_use = write_use
        self._uses_written: dict[str, str] = {}  # by hash: the last times that were given to `write_use`
        self._cached: tuple[Token, ...] = ()
        self._read_at = -math.inf
        self._failures: Buckets[str] = Buckets()

    def read(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._authorize, TokenScope.READ, endpoint)

    def metrics(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._authorize, TokenScope.METRICS, endpoint)

    def erase(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._authorize, TokenScope.ERASE, endpoint)

    def admin(self, endpoint: Endpoint) -> RequireScope:
        return RequireScope(self._authorize, TokenScope.ADMIN, endpoint)

    async def _authorize(self, scope: TokenScope, endpoint: Endpoint, request: Request) -> Response:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        token = await self.token(request, secret.strip() if scheme.lower() == "bearer" else "")
        if not token.opens(scope):
            raise lacks_scope(scope, token.name)
        request.scope[IS_ALLOWED] = lambda: self.by_hash(token.hash) is not None
        return await endpoint(request)

    async def token(self, request: Request, secret: str) -> Token:
        """The token with this secret, and note its use. Raises HttpError when there is none, or when it has expired."""
        token, now = await self._token(secret) if secret else None, self._now()
        if token is None:
            raise self.failure(request, "unknown token" if secret else "no token")
        if token.expires is not None and token.has_expired(timestamp(now)):
            raise expired(token.name, token.expires)
        self._note_use(token, now)
        return token

    def failure(self, request: Request, kind: str) -> HttpError:
        """Count a failure of the client's address, and return the answer to it."""
        address = parse_address(request.client.host) if request.client else None
        client = limit_key(address) if address else UNKNOWN_ADDRESS
        if wait := self._failures.take(client, FAILURES_PER_S, self._monotonic(), FAILURES_BURST):
            return failed_too_often(wait)
        return unauthenticated(kind)

    def by_hash(self, token_hash: str) -> Token | None:
        """The token with this hash; None when it was revoked or has expired. It may be half a second old."""
        if self._monotonic() >= self._read_at + KEPT_S:
            self._read()
        now = timestamp(self._now())
        return next((t for t in self._cached if t.hash == token_hash and not t.has_expired(now)), None)

    def _note_use(self, token: Token, now: datetime) -> None:
        last = self._uses_written.get(token.hash, token.used)
        if last is None or not timestamp(now - USE_WRITTEN_EVERY) < last <= timestamp(now + USE_WRITTEN_EVERY):
            self._uses_written[token.hash] = timestamp(now)
            self._write_use(token, timestamp(now))

    async def _token(self, secret: str) -> Token | None:
        """The token of a secret. Tokens are read from the store again when none matches: a new one works at once."""
        began = self._monotonic()
        if began < self._read_at + KEPT_S:
            if token := self._find_cached(secret):
                return token
            await self._sleep(self._read_at + UNKNOWN_READ_EVERY_S - began)
        if self._read_at <= began:  # else another request has read them meanwhile
            self._read()
        return self._find_cached(secret)

    def _read(self) -> None:
        self._cached = tuple(self._tokens())
        self._read_at = self._monotonic()

    def _find_cached(self, secret: str) -> Token | None:
        """Compares with all tokens in constant time: the duration gives no hint about a secret."""
        shown, found = secret_hash(secret).encode(), None
        for token in self._cached:
            if hmac.compare_digest(token.hash.encode(), shown):
                found = token
        return found
