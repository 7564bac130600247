"""The private and undocumented parts of uvicorn that trackd depends on. They are checked at import.

If a later uvicorn renamed a method that trackd overrides, it would never be called, and nothing would report it.
The same is true of an attribute that trackd assigns.
"""

from importlib.metadata import version

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

Hooks = dict[type, tuple[str, ...]]

OVERRIDDEN: Hooks = {
    HttpToolsProtocol: (
        "connection_made",
        "connection_lost",
        "data_received",
        "eof_received",
        "pause_writing",
        "resume_writing",
        "on_message_begin",
        "on_header",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
        "shutdown",
        "_start_asgi_task",
    ),
    FlowControl: ("resume_reading",),
    uvicorn.Server: ("capture_signals", "main_loop", "on_tick", "shutdown", "startup"),
}
# Attributes that trackd reads or assigns.
USED: Hooks = {
    HttpToolsProtocol: (
        "client",
        "connections",
        "cycle",
        "flow",
        "headers",
        "loop",
        "parser",
        "pipeline",
        "scope",
        "server",
        "server_state",
        "timeout_keep_alive",
        "transport",
    ),
    RequestResponseCycle: (
        "body",
        "default_headers",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "on_response",
        "response_complete",
        "response_started",
        "scope",
        "transport",
    ),
    FlowControl: ("read_paused", "write_paused"),
    ServerState: ("connections", "default_headers", "tasks", "total_requests"),
    uvicorn.Server: ("config", "server_state", "should_exit"),
}


def check_uvicorn_hooks() -> None:
    """Raises ImportError when uvicorn lacks a method of `OVERRIDDEN` or an attribute of `USED`."""
    for owner, methods in OVERRIDDEN.items():
        for name in methods:
            if not callable(vars(owner).get(name)):
                raise _missing(owner, name, "overrides")
    for owner, attributes in USED.items():
        made_by_constructor = vars(owner)["__init__"].__code__.co_names
        for name in attributes:
            if name not in made_by_constructor:
                raise _missing(owner, name, "uses")


def _missing(owner: type, name: str, use: str) -> ImportError:
    return ImportError(
        f"uvicorn {version('uvicorn')} has no {owner.__name__}.{name}, which trackd {use}: "
        "install the version of uvicorn that trackd requires."
    )
