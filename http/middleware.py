"""The headers that every answer has: its processing time, and CORS headers for browsers."""

import time

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EXPOSED_HEADERS = ["x-process-time", "retry-after"]


def cors_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that `Cors` adds to an answer, for answers that bypass it."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode()),
    ]


class Cors(CORSMiddleware):
    """Allows every origin, with credentials: a source's own setting `origins` restricts the origins of its events."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            app,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's answer, with a JSON body in place of plain text."""
        answer = super().preflight_response(request_headers)
        text = bytes(answer.body).decode()
        content = {} if answer.status_code == 200 else {"detail": f"{text}: see the allowed ones in the headers."}
        kept = {name: value for name, value in answer.headers.items() if name not in ("content-length", "content-type")}
        return JSONResponse(content, answer.status_code, kept)


class CommonHeaders:
    """Adds `x-process-time` (seconds from the request's head to the answer's) and the CORS headers.

    Only requests with an `Origin` header pass through `Cors`. Others need `vary: Origin` alone, which is cheaper.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._for_browsers = Cors(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        from_browser = any(name == b"origin" for name, _ in scope["headers"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(b"x-process-time", b"%.6f" % (time.perf_counter() - began))]
                if not from_browser:
                    added.append((b"vary", b"Origin"))
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        app = self._for_browsers if from_browser else self._app
        await app(scope, receive, send_with_headers)
