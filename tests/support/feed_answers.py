"""A server whose answers to requests for a feed are given by a test."""

import http.server
import json
import threading
from typing import Any

HISTORY = "0123456789abcdef"


def line(number: int, kind: str = "event") -> bytes:
    record: dict[str, Any] = {"kind": kind, "cursor": f"1.{HISTORY}.e{number}"}
    if kind == "event":
        record |= {"id": f"e{number}", "type": "t", "profile": {"id": "P"}, "source": {"id": "shop"}, "properties": {}}
        record["metadata"] = {"time": {"insert": "2026-01-31T12:00:00.000000Z"}, "status": "collected"}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


class Answers(http.server.ThreadingHTTPServer):
    """A server whose answers to requests for a feed are given, one after the other; the last one stays open."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[str, str | None]] = []
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, body: bytes, status: int = 200, **headers: str) -> None:
        content_type = "application/x-ndjson" if status == 200 else "application/json"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, {"content-type": content_type, **named}, body))


class Handler(http.server.BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("authorization")))
        if not self.server.answers:
            self.server.ended.wait()
            return
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass
