"""The server's address, and the constant parts of requests."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from trackd.load.errors import LoadError

USER_AGENT = "Mozilla/5.0 (trackd load)"  # rules may classify a bare library as a bot


@dataclass(frozen=True)
class Target:
    host: str
    port: int
    tls: bool
    authority: str
    path: str  # before /track, mostly empty

    @classmethod
    def at(cls, url: str) -> "Target":
        """Raises LoadError."""
        if url.startswith("unix:"):
            raise LoadError(f"{url!r} is a Unix socket: write the address of the proxy in front of it.")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            authority = parts.netloc.encode("ascii").decode()
            path = parts.path.encode("ascii").decode()
        except ValueError:  # also of text that is not ASCII
            host = None
        if host is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in authority:
            raise LoadError(f"{url!r} is no address of a server: write it as http://127.0.0.1:8686.")
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), tls, authority, path.rstrip("/").removesuffix("/track"))

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    def head(self, method: str, path: str, *headers: str) -> bytes:
        """The head of a request without the empty line that ends it."""
        lines = (
            f"{method} {self.path}{path} HTTP/1.1",
            f"Host: {self.authority}",
            f"User-Agent: {USER_AGENT}",
            *headers,
        )
        return "\r\n".join(lines).encode() + b"\r\n"

    @property
    def track(self) -> bytes:
        """The head of a call up to the figure of its Content-Length."""
        return self.head("POST", "/track", "Content-Type: application/json") + b"Content-Length: "
