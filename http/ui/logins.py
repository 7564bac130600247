"""Logins of the live page: a person exchanges a link or a token for a cookie.

The store has only the hash of the cookie's secret. The cookie opens routes below `/ui/` and no others.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from trackd.actors.messages import Administer, Administered
from trackd.actors.tracker import Tracker
from trackd.core.documents import SECRET_BYTES, Login, TokenScope, login_name, secret_hash, timestamp
from trackd.core.login_changes import AddLogin, EndLogin, LoginChange, UseLink
from trackd.http.authentication import Authenticator
from trackd.http.errors import HttpError, aborted, lacks_scope
from trackd.http.paths import REQUESTED_PREFIX
from trackd.http.ui.errors import explained, login_name_in_use
from trackd.storage.store import Reads

LASTS = timedelta(hours=12)
FOLDER = "/ui/"
PREFIX = re.compile(r"(/[\w.~!$&'()*+=:@%-]+)*")
UNKNOWN_LINK = "unknown link"  # one that was used is no longer stored
USED_LINK = (
    "This link was used before, is older than 30 minutes, or is of another installation: `trackd ui` makes a new one."
)
UNKNOWN_TOKEN = "There is no such token: `trackd token new NAME` makes one, `trackd ui` a link without a token."  # noqa: S105


class Logins:
    """Makes, finds and ends logins."""

    def __init__(
        self,
        tracker: Tracker,
        reads: Reads,
        authenticator: Authenticator,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tracker = tracker
        self._reads = reads
        self._authenticator = authenticator
        self._now = now

    @cached_property
    def cookie_name(self) -> str:
        """It has the number of the installation: browsers send the cookies of one host to all of its ports."""
        return f"trackd_{self._reads.installation():x}"

    @property
    def secure_cookie_name(self) -> str:
        """That over https: a browser that has a `Secure` cookie takes none of the same name over http."""
        return f"{self.cookie_name}_secure"

    def secret_of(self, request: Request) -> str:
        """The secret in the cookie of a request, empty without one. A cookie of http is sent over https too."""
        return next((request.cookies[name] for name in self._cookies_in(request)), "")

    def _cookies_in(self, request: Request) -> list[str]:
        """The names of the cookies in a request, that over https first."""
        return [name for name in (self.secure_cookie_name, self.cookie_name) if name in request.cookies]

    def of(self, request: Request) -> Login | None:
        """The login of a request; None when it has none, or when it has ended."""
        secret = self.secret_of(request)
        login = self._reads.login(secret_hash(secret)) if secret else None
        if login is None or login.is_link or login.has_expired(timestamp(self._now())):
            return None
        if login.token_hash is not None and self._authenticator.by_hash(login.token_hash) is None:
            return None
        return login

    def form_token(self, request: Request) -> str:
        """The text that each form carries in a hidden field. Only pages of this login have it."""
        return hmac.new(self.secret_of(request).encode(), b"form", "sha256").hexdigest()

    async def by_link(self, request: Request, key: str) -> str:
        """Exchange the key of a link for the secret of a cookie. Raises HttpError."""
        key_hash, now = secret_hash(key), self._now()
        link = self._reads.login(key_hash)
        has_expired = link is not None and link.has_expired(timestamp(now))
        if link is not None and link.is_link and not has_expired:
            secret = secrets.token_urlsafe(SECRET_BYTES)
            change = UseLink(key_hash, secret_hash(secret), timestamp(now), timestamp(now + LASTS))
            if await self._administer(change):
                return secret
        kind = "expired link" if has_expired else UNKNOWN_LINK
        raise explained(self._authenticator.failure(request, kind), USED_LINK)

    async def by_token(self, request: Request, token_secret: str) -> str:
        """Exchange a token for the secret of a cookie; the login ends with the token. Raises HttpError."""
        try:
            token = await self._authenticator.token(request, token_secret)
        except HttpError as error:
            raise (explained(error, UNKNOWN_TOKEN) if error.kind in ("unknown token", "no token") else error) from None
        if not token.opens(TokenScope.READ):
            raise lacks_scope(TokenScope.READ, token.name)
        secret, now = secrets.token_urlsafe(SECRET_BYTES), self._now()
        hashed, expires = secret_hash(secret), min(timestamp(now + LASTS), token.expires or "9999")
        login = Login(login_name(hashed), hashed, token.scopes, timestamp(now), expires, token.hash)
        if not await self._administer(AddLogin(login)):
            raise login_name_in_use()
        return secret

    async def end(self, request: Request) -> None:
        """End the logins of a request: over https it may have that over http too. Raises HttpError."""
        for name in self._cookies_in(request):
            await self._administer(EndLogin(secret_hash(request.cookies[name])))

    async def _administer(self, change: LoginChange) -> bool:
        answer = await self._tracker.ask(Administer(self._tracker.next_number(), change))
        if not isinstance(answer, Administered):
            raise aborted(answer)
        return not answer.stale

    def set_cookie(self, request: Request, response: Response, secret: str) -> None:
        name = self.secure_cookie_name if request.url.scheme == "https" else self.cookie_name
        self._cookie(request, response, name, secret, int(LASTS.total_seconds()))

    def delete_cookies(self, request: Request, response: Response) -> None:
        for name in self._cookies_in(request):
            self._cookie(request, response, name, "", 0)

    def _cookie(self, request: Request, response: Response, name: str, value: str, max_age: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path=prefix_seen(request) + FOLDER,
            secure=name == self.secure_cookie_name,
            httponly=True,
            samesite="strict",
        )


def prefix_seen(request: Request) -> str:
    """The path prefix that the browser sees: a proxy may strip one without a trace but the page that posts a form."""
    path, folder, page = urlsplit(request.headers.get("referer", "")).path.rpartition(FOLDER)
    if folder and "/" not in page and PREFIX.fullmatch(path):
        return path
    requested: str = request.scope[REQUESTED_PREFIX]
    return requested
