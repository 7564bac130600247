"""What every answer carries, whatever made it: how long it took, and what browsers ask for."""

import time

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ProcessTime:
    """Adds `x-process-time`: seconds from the request's head to the answer's head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = time.perf_counter() - began
                message["headers"] = [*message.get("headers", ()), (b"x-process-time", b"%.6f" % took)]
            await send(message)

        await self._app(scope, receive, send_timed)


class Cors(CORSMiddleware):
    """Any origin, echoed, with credentials: which origins a source takes is the source's setting."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            app,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=["x-process-time", "retry-after"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Without an origin there is nothing to echo: this spares callers that are no browsers a tenth of the way."""
        if scope["type"] != "http" or any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def send_varied(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin")]
            await send(message)

        await self.app(scope, receive, send_varied)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's answer, in JSON."""
        answer = super().preflight_response(request_headers)
        text = bytes(answer.body).decode()
        content = {} if answer.status_code == 200 else {"detail": f"{text}: see the allowed ones in the headers."}
        kept = {name: value for name, value in answer.headers.items() if name not in ("content-length", "content-type")}
        return JSONResponse(content, answer.status_code, kept)
