"""The way into the live page and out of it: the links to it, the login and the logout."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackd.http.errors import HttpError, unknown_path
from trackd.http.paths import ENDS_WITH_SLASH, REQUESTED_PREFIX
from trackd.http.ui.guard import HOME, Guard, checked_destination, read_form, refuse_foreign
from trackd.http.ui.logins import UNKNOWN_LINK, Logins
from trackd.http.ui.pages import Pages

MAX_SECRET = 255


async def root(request: Request) -> Response:
    """Leads to the live page. The address is relative: a proxy may put any path before it."""
    if request.method not in ("GET", "HEAD"):
        raise unknown_path()
    folder = "" if request.scope[ENDS_WITH_SLASH] else request.scope[REQUESTED_PREFIX].rpartition("/")[2] + "/"
    return RedirectResponse(f"{folder}ui/", 307)


class Entry:
    def __init__(self, logins: Logins, guard: Guard, pages: Pages) -> None:
        self._logins = logins
        self._guard = guard
        self._pages = pages

    async def home(self, request: Request) -> Response:
        """Leads to the first view. Without a login it is the page that asks for a token."""
        if not request.scope[ENDS_WITH_SLASH]:
            return RedirectResponse("ui/", 307)
        request.scope[ENDS_WITH_SLASH] = False  # this page has one
        return await self._guard.read(self._first_view)(request)

    async def _first_view(self, request: Request) -> Response:
        return RedirectResponse(self._pages.views[0].name, 303)

    async def log_in(self, request: Request) -> Response:
        """Exchange the key of a link, or a token, for a cookie. A link that was used leaves a login as it is."""
        target = ""
        try:
            refuse_foreign(request)
            form = await read_form(request)
            target = checked_destination(form.get("target", ""))
            key, token = form.get("key", "")[:MAX_SECRET], form.get("token", "").strip()[:MAX_SECRET]
            exchange = self._logins.by_link(request, key) if key else self._logins.by_token(request, token)
            secret = await exchange
        except HttpError as error:
            if error.kind == UNKNOWN_LINK and self._logins.of(request) is not None:
                return RedirectResponse(HOME, 303)
            return await self._guard.login_page(request, error, target)
        answer = RedirectResponse(HOME + target, 303)
        self._logins.set_cookie(request, answer, secret)
        return answer

    async def log_out(self, request: Request) -> Response:
        await self._logins.end(request)
        answer = RedirectResponse(HOME, 303)
        self._logins.delete_cookies(request, answer)
        return answer

    async def leave(self, request: Request) -> Response:
        """A reload of the answer to a form."""
        return RedirectResponse(HOME, 303)

    async def unknown(self, request: Request) -> Response:
        raise unknown_path()
