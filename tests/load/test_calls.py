import json

from trackd.http.track.payload import PayloadParser
from trackd.load.calls import Call, Reader, Writer
from trackd.load.history import NONE, History
from trackd.load.target import Target

IDS = ["run-7-0", "run-7-1"]
ANSWER = {
    "debugging": {"events": {"saved": 2, "ids": IDS, "seq": [1, 2]}},
    "profile": {"id": "p"},
    "source": {"consent": False},
}


def _written(claimed: int = NONE, source: str = 'shop "1"') -> tuple[Call, bytes, bytes]:
    history = History("run", 2)
    history.answer(history.begin(0, 0, 0, NONE, 0.0), 1.0, 'p"', 2, [1, 2])
    call = Call(7, 3, claimed, "")
    Writer(source, history).write(call)
    head, _, body = (Target.at("http://127.0.0.1:8686").track + call.request).partition(b"\r\n\r\n")
    return call, head, body


def test_a_call_is_a_payload_with_ids_of_its_own() -> None:
    _, head, body = _written()
    payload = PayloadParser(1_000).parse(body)
    assert f"Content-Length: {len(body)}".encode() in head
    assert (payload.source.id, payload.session.id, payload.profile) == ('shop "1"', "run-s3", None)
    assert [event.id for event in payload.events] == IDS
    assert b"\r\nX-Trackd-Session: run-s3" in head


def test_a_call_names_the_profile_of_an_earlier_answer() -> None:
    _, _, body = _written(claimed=0)
    profile = PayloadParser(1_000).parse(body).profile
    assert profile is not None
    assert profile.id == 'p"'


def test_a_source_may_have_any_character() -> None:
    for source in ("%d", "100 %", "%%b", "ü"):
        _, head, body = _written(source=source)
        assert PayloadParser(1_000).parse(body).source.id == source
        assert f"Content-Length: {len(body)}".encode() in head


def _read(space: str = "", **events: object) -> list[int]:
    answer = ANSWER | {"debugging": {"events": {"saved": 2, "ids": IDS, "seq": [1, 2], **events}}}
    body = json.dumps(answer, separators=("," + space, ":" + space)).encode()
    return Reader(History("run", 2)).read(body, 7)[1]


def test_numbers_are_those_of_the_ids_that_were_sent() -> None:
    assert _read() == _read(space=" ") == [1, 2]
    assert _read(ids=IDS[::-1]) == [2, 1]


def test_an_event_without_a_valid_number_has_number_0() -> None:
    assert _read(ids=IDS[:1], seq=[1]) == [1, 0]
    assert _read(seq=[1]) == [1, 0]
    assert _read(ids=[IDS[0], "run-8-1"]) == [1, 0]
    assert _read(seq=[1, 2**70]) == _read(seq=[1, -(2**70)]) == _read(saved=2**15) == [0, 0]


def test_a_body_that_is_no_answer_of_trackd_has_no_numbers() -> None:
    for body in (b"", b"{}", b"\xff", b"[]", b'{"profile": {"id": "p"}}'):
        assert Reader(History("run", 2)).read(body, 7) == (None, [0, 0])
    assert _read(ids=[1, 2]) == _read(ids="ab") == [0, 0]
