"""Drives the clients: each is one connection with one call in flight.

Closed loop: a client sends its next call when it has its answer. Open loop (a rate): calls are due at fixed moments,
wait for a client if none is free, and their latency counts from the moment when they were due.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Sequence

from trackd.load.calls import Call, Reader, Writer
from trackd.load.connection import Connection
from trackd.load.history import CUT, NEVER, UNANSWERED, History
from trackd.load.measures import Measures
from trackd.load.target import Target
from trackd.load.workload import Workload

ANSWER_TIMEOUT_S = 60  # the server gives up after limits.call_timeout_s, 30 by default
FINISH_S = 10  # after the end: for calls in flight, and for retries that are due
SILENT_S = 90  # without any answer for so long the server counts as gone
RECONNECT_S = 0.1
CHECK_INTERVAL_S = 0.05
TIMER_S = 0.001  # uvloop rounds to that; after a shorter wait, rounded to none, the loop would spin
MAX_WAIT_S = 60
MAX_SERVER_ERRORS = 5  # answers 5xx to one call, 503 aside


class Client:
    """One client: a connection, which may be replaced, and at most one call.

    `place` is the position of its node among the targets: calls go to the client that has waited longest, and so to the
    nodes in turn.
    """

    __slots__ = ("call", "connection", "number", "place", "sent")

    def __init__(self, number: int) -> None:
        self.number = self.place = number
        self.connection: Connection | None = None
        self.call: Call | None = None
        self.sent = NEVER  # when the call in flight was sent


class Driver:
    def __init__(
        self,
        targets: Sequence[Target],
        writer: Writer,
        workload: Workload,
        history: History,
        clients: int,
        *,
        calls: int | None,
        duration_s: float | None,
        rate: float | None,
    ) -> None:
        """The run ends after `calls` or `duration_s`, the one that is reached first."""
        self.measures = Measures()
        self.server_gone = False  # the server stopped answering
        self._targets, self._heads = targets, [target.track for target in targets]
        self._writer, self._workload, self._history = writer, workload, history
        self._reader = Reader(history)
        self._tls = ssl.create_default_context() if any(target.tls for target in targets) else None
        self._clients = [Client(number) for number in range(clients)]
        self._by_connection: dict[Connection, Client] = {}
        self._idle: deque[Client] = deque()
        self._retries: deque[Call] = deque()
        self._step: list[Call] = []
        self._unfinished = 0
        self._calls = calls if calls is not None else 2**31 - 1
        self._duration_s, self._rate = duration_s, rate
        self._due = self._ends = self._deadline = NEVER
        self._began = self._last_answer = 0.0
        self._waking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._last_answer = self._due = time.perf_counter()
        self._ends = self._began + self._duration_s if self._duration_s is not None else NEVER
        for client in self._clients:
            self._reconnect(client)
        await self._watch()
        now = time.perf_counter()
        if self._rate is not None and self._workload.calls < self._calls:
            self.measures.late = max(0, int((min(now, self._ends) - self._due) * self._rate))
        for task in list(self._tasks):
            task.cancel()
        for client in self._clients:
            if client.connection is not None:
                client.connection.close()
        self.measures.close_interval(now - self._began)

    def stop(self) -> None:
        """Start no more calls. When called a second time, do not wait for answers either."""
        now = time.perf_counter()
        if self._ends <= now:
            self._deadline = now
        self._ends = min(self._ends, now)
        self._pump()

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    # Events of the connections.

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        now = time.perf_counter()
        client = self._by_connection.get(connection)
        if client is None or client.call is None:  # cut at the same moment
            return
        call, client.call, client.sent = client.call, None, NEVER
        self._last_answer = now
        self.measures.statuses[status] += 1
        if status == 200:
            self._record_answer(call, now, body)
        else:
            self._history.end(call.attempt, now, status)
            if status in (429, 503):
                wait = min(connection.retry_after or 1.0, MAX_WAIT_S)
                self._loop.call_later(wait, self._resume, client, call, connection)
                return
            if status >= 500 and call.attempts <= MAX_SERVER_ERRORS:
                self._retries.append(call)
            else:
                self._unfinished -= 1
        if connection.usable:
            self._idle.append(client)
        self._pump()

    def lost(self, connection: Connection) -> None:
        client = self._by_connection.pop(connection, None)
        if client is None or self._done.is_set():
            return
        client.connection = None
        if client in self._idle:
            self._idle.remove(client)
        if client.call is not None:
            self.measures.lost += 1
            self._unanswered(client, UNANSWERED)
        self._reconnect(client)
        self._pump()

    def _record_answer(self, call: Call, now: float, body: bytes) -> None:
        answer, seqs = self._reader.read(body, call.number)
        if answer is None:
            self._history.answer(call.attempt, now, "", 0, seqs)
        else:
            saved = answer.debugging.events.saved
            profile = self._history.answer(call.attempt, now, answer.profile.id, saved, seqs)
            self._workload.answered(call.session, profile)
        self.measures.answers += 1
        if call.retry:  # also a call that was answered before its connection was cut
            call.retry = ""
            self._retries.append(call)
        else:
            self._unfinished -= 1
        if call.intended:
            self.measures.record_latency(now - call.intended)
            call.intended = 0.0

    def _unanswered(self, client: Client, status: int) -> None:
        """Send the client's call again, because it got no answer."""
        call, client.call, client.sent = client.call, None, NEVER
        assert call is not None
        self._history.end(call.attempt, NEVER, status)
        self._retries.append(call)

    # Sending.

    def _pump(self) -> None:
        """Give due calls to free clients; calls that start together wait until enough clients are free."""
        if self._done.is_set():  # a timer may come after the end
            return
        while self._idle:
            if self._retries:
                self._send(self._idle.popleft(), self._retries.popleft())
                continue
            if not self._step and not self._next_step():
                break
            if len(self._step) > len(self._idle):
                break
            step, self._step = self._step, []
            for call in step:
                self._send(self._idle.popleft(), call)
        if not self._unfinished and self._over(time.perf_counter()):
            self._done.set()

    def _over(self, now: float) -> bool:
        return self._workload.calls >= self._calls or now >= self._ends

    def _next_step(self) -> bool:
        """Draw the next calls. Returns False if none is due."""
        now = time.perf_counter()
        if self._over(now):
            return False
        if self._rate is not None and self._due > now:
            if not self._waking:
                self._waking = True
                self._loop.call_later(max(self._due - now, TIMER_S), self._wake)
            return False
        if not self._unfinished:
            self._last_answer = now  # no answer was due before
        self._step = self._workload.next(self._calls - self._workload.calls)
        self._unfinished += len(self._step)
        intended = now
        if self._rate is not None:
            intended, self._due = self._due, self._due + len(self._step) / self._rate
        for call in self._step:
            call.intended = intended
            self._writer.write(call)
        return True

    def _wake(self) -> None:
        self._waking = False
        self._pump()

    def _send(self, client: Client, call: Call) -> None:
        connection = client.connection
        assert connection is not None
        client.call = call
        client.sent = time.perf_counter()
        call.attempt = self._history.begin(call.number, client.number, call.session, call.claimed, client.sent)
        call.attempts += 1
        if call.attempts > 1:
            self.measures.retries += 1
        elif call.retry == "cut":
            self._loop.call_later(self._workload.wait_before_cut(), self._cut, client, call, connection)
        connection.send(self._heads[client.place % len(self._heads)] + call.request)

    def _cut(self, client: Client, call: Call, connection: Connection) -> None:
        if client.call is not call or client.connection is not connection:
            return  # the answer was faster
        self.measures.cut += 1
        call.retry, call.intended = "", 0.0  # the client caused its latency
        self._unanswered(client, CUT)
        connection.close()
        self._pump()

    def _resume(self, client: Client, call: Call, connection: Connection) -> None:
        """Send a call again, after the wait of the Retry-After header."""
        self._retries.append(call)
        if client.connection is connection and connection.usable:
            self._idle.append(client)
        self._pump()

    # Connections, and periodic checks.

    async def _connect(self, client: Client) -> None:
        while not self._done.is_set():
            target = self._targets[client.place % len(self._targets)]
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self), target.host, target.port, ssl=self._tls if target.tls else None
                )
            except OSError:
                client.place += 1  # the next node may be there
                await asyncio.sleep(RECONNECT_S)
                continue
            client.connection = connection
            self._by_connection[connection] = client
            self._idle.append(client)
            self._pump()
            return

    def _reconnect(self, client: Client) -> None:
        if not self._done.is_set():
            task = asyncio.create_task(self._connect(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while not self._done.is_set():
            await asyncio.sleep(CHECK_INTERVAL_S)
            now = time.perf_counter()
            for client in self._clients:
                if client.connection is not None and client.sent < now - ANSWER_TIMEOUT_S:
                    client.connection.close()
            self._pump()
            self.server_gone = bool(self._unfinished) and now - self._last_answer > SILENT_S
            if self.server_gone or now >= min(self._ends + FINISH_S, self._deadline):
                self._done.set()
