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
        erased_id = await erase_profile(self._tracker, profile_id, self._now(), keep_events)
        return not_found() if erased_id is None else JSONResponse({"id": erased_id})


async def erase_profile(tracker: Tracker, profile_id: str, now: datetime, keep_events: bool) -> str | None:
    """Erase the profile that an id leads to, on disk. Returns its id, None if there is none. Raises HttpError."""
    answer = await tracker.ask(Erase(tracker.next_number(), profile_id, timestamp(now), keep_events))
    if not isinstance(answer, Erased):
        raise aborted(answer)
    return answer.profile_id
