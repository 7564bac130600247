"""What a page requires: a login with a scope, and for a form the text that only pages of this login have."""

import functools
import hmac
import re
from collections.abc import Awaitable, Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackd.core.documents import TokenScope
from trackd.http.authentication import IS_ALLOWED, Endpoint
from trackd.http.body import headers_of, receive_body
from trackd.http.content_types import URLENCODED, media_type
from trackd.http.errors import (
    ErrorAnswers,
    HttpError,
    lacks_scope,
    unauthenticated,
    unreadable,
    unsupported,
)
from trackd.http.paths import ENDS_WITH_SLASH
from trackd.http.ui.errors import foreign_form, too_many_fields
from trackd.http.ui.logins import Logins
from trackd.http.ui.pages import LOGIN, Pages
from trackd.storage.errors import StoreError
from trackd.telemetry.tally import Tally

MAX_FORM_BYTES = 262_144
MAX_FIELDS = 200
FORM = "trackd.form"  # in the scope of a request with a form: its fields
AGAIN = "again"  # in the query of a page that was loaded a second time, to get the cookie
HOME = "./"
DESTINATION = re.compile(r"[a-z-]{1,40}(\?[\x21-\x7e]{0,2000})?")

Form = Mapping[str, str]


class RequireLogin(functools.partial[Awaitable[Response]]):
    """An endpoint that requires a login with a scope. A partial, as `RequireScope`."""

    @property
    def required_scope(self) -> TokenScope:
        scope: TokenScope = self.args[0]
        return scope


class Guard:
    """Wraps endpoints: `read(endpoint)` runs it for requests of a login that opens the scope `read`, and so on.

    Errors become pages for requests of people, by their `Accept`, and stay as they are for others.
    """

    def __init__(self, logins: Logins, pages: Pages, errors: ErrorAnswers, tally: Tally) -> None:
        self._logins = logins
        self._pages = pages
        self._errors = errors
        self._tally = tally

    def public(self, endpoint: Endpoint) -> Endpoint:
        return functools.partial(self._answer, endpoint)

    def read(self, endpoint: Endpoint) -> RequireLogin:
        return RequireLogin(self._authorize, TokenScope.READ, endpoint)

    def erase(self, endpoint: Endpoint) -> RequireLogin:
        return RequireLogin(self._authorize, TokenScope.ERASE, endpoint)

    def admin(self, endpoint: Endpoint) -> RequireLogin:
        return RequireLogin(self._authorize, TokenScope.ADMIN, endpoint)

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        """The answer of an endpoint, or a page about its error."""
        if request.scope[ENDS_WITH_SLASH]:  # relative addresses in the page would lead elsewhere
            name = request.url.path.rstrip("/").rpartition("/")[2]
            return RedirectResponse(f"../{name}{_query(request)}", 307)
        try:
            return await endpoint(request)
        except (HTTPException, StoreError) as found:
            if not wants_page(request):
                raise
            error = unreadable(found) if isinstance(found, StoreError) else found
            self.note(request, error)
            return await self._pages.page(request, "error.html", error.status_code, error=error)

    def note(self, request: Request, error: HTTPException) -> None:
        """Count and log an error that a page shows."""
        self._tally.refused_requests[error.status_code] += 1
        self._errors.log(error, request.scope.get("client"))

    async def _authorize(self, scope: TokenScope, endpoint: Endpoint, request: Request) -> Response:
        return await self._answer(functools.partial(self._with_login, scope, endpoint), request)

    async def _with_login(self, scope: TokenScope, endpoint: Endpoint, request: Request) -> Response:
        login = self._logins.of(request)
        if login is None:
            if not wants_page(request):
                raise unauthenticated("no login")
            return await self.login_page(request)
        if AGAIN in request.query_params:
            return RedirectResponse(HOME + destination(request), 303)
        request.scope[LOGIN] = login
        if not login.opens(scope):
            raise lacks_scope(scope, login.name)
        request.scope[IS_ALLOWED] = lambda: self._logins.of(request) is not None
        if request.method not in ("GET", "HEAD"):
            await self._check_form(request)
        return await endpoint(request)

    async def _check_form(self, request: Request) -> None:
        """Raises HttpError for a form that is not of a page of this login."""
        refuse_foreign(request)
        form = await read_form(request)
        if not hmac.compare_digest(form.get("form_token", "").encode(), self._logins.form_token(request).encode()):
            raise foreign_form()
        request.scope[FORM] = form

    async def login_page(self, request: Request, error: HttpError | None = None, target: str | None = None) -> Response:
        """The page that asks for a token.

        The first request of a visit that a page of another site leads to comes without the cookie, which is `Strict`:
        then the page loads itself once more.
        """
        values = {
            "target": destination(request) if target is None else target,
            "error": "" if error is None else error.detail,
            "reload": f"?{AGAIN}=1{_query(request).replace('?', '&', 1)}" if self._may_lack_cookie(request) else "",
        }
        status = 200 if error is None else error.status_code
        if error is None and request.method not in ("GET", "HEAD"):
            status, values["error"] = 401, "The login has ended: log in, and send the form again."
        answer = await self._pages.page(request, "login.html", status, **values)
        if error is not None:
            self.note(request, error)
            answer.headers.update(error.headers or {})
        return answer

    def _may_lack_cookie(self, request: Request) -> bool:
        has_cookie = self._logins.secret_of(request) != ""
        is_from_elsewhere = request.headers.get("sec-fetch-site", "cross-site") == "cross-site"
        return request.method == "GET" and is_from_elsewhere and not has_cookie and AGAIN not in request.query_params


def wants_page(request: Request) -> bool:
    """Whether the answer is shown to a person: not for images, and not for requests of modules."""
    accept, purpose = request.headers.get("accept", "*/*"), request.headers.get("sec-fetch-dest", "document")
    return purpose == "document" and ("text/html" in accept or accept == "*/*")


def refuse_foreign(request: Request) -> None:
    """Raises HttpError for a form that a page of another origin sent, as far as the browser reports it."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise foreign_form()


async def read_form(request: Request) -> Form:
    """The fields of a form, of those that are repeated the last. Raises HttpError."""
    headers = headers_of(request.scope)
    if media_type(headers.get(b"content-type", b"")) != URLENCODED:
        raise unsupported("The forms of the live page are sent as application/x-www-form-urlencoded.")
    body = (await receive_body(headers, request.receive, MAX_FORM_BYTES)).decoded().decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS))
    except ValueError:
        raise too_many_fields(MAX_FIELDS) from None


def destination(request: Request) -> str:
    """The page of a request, relative to `/ui/`, without the mark of the second load."""
    name = request.url.path.removeprefix("/ui").rpartition("/")[2]
    kept = [pair for pair in request.url.query.split("&") if pair and pair != f"{AGAIN}=1"]
    return checked_destination(name + ("?" + "&".join(kept) if kept else ""))


def checked_destination(text: str) -> str:
    """The text if it is a page directly below `/ui/`; otherwise empty, for the first one."""
    return text if DESTINATION.fullmatch(text) else ""


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""
