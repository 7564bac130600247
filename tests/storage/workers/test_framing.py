import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.stores import existing
from trackd.core.changes import Changes, Erasure, Fence, Outcome
from trackd.core.documents import Login, Source
from trackd.core.encoding import json_object, json_text
from trackd.core.jobs import AddJob, Job, JobState, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, UseLink
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.core.source_changes import AddSource, EditSource, RemoveSource
from trackd.core.token_changes import PutTokenUse
from trackd.storage.errors import StoreError
from trackd.storage.workers.framing import (
    Frames,
    decode_batch,
    decode_result,
    encode_batch,
    encode_decodable,
    encode_result,
    framed,
    read_frame,
    with_failed,
)
from trackd.storage.writer import BatchResult

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(TEXT, VALUES, max_size=3), min_size=1, max_size=3))
def test_documents_arrive_unchanged_with_whole_numbers_of_any_size(
    make: type[Make], docs: list[dict[str, Any]]
) -> None:
    batch: list[Changes] = []
    for doc in docs:
        event = {"type": "é\n", "properties": json_text(doc), "ip": None, "reasons": '["a"]'}
        batch.append(
            make.change("A", session="S", doc=doc, events=len(batch), event=event, event_ids={"é": None, "b": 1})
        )

    payload, unencodable = encode_batch(batch)
    arrived = decode_batch(payload)

    assert unencodable == frozenset()
    calls = [change for change in arrived if isinstance(change, Changes)]
    assert [json_object(json_text(existing(change.profile).doc)) for change in calls] == [
        existing(change.profile).doc for change in batch
    ]
    assert [(c.fence, c.events, c.event_ids) for c in calls] == [(c.fence, c.events, c.event_ids) for c in batch]


@pytest.mark.parametrize(
    "change",
    [
        Erasure(Fence("A", 1, 2), "now", keep_events=True),
        AddSource(Source("s", "name", origins=("a", "b"), rate_limit=1.5)),
        EditSource("s", {"origins": ["a"], "rate_limit": None, "enabled": False}, "then"),
        RemoveSource("s"),
        PutTokenUse("hash", "now"),
        AddLogin(Login("login-1", "hash", ("read",), "now", "then", "token", is_link=True)),
        UseLink("link", "hash", "now", "then"),
        EndLogin("hash"),
        AddJob("apply_rules", {"a": [1, None]}, "now"),
        PutJob(Job(3, "apply_rules", {}, JobState.DONE, 2, 5, {"after": "x"}, {"entered": {}}), "now"),
        DeleteEvents("then", 7),
        DeleteSessions("then", 7),
    ],
)
def test_other_changes_arrive_unchanged(change: Any) -> None:
    payload, _ = encode_batch([change])

    assert decode_batch(payload) == [change]


def test_an_unencodable_change_is_left_out_of_its_batch_and_has_failed(make: type[Make]) -> None:
    batch = [make.change("A"), make.change("B", events=1, event={"type": "\ud800"}), make.change("C")]

    payload, unencodable = encode_batch(batch)
    result = with_failed(BatchResult([Outcome.STORED, Outcome.STALE], seconds=0.5), unencodable)

    assert decode_batch(payload) == [batch[0], batch[2]]
    assert result == BatchResult([Outcome.STORED, Outcome.FAILED, Outcome.STALE], seconds=0.5)


def test_an_error_arrives_as_a_store_error_with_its_text() -> None:
    result = decode_result(encode_result(BatchResult(error=StoreError("the disk is full"), seconds=0.1)))

    assert isinstance(result.error, StoreError)
    assert (str(result.error), result.outcomes, result.seconds) == ("the disk is full", [], 0.1)


@given(st.lists(st.binary(max_size=9), max_size=5), st.data())
def test_frames_come_out_whole_however_they_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(framed, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    frames = Frames()

    out = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += frames.feed(stream[begin:end])

    assert out == payloads


def test_a_stream_that_ends_in_the_middle_of_a_frame_has_no_more_frames() -> None:
    whole = framed(b"payload")

    for length in range(len(whole)):
        assert read_frame(io.BytesIO(whole[:length])) is None
    assert read_frame(io.BytesIO(whole)) == b"payload"


@pytest.mark.parametrize("context", [b"{", b"", b"nul", b"[1,]", b"[" * 9_999 + b"]" * 9_999])
def test_a_change_with_a_damaged_document_is_left_out_of_its_batch(make: type[Make], context: bytes) -> None:
    damaged = make.change("B", session="S")
    damaged = replace(damaged, session=replace(existing(damaged.session), context_json=Raw(context)))
    batch = [make.change("A"), damaged, make.change("C", events=1, event={"type": "\ud800"}), make.change("D")]

    payload, left_out = encode_decodable(batch)

    assert decode_batch(payload) == [batch[0], batch[3]]
    assert left_out == {1, 2}
