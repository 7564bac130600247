"""CORS: the pages that may read answers: any page those of the public endpoints, named pages those of the others.

Browsers ask before each request that has a token, and send it only if the answer allows their page.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Send

from trackd.config.errors import SettingsError
from trackd.core.origins import FILE, NULL, canonical_origin
from trackd.http.body import Headers as RequestHeaders

EXPOSED_HEADERS = ["x-process-time", "retry-after"]
CURSOR = "x-cursor"  # of the feed, which is not public


def cors_headers(origin: bytes, *, credentials: bool) -> list[tuple[bytes, bytes]]:
    """The headers that `Cors` adds to an answer that a page of the origin may read, for answers that bypass it."""
    return [
        (b"access-control-allow-origin", origin),
        *([(b"access-control-allow-credentials", b"true")] if credentials else []),
        (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode()),
    ]


def public_preflight(headers: RequestHeaders) -> Response:
    """The answer of `Cors` to a preflight of a public endpoint, for answers that bypass it."""
    return ANY_ORIGIN.preflight_response(Headers(raw=list(headers.items())))


def named_origins(setting: str) -> list[str]:
    """The origins in `server.cors_origins`. Raises SettingsError for anything that is not one origin."""
    try:
        return [_named(text) for text in map(str.strip, setting.split(",")) if text]
    except ValueError as error:
        fault = str(error).rstrip(".")
        raise SettingsError(f"The setting server.cors_origins = {setting!r} is not allowed: {fault}.") from None


def _named(text: str) -> str:
    if "*" in text or text.lower() in (NULL, FILE):
        raise ValueError(f"{text!r} stands for pages of any author: name each origin, such as https://shop.example")
    return canonical_origin(text)


class Cors(CORSMiddleware):
    """Allows pages of these origins; without `origins` those of any, with credentials.

    A source's own setting `origins` restricts the origins of its events.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str] | None = None) -> None:
        super().__init__(
            app,
            allow_origins=["*"] if origins is None else origins,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=origins is None,
            allow_private_network=True,  # pages of the internet may send to a trackd in the network of their visitors
            expose_headers=EXPOSED_HEADERS if origins is None else [*EXPOSED_HEADERS, CURSOR],
            max_age=600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's answer, with a JSON body in place of plain text."""
        answer = super().preflight_response(request_headers)
        if not self.is_allowed_origin(request_headers["origin"]):
            detail = "Pages of this origin may not use this endpoint: server.cors_origins names those that may."
            return JSONResponse({"detail": detail}, answer.status_code, {"vary": answer.headers["vary"]})
        kept = {name: value for name, value in answer.headers.items() if name not in ("content-length", "content-type")}
        if answer.status_code == 200:
            return JSONResponse({}, 200, kept)
        detail = f"{bytes(answer.body).decode()}: see the allowed ones in the headers."
        return JSONResponse({"detail": detail}, answer.status_code, kept)

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        """Adds Starlette's headers for an allowed origin, and `Vary` alone for others."""
        if self.is_allowed_origin(request_headers["origin"]):
            await super().send(message, send, request_headers)
            return
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin")]
        await send(message)


ANY_ORIGIN = Cors(JSONResponse({}))
