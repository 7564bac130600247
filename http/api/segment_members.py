"""GET /segments, and the segments that other endpoints name."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.tracker import Tracker
from trackd.core.rules.rule import segment_id
from trackd.http.api.parameters import Query, query
from trackd.http.errors import unknown_segment
from trackd.storage.listings import QueryPool


class SegmentEndpoints:
    """Lists the segments. A segment that the rules no longer have is one as long as a profile is in it."""

    def __init__(self, tracker: Tracker, lists: QueryPool) -> None:
        self._tracker = tracker
        self._lists = lists

    async def list(self, request: Request) -> Response:
        """All segments in one page: those of the rules in their order, then those that only profiles have."""
        query(request, Query)
        members, segments = await self._members(), self._tracker.rules.segments
        result = [
            {
                "id": segment.id,
                "name": segment.name,
                "when": segment.condition.text,
                "event": list(segment.event_types),
                "reads_profile_only": segment.condition.reads_profile_only,
                "members": members.get(segment.id, 0),
            }
            for segment in segments.values()
        ]
        former: dict[str, Any] = {"name": None, "when": None, "event": [], "reads_profile_only": False}
        result += [{"id": key, **former, "members": members[key]} for key in sorted(members.keys() - segments.keys())]
        return JSONResponse({"total": len(result), "result": result, "next": None})

    async def id_of(self, name: str) -> str:
        """The id of the segment with this id or name. Raises HttpError when there is none."""
        segments = self._tracker.rules.segments
        segment = self._tracker.rules.segment(name)
        if segment is not None:
            return segment.id
        members = await self._members()
        for former in (name, segment_id(name)):
            if former in members:
                return former
        raise unknown_segment(name, [*segments, *sorted(members.keys() - segments.keys())])

    async def _members(self) -> Mapping[str, int]:
        members: Mapping[str, int] = await self._lists.read("segment_members")
        return members
