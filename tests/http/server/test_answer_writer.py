"""The head of an answer is sent with the first bytes of its body."""

from trackd.http.server.answer_writer import AnswerWriter, content_of, header_lines


class RecordingTransport:
    """Keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.writes.append(b"closed")


def answer_writer(transport: RecordingTransport) -> AnswerWriter:
    return AnswerWriter(transport, transport.close)


def test_the_head_is_sent_with_the_first_bytes_of_the_body_and_the_rest_at_once() -> None:
    transport = RecordingTransport()
    writer = answer_writer(transport)
    for part in (b"HTTP/1.1 100 Continue", b"head ", b"body", b"more"):
        writer.write(part)
    assert transport.writes == [b"HTTP/1.1 100 Continue", b"head body", b"more"]


def test_the_head_of_an_answer_without_a_body_is_sent_at_its_end() -> None:
    transport = RecordingTransport()
    writer = answer_writer(transport)
    writer.write(b"head")
    assert transport.writes == []
    writer.end()
    assert transport.writes == [b"head"]


def test_the_head_is_sent_before_the_connection_is_closed() -> None:
    transport = RecordingTransport()
    writer = answer_writer(transport)
    writer.write(b"head")
    writer.close()
    assert transport.writes == [b"head", b"closed"]


def test_the_connection_is_closed_after_its_last_answer() -> None:
    transport = RecordingTransport()
    answer_writer(transport).close()
    assert transport.writes == [b"closed"]


def test_an_application_that_fails_after_its_whole_answer_does_not_close_the_connection() -> None:
    transport = RecordingTransport()
    writer = answer_writer(transport)
    writer.end()
    writer.close()
    assert transport.writes == []


def test_headers_are_sent_as_lines() -> None:
    assert header_lines(((b"date", b"today"), (b"connection", b"close"))) == b"date: today\r\nconnection: close\r\n"


def test_an_answer_in_chunks_has_none_in_http_1_0() -> None:
    transport = RecordingTransport()
    writer = AnswerWriter(transport, transport.close, version="1.0")
    for part in (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"",
        b"2\r\n\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
    ):
        writer.write(part)
    assert b"".join(transport.writes) == b"HTTP/1.1 200 OK\r\n\r\n\r\nabc"
    assert content_of(b"0\r\n\r\n") == b""


def test_an_answer_of_known_length_stays_as_it_is_in_http_1_0() -> None:
    transport = RecordingTransport()
    writer = AnswerWriter(transport, transport.close, version="1.0")
    for part in (b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", b"2\r\nab\r\n"):
        writer.write(part)
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n2\r\nab\r\n"]
