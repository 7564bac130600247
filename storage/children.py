"""What runs in the processes of the server: commit what comes, or read what is asked. See child_process.py.

Nothing but frames may go to their stdout.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from trackd.storage.list_wire import QUESTIONS, Question, answer_of
from trackd.storage.listings import Listings
from trackd.storage.wire import decode_batch, encode_result, framed, read_frame
from trackd.storage.writer import Commits, commit

READERS = 4
SHORT = frozenset({"profile_events", "profile_sessions"})  # bounded by the limit of a page alone


def send(stream: BinaryIO, payload: bytes) -> None:
    stream.write(framed(payload))
    stream.flush()


def commit_frames(store: Commits, batches: BinaryIO, results: BinaryIO, then: Callable[[], None]) -> None:
    """Until the batches end, or nobody is there for the results. `then` is called after each."""
    with contextlib.suppress(BrokenPipeError):
        send(results, b"")
        while (payload := read_frame(batches)) is not None:
            send(results, encode_result(commit(store, decode_batch(payload))))
            then()


def read_frames(listings: Listings, questions: BinaryIO, answers: BinaryIO) -> None:
    """Until the questions end. What may be long is read beside the others: it holds up nobody."""
    one_at_a_time = threading.Lock()

    def answer(question: Question) -> None:
        payload = answer_of(listings, question)
        with one_at_a_time, contextlib.suppress(BrokenPipeError):
            send(answers, payload)

    with contextlib.suppress(BrokenPipeError), ThreadPoolExecutor(READERS) as readers:
        send(answers, b"")
        while (payload := read_frame(questions)) is not None:
            question = QUESTIONS.decode(payload)
            if question.read in SHORT:
                answer(question)
            else:
                readers.submit(answer, question)
