"""Heads of requests as they arrived: who calls again sends the same bytes, and they need not be parsed again."""

from msgspec import Struct

from trackd.http.body import Headers

METHOD, END = b"POST ", b"\r\n\r\n"
MAX_HEADS, MAX_HEAD_BYTES = 1_024, 2_048  # a client has one for each length of a body


class Head(Struct, frozen=True):
    """What the parser found in it."""

    headers: Headers
    body_bytes: int


class HeaderCache:
    """Bounded: where each head is new, as with an id in it, those that came first go."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def request(self, data: bytes) -> tuple[Headers, bytes] | None:
        """Headers and body, when `data` is one whole request with a head that is known."""
        end = data.find(END) + len(END)
        head = self._heads.get(data[:end])
        if head is None or len(data) - end != head.body_bytes:
            return None
        return head.headers, data[end:]

    def learn(self, data: bytes, headers: Headers, body_bytes: int) -> None:
        """`data` is what arrived of one request, from its first byte on, and the rest what was found in its head."""
        head = data[: data.find(END, 0, MAX_HEAD_BYTES) + len(END)]
        if not head.startswith(METHOD) or head.count(b"\n") != head.count(b"\r\n"):
            return  # the parser overlooks empty lines before a request, and may take other ends of lines
        if len(self._heads) == MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[head] = Head(headers, body_bytes)
