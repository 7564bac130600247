"""The answers to requests that a connection refuses itself: they are no HTTP/1.1, too large or too slow."""

from trackd.http.errors import METHOD_NOT_ALLOWED, METHODS, HttpError, allow


def not_http(detail: str) -> HttpError:
    return HttpError(400, "not HTTP", detail)


def no_version() -> HttpError:
    return not_http("The request line has no version: send it as `GET /path HTTP/1.1`.")


def other_protocol() -> HttpError:
    return not_http("The request line has another protocol: send it as `GET /path HTTP/1.1`.")


def chunk_line_too_long(max_bytes: int) -> HttpError:
    return not_http(f"The line before a chunk is over the limit of {max_bytes} bytes: send chunks without extensions.")


def tls_on_plain_port() -> HttpError:
    return HttpError(400, "TLS", "The client speaks TLS, and this port plain HTTP: use http://, or a proxy for TLS.")


def unsupported_version(version: str) -> HttpError:
    return HttpError(505, "version", f"HTTP/{version} is not supported: send HTTP/1.1.")


def unknown_transfer_coding() -> HttpError:
    return HttpError(501, "transfer coding", "Of the transfer codings only `chunked` is supported: send it alone.")


def no_tunnel() -> HttpError:
    detail = "CONNECT is for proxies: send the request itself."
    return HttpError(METHOD_NOT_ALLOWED, "CONNECT", detail, headers=allow(METHODS))


def too_slow(timeout_s: int) -> HttpError:
    detail = f"The request was still incomplete after {timeout_s} s: send it again, over a faster line or in parts."
    return HttpError(408, "too slow", detail)


def stalled_body(min_bytes_per_s: int, window_s: int) -> HttpError:
    detail = f"The body arrived with less than {min_bytes_per_s} bytes a second for {window_s} s: send it again."
    return HttpError(408, "too slow", detail)


def target_too_long(max_bytes: int) -> HttpError:
    detail = f"The target of the request is too long for the limit of a head, {max_bytes} bytes: send data in the body."
    return HttpError(414, "target too long", detail)


def trailers_too_large(max_bytes: int) -> HttpError:
    return HttpError(431, "trailers too large", f"The trailers of the request are over the limit of {max_bytes} bytes.")


def head_too_large(max_bytes: int) -> HttpError:
    return HttpError(431, "head too large", f"The head of the request is over the limit of {max_bytes} bytes.")


def too_many_headers(limit: int) -> HttpError:
    return HttpError(431, "too many headers", f"The head of the request has more than {limit} headers.")


def inbound_budget_exceeded() -> HttpError:
    detail = "Too many bytes of requests are still on their way to the server: send this request again later."
    return HttpError(503, "inbound budget exceeded", detail, retry_after_s=1)


def too_many_connections() -> HttpError:
    detail = "The server has as many connections as it allows: send this request again later."
    return HttpError(503, "too many connections", detail, retry_after_s=1)
