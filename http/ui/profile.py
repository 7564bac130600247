"""The view Profile: what is stored of a person, the export of it, and the erasure."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackd.actors.tracker import Tracker
from trackd.core.documents import Profile
from trackd.core.profile_document import time_of_insert
from trackd.http.api.documents import committed_profile, document_text, export_answer
from trackd.http.api.erasure import erase_profile
from trackd.http.api.parameters import PageQuery, ProfilesQuery, faults
from trackd.http.errors import HttpError
from trackd.http.ui.errors import CHANGED_MEANWHILE, FAULTY_FORM, UNKNOWN, explained, fault_text, faulty_cursor
from trackd.http.ui.guard import FORM, Form
from trackd.http.ui.live_filter import STATES
from trackd.http.ui.pages import Pages, link, page_headers
from trackd.http.ui.profile_parts import found_profiles, shown_profile, shown_sessions
from trackd.http.ui.shown_events import shown_events
from trackd.http.ui.values import name_of
from trackd.storage.listings import Page, PageRequest, ProfileFilter, QueryPool
from trackd.storage.store import Reads

VIEW = "profile"
EVENTS, SESSIONS, FOUND, NEWEST = 50, 20, 50, 10  # of a page
PAGE_BYTES = 1_048_576
EMPTY = Page(b"[]", None)
DAMAGED = (
    "The stored row of this profile is damaged, by a disk or another tool, and cannot be shown. On the machine of the "
    "server, trackd verify names all faults of the file."
)
CHANGED = "Another profile has taken this id meanwhile, and nothing was erased: make sure that it is the right one."


class ProfilePages:
    def __init__(
        self,
        pages: Pages,
        tracker: Tracker,
        reads: Reads,
        queries: QueryPool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pages = pages
        self._tracker = tracker
        self._reads = reads
        self._queries = queries
        self._now = now

    async def show(self, request: Request) -> Response:
        """The profile with the id of the query, or a list: of those with its personal data, or of the newest ones."""
        profile_id, pii = request.query_params.get("id", ""), request.query_params.get("pii", "")
        if profile_id:
            profile = await self._committed(profile_id)
            return await (self._unknown(request, profile_id) if profile is None else self._profile(request, profile))
        return await (self._find(request, pii) if pii else self._newest(request))

    async def export(self, request: Request) -> Response:
        """The profile with all its sessions and events as a file."""
        profile_id = request.query_params.get("id", "")
        profile = await self._committed(profile_id)
        if profile is None:
            return await self._unknown(request, profile_id)
        try:
            answer = export_answer(profile, self._queries)
        except HttpError as error:
            raise explained(error, DAMAGED) from None
        answer.headers.update(page_headers(request))
        return answer

    async def ask(self, request: Request) -> Response:
        """The question before an erasure."""
        profile_id = request.query_params.get("id", "")
        profile = await self._committed(profile_id)
        return await (self._unknown(request, profile_id) if profile is None else self._question(request, profile))

    async def erase(self, request: Request) -> Response:
        """Erases the profile that the question was about. Its id is in the query: a field would change line breaks."""
        sent: Form = request.scope[FORM]
        profile_id, keep_events = request.query_params.get("id", ""), sent.get("keep") == "events"
        profile = await self._committed(profile_id)
        if profile is None:
            return await self._unknown(request, profile_id)
        if sent.get("inserted", "") != _inserted(profile):
            return await self._question(request, profile, CHANGED_MEANWHILE, CHANGED)
        if await erase_profile(self._tracker, profile.id, self._now(), keep_events) is None:
            return await self._unknown(request, profile_id)
        return await self._page(request, "profile_erased.html", id=profile.id, keep_events=keep_events)

    async def _committed(self, profile_id: str) -> Profile | None:
        """The profile that an id leads to. Raises HttpError."""
        return await committed_profile(self._tracker, profile_id) if profile_id else None

    async def _profile(self, request: Request, profile: Profile) -> Response:
        of_events, of_sessions = _page_request(request, "cursor", EVENTS), _page_request(request, "sessions", SESSIONS)
        try:
            parts = shown_profile(document_text(profile))
        except HttpError as error:
            raise explained(error, DAMAGED) from None
        events = await self._queries.read("profile_events", profile.id, of_events) or EMPTY
        sessions = await self._queries.read("profile_sessions", profile.id, of_sessions) or EMPTY
        return await self._page(
            request,
            "profile.html",
            id=profile.id,
            asked_id=request.query_params["id"],
            profile=parts,
            states=STATES,
            sources={source.id: name_of(source) for source in self._reads.sources()},
            events=shown_events(events.documents),
            newest_events=_link(request, "cursor") if of_events.cursor is not None else "",
            older_events=_link(request, "cursor", events.next) if events.next is not None else "",
            sessions=shown_sessions(sessions.documents),
            newest_sessions=_link(request, "sessions") if of_sessions.cursor is not None else "",
            older_sessions=_link(request, "sessions", sessions.next) if sessions.next is not None else "",
        )

    async def _find(self, request: Request, pii: str) -> Response:
        """The profiles with this personal data. A single one is shown at once."""
        try:
            matching = ProfilesQuery.model_validate({"pii": pii}).profiles()
        except ValidationError as error:
            return await self._search(request, FAULTY_FORM, pii=pii, pii_fault=fault_text(faults(error)[0]))
        asked = _page_request(request, "cursor", FOUND)
        page: Page = await self._queries.read("profiles", matching, asked)
        found = found_profiles(page.documents)
        if len(found) == 1 and page.next is None and asked.cursor is None:
            return RedirectResponse(link(VIEW, id=found[0].id), 303)
        more = "" if page.next is None else link(VIEW, pii=pii, cursor=str(page.next))
        return await self._search(request, pii=pii, found=found, more=more)

    async def _newest(self, request: Request) -> Response:
        asked = _page_request(request, "cursor", NEWEST)
        page: Page = await self._queries.read("profiles", ProfileFilter(), asked)
        more = "" if page.next is None else link(VIEW, cursor=str(page.next))
        return await self._search(request, found=found_profiles(page.documents), more=more)

    async def _unknown(self, request: Request, profile_id: str) -> Response:
        if not profile_id:
            return RedirectResponse(VIEW, 303)
        return await self._search(request, UNKNOWN, unknown_id=profile_id)

    async def _search(self, request: Request, status: int = 200, **values: Any) -> Response:
        """The page that asks for an id or for personal data."""
        known: dict[str, Any] = {"unknown_id": "", "pii": "", "pii_fault": "", "found": None, "more": ""}
        return await self._page(request, "profile_search.html", status, **{**known, **values})

    async def _question(self, request: Request, profile: Profile, status: int = 200, error: str = "") -> Response:
        inserted = _inserted(profile)
        return await self._page(
            request, "profile_erase.html", status, id=profile.id, seq=profile.seq, inserted=inserted, error=error
        )

    async def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return await self._pages.page(request, template, status, view=VIEW, **values)


def _inserted(profile: Profile) -> str:
    """When the profile was made: another one with the same id has another time. Empty for a damaged profile."""
    return str(time_of_insert(profile.doc_json) or "")


def _page_request(request: Request, name: str, limit: int) -> PageRequest:
    """The page of a list whose cursor is the parameter `name`. Raises HttpError."""
    if name not in request.query_params:
        return PageRequest(None, limit, PAGE_BYTES)
    try:
        query = PageQuery.model_validate({"cursor": request.query_params[name]})
    except ValidationError:
        raise faulty_cursor() from None
    return PageRequest(query.cursor, limit, PAGE_BYTES)


def _link(request: Request, name: str, cursor: int | None = None) -> str:
    """The page of the same profile with another cursor for one of its lists, at that list."""
    kept = {key: value for key, value in request.query_params.items() if key in ("id", "cursor", "sessions")}
    others = {key: value for key, value in kept.items() if key != name}
    at = "events" if name == "cursor" else name
    return f"{link(VIEW, **others, **({} if cursor is None else {name: str(cursor)}))}#{at}"
