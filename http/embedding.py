"""trackd inside another ASGI application, or under another ASGI server: docs/embedding.md has examples and limits."""

import contextlib
from collections.abc import AsyncIterator

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from trackd.config.settings import Settings
from trackd.http.assembly import assemble
from trackd.http.rules_loading import load_rules_of_server

__all__ = ["EmbeddedApp", "Settings", "create_app"]


def create_app(settings: Settings) -> "EmbeddedApp":
    """trackd as an ASGI application. Nothing is opened, checked or started before its lifespan begins."""
    return EmbeddedApp(settings)


class EmbeddedApp:
    """An ASGI application that runs between the beginning and the end of its lifespan.

    An ASGI server such as uvicorn runs the lifespan. An application that mounts this one has to enter `lifespan`
    itself, because Starlette and FastAPI do not run the lifespan of a mounted application.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asgi: ASGIApp | None = None
        self._lifespan_protocol = Router(lifespan=self.lifespan)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: object = None) -> AsyncIterator[None]:
        """Open the database file, start the actors and the writer process; at the end stop and close all.

        Can be the `lifespan` of a Starlette or FastAPI application as it is. Raises RulesError and StoreError.
        """
        rules = load_rules_of_server(self._settings.rules.path, self._settings.limits)
        with assemble(self._settings, rules) as assembly:
            async with assembly.application.lifespan():
                self._asgi = assembly.application.asgi
                try:
                    yield
                finally:
                    self._asgi = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan_protocol.lifespan(scope, receive, send)
        elif self._asgi is None:
            raise RuntimeError("trackd is not running: enter the application's lifespan (docs/embedding.md).")
        else:
            await self._asgi(scope, receive, send)
