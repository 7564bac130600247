"""Pages of the live page: rendered from templates, in which every value is text, and the headers of all of them."""

import asyncio
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from trackd.core.documents import Login, TokenScope
from trackd.core.version import __version__
from trackd.http.ui.logins import Logins
from trackd.http.ui.values import name_of
from trackd.ui.assets import TEMPLATES, asset

if TYPE_CHECKING:
    from starlette.templating import Jinja2Templates

LOGIN = "trackd.login"  # in the scope of a request with a login
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
OPENER_POLICY = {"cross-origin-opener-policy": "same-origin"}
LOOPBACK = re.compile(r"([\w-]+\.)*localhost|127(\.\d+){3}|::1", re.ASCII)


class View(Struct, frozen=True):
    """An entry of the navigation: a page directly below `/ui/`."""

    name: str
    title: str


class Pages:
    """Renders pages. `views` are the entries of the navigation."""

    def __init__(self, logins: Logins, views: tuple[View, ...]) -> None:
        self._logins = logins
        self.views = views

    async def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page from a template. Addresses in templates are relative: a proxy may put any path before `/ui/`."""
        if "_templates" not in self.__dict__:
            await asyncio.to_thread(lambda: self._templates)  # the first page imports Jinja2
        login: Login | None = request.scope.get(LOGIN)
        context = {
            "login": login,
            "may_change": login is not None and login.opens(TokenScope.ADMIN),
            "may_erase": login is not None and login.opens(TokenScope.ERASE),
            "form_token": self._logins.form_token(request) if login else "",
            "views": self.views,
            "home": home(request),
            "view": "",
            "version": __version__,
            **values,
        }
        return self._templates.TemplateResponse(request, template, context, status, page_headers(request))

    @cached_property
    def _templates(self) -> "Jinja2Templates":
        import jinja2
        from starlette.templating import Jinja2Templates

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["address"] = jinja2.pass_context(_address)
        environment.globals["name_of"] = name_of
        return Jinja2Templates(env=environment)


def page_headers(request: Request) -> dict[str, str]:
    """Browsers take no opener policy over http from another machine, and write an error to the console instead."""
    url = request.url
    is_trusted = url.scheme == "https" or LOOPBACK.fullmatch(url.hostname or "")
    return HEADERS | OPENER_POLICY if is_trusted else HEADERS


def home(request: Request) -> str:
    """The way from the address of the request up to `/ui/`, "" from a page: what has no page may be of any depth."""
    path: str = request.scope["path"]
    return "../" * (path.count("/") - 2)


def link(name: str, **parameters: str) -> str:
    """The address of a page with a query, relative as all addresses of pages are."""
    return f"{name}?{urlencode(parameters)}"


def _address(context: Mapping[str, Any], name: str) -> str:
    """The address of a file, relative to the page. It changes with the content of the file."""
    found = asset(name)
    assert found is not None, name
    return f"{context['home']}static/{name}?{found.version}"
