"""The server's address, and the constant parts of requests."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from trackd.load.address import fault_of, without_password
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
        url = url.strip()
        fault = fault_of(url) or (None if url.isascii() else "it has a character that is not ASCII")
        if fault:
            raise LoadError(
                f"{without_password(url)!r} is no address of a server: write it as http://127.0.0.1:8686; {fault}."
            )
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        path = parts.path.rstrip("/").removesuffix("/track")
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, parts.netloc, path)

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
