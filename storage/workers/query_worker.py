"""What runs in the reader process of the server: read what is asked. See child_process.py.

Nothing but frames may go to its stdout.
"""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from trackd.storage.listings import Listings
from trackd.storage.workers.framing import read_frame, send
from trackd.storage.workers.query_protocol import QUESTIONS, Question, answer_of

READERS = 4
SHORT = frozenset({"profile_events", "profile_sessions"})  # bounded by the limit of a page alone


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
