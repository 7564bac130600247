"""The address of a server: what is wrong with it, and why no connection to it was made."""

import os
import socket
import ssl
from urllib.parse import urlsplit


def fault_of(address: str) -> str | None:
    """What is wrong with an address, as a sentence part about it; None if it may be one of a server."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or its port cannot be read"
    if not address.isprintable() or any(map(str.isspace, address)):
        return "it has a space or another character that no address has"
    if parts.scheme not in ("http", "https") or not address.lower().startswith(f"{parts.scheme}://"):
        return "it does not begin with http:// or https://"
    if "@" in parts.netloc:
        return "it has a user or a password, which trackd does not use"
    if not host or port == 0:
        return f"it has no {'port but 0' if host else 'host'}"
    if "?" in address or "#" in address:
        return "it has a query or a fragment: leave out what begins with ? or #"
    return None


def without_password(address: str) -> str:
    """The address as an error may show it."""
    _, at, rest = address.rpartition("@")
    return f"...@{rest}" if at else address


def connection_fault(error: OSError) -> str:
    """Why no connection was made: TLS and look-ups of names number their errors otherwise than the system does."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or error.strerror or str(error)).lower().replace("_", " ")
        return f"TLS fails: {reason}; http:// may be meant"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return (error.strerror or str(error) or type(error).__name__).rstrip(".")
    return os.strerror(error.errno)
