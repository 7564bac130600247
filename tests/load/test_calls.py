import json

from trackd.http.payload import PayloadParser
from trackd.load.calls import Call, Writer, read_answer
from trackd.load.history import NONE, History
from trackd.load.target import Target

ANSWER = {
    "debugging": {"events": {"saved": 2, "ids": ["a", "b"], "seq": [1, 2]}},
    "profile": {"id": "p"},
    "source": {"consent": False},
}


def _written(told: int = NONE) -> tuple[Call, bytes, bytes]:
    history = History("run", 2)
    history.answer(history.begin(0, 0, 0, NONE, 0.0), 1.0, 'p"', 2, [1, 2])
    call = Call(7, 3, told, "")
    Writer(Target.at("http://127.0.0.1:8686"), 'shop "1"', history).write(call)
    head, _, body = call.request.partition(b"\r\n\r\n")
    return call, head, body


def test_a_call_is_a_payload_with_ids_of_its_own():
    call, head, body = _written()
    payload = PayloadParser(1_000).parse(body)
    assert f"Content-Length: {len(body)}".encode() in head
    assert (payload.source.id, payload.session.id, payload.profile) == ('shop "1"', "run-s3", None)
    assert [event.id for event in payload.events] == call.ids == ["run-7-0", "run-7-1"]


def test_a_call_names_the_profile_that_it_knows():
    _, _, body = _written(told=0)
    assert PayloadParser(1_000).parse(body).profile.id == 'p"'


def _read(**events: object) -> list[int]:
    answer = ANSWER | {"debugging": {"events": {"saved": 2, "ids": ["a", "b"], "seq": [1, 2], **events}}}
    return read_answer(json.dumps(answer).encode(), ["a", "b"])[1]


def test_numbers_are_those_of_the_ids_that_were_sent():
    assert _read() == [1, 2]
    assert _read(ids=["b", "a"]) == [2, 1]


def test_what_has_no_number_or_none_that_fits_is_0():
    assert _read(ids=["a"], seq=[1]) == [1, 0]
    assert _read(ids=["a", "c"]) == [1, 0]
    assert _read(seq=[1, 2**70]) == [0, 0]


def test_an_answer_that_is_none_numbers_nothing():
    for body in (b"", b"{}", b"\xff", b"[]", b'{"profile": {"id": "p"}}'):
        assert read_answer(body, ["a", "b"]) == (None, [0, 0])
