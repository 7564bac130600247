"""The header cache: a client that sends the same head again is answered without parsing it again."""

from msgspec import Struct

from trackd.http.body import Headers

NEVER_AGAIN = {b"idempotency-key", b"x-timestamp"}  # have another value in each call
METHOD, END = b"POST ", b"\r\n\r\n"
MAX_HEADS, MAX_HEAD_BYTES = 1_024, 2_048  # a client sends another head for each length of a body
MAX_HEADERS = 64  # of a head; parsed, each takes 150 bytes and more


class ParsedHead(Struct, frozen=True):
    """The headers of a head, and the length of the body that follows it."""

    headers: Headers
    body_bytes: int


class HeaderCache:
    """Parsed heads by their bytes, at most `MAX_HEADS`: the one that was added first is evicted."""

    def __init__(self) -> None:
        self._heads: dict[bytes, ParsedHead] = {}

    def match(self, data: bytes) -> tuple[Headers, bytes] | None:
        """The headers and the body when `data` is exactly one request whose head is cached; otherwise None."""
        end = data.find(END) + len(END)
        head = self._heads.get(data[:end])
        if head is None or len(data) - end != head.body_bytes:
            return None
        return head.headers, data[end:]

    def add(self, data: bytes, headers: Headers, body_bytes: int) -> None:
        """Add a head. `data` are the first bytes of its request.

        A head that is long or incomplete there, or that no other call has, is not added.

        `headers` and `body_bytes` (the length of the body) are what the parser made of it.
        """
        if not NEVER_AGAIN.isdisjoint(headers) or len(headers) > MAX_HEADERS:
            return  # it would evict one that is used, or take much memory
        head = data[: data.find(END, 0, MAX_HEAD_BYTES) + len(END)]
        if not head.startswith(METHOD) or head.count(b"\n") != head.count(b"\r\n"):
            return  # the parser accepts empty lines before a request, and other line ends: both are rare
        if len(self._heads) == MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[head] = ParsedHead(headers, body_bytes)
