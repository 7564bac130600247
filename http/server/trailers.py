"""Trailers: headers after the body of a chunked request. They are dropped, whatever their names."""

from trackd.http.server.refused_requests import not_http, trailers_too_large

MISREAD = {b"connection", b"content-length"}  # after both of them the parser misreads the length of the next request


class Trailers(list[tuple[bytes, bytes]]):
    """Takes the place of the headers of a request, to which uvicorn would append the trailers.

    Those could forge `X-Forwarded-For` past a proxy that sets it, or bring an `Authorization` that no proxy has seen.
    It stays empty. Raises HttpError when the trailers are over the limit.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._names: set[bytes] = set()
        self._parsed_bytes = 0
        self._received_bytes = 0

    def append(self, trailer: tuple[bytes, bytes]) -> None:
        name, value = trailer
        self._parsed_bytes += len(name) + len(value) + len(": \r\n")
        self._check(self._parsed_bytes)
        self._names.add(name.lower())
        if self._names >= MISREAD:
            raise not_http("The trailers have both Connection and Content-Length, which belong into the head.")

    def receive(self, size: int) -> None:
        """Count bytes that end no trailer, or trailers that `append` counts too."""
        self._received_bytes += size
        self._check(self._received_bytes)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise trailers_too_large(self._max_bytes)
