"""The head of an answer is sent with the first bytes of its body."""

from trackd.http.server.answer_writer import AnswerWriter, header_lines


class RecordingTransport:
    """Keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.writes.append(b"closed")


def test_the_head_is_sent_with_the_first_bytes_of_the_body_and_the_rest_at_once() -> None:
    transport = RecordingTransport()
    writer = AnswerWriter(transport, transport.close)
    for part in (b"HTTP/1.1 100 Continue", b"head ", b"body", b"more"):
        writer.write(part)
    assert transport.writes == [b"HTTP/1.1 100 Continue", b"head body", b"more"]


def test_the_head_of_an_answer_without_a_body_is_sent_by_flush() -> None:
    transport = RecordingTransport()
    writer = AnswerWriter(transport, transport.close)
    writer.write(b"head")
    assert transport.writes == []
    writer.flush()
    assert transport.writes == [b"head"]


def test_the_head_is_sent_before_the_connection_is_closed() -> None:
    transport = RecordingTransport()
    writer = AnswerWriter(transport, transport.close)
    writer.write(b"head")
    writer.close()
    assert transport.writes == [b"head", b"closed"]


def test_headers_are_sent_as_lines() -> None:
    assert header_lines(((b"date", b"today"), (b"connection", b"close"))) == b"date: today\r\nconnection: close\r\n"
