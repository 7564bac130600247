"""DELETE /profile/{id} and DELETE /profile?id=: erases a profile with its sessions and events."""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.messages import Erase, Erased
from trackd.actors.tracker import Tracker
from trackd.core.documents import timestamp
from trackd.http.api.parameters import ErasureQuery, id_and_query
from trackd.http.errors import aborted, not_found


class ErasureEndpoint:
    def __init__(self, tracker: Tracker, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tracker = tracker
        self._now = now

    async def erase(self, request: Request) -> Response:
        """Answers when profile, sessions and events are deleted from the disk. `keep=events` keeps anonymous events."""
        profile_id, parameters = id_and_query(request, ErasureQuery)
        keep_events = parameters.keep == "events"
        erase = Erase(self._tracker.next_number(), profile_id, timestamp(self._now()), keep_events)
        answer = await self._tracker.ask(erase)
        if not isinstance(answer, Erased):
            raise aborted(answer)
        return not_found() if answer.profile_id is None else JSONResponse({"id": answer.profile_id})
