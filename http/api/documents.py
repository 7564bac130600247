"""Reading endpoints for profiles, sessions and events: single documents, lists in pages, exports of a profile."""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.messages import Aborted, Failed, Fetch, Fetched, Reason, Refused
from trackd.actors.tracker import Tracker
from trackd.core.documents import Profile
from trackd.core.encoding import json_members
from trackd.http.api.parameters import EventsQuery, PageQuery, ProfilesQuery, Query, RefusalsQuery, id_and_query, query
from trackd.http.api.profile_export import profile_export
from trackd.http.errors import HttpError, aborted, not_found, unreadable
from trackd.http.pieces import PIECE_BYTES, PiecewiseResponse, PiecewiseStream, pieces_of
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.listings import Listings, Page, QueryPool

EXPORT_PAGE = 500  # documents that an export reads at a time


class DocumentEndpoints:
    """The endpoints. A document that does not exist is answered with 404 and the body `null`."""

    def __init__(
        self, tracker: Tracker, documents: Listings, lists: QueryPool, segment_id: Callable[[str], Awaitable[str]]
    ) -> None:
        """`documents` answers single reads in the event loop; `lists` answers the others outside of it.

        `segment_id` finds a segment by its id or name, and raises HttpError when there is none.
        """
        self._segment_id = segment_id
        self._tracker = tracker
        self._documents = documents
        self._lists = lists

    async def profile(self, request: Request) -> Response:
        profile_id, _ = id_and_query(request, Query)
        profile = await committed_profile(self._tracker, profile_id)
        return not_found() if profile is None else json_answer(document_text(profile))

    def list(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that lists the documents of another one: "profile_events", "profile_sessions" and the like."""

        async def list_documents(request: Request) -> Response:
            document_id, parameters = id_and_query(request, PageQuery)
            page = await self._lists.read(name, document_id, parameters.page())
            return not_found() if page is None else page_answer(page)

        return list_documents

    async def session(self, request: Request) -> Response:
        return self._document(self._documents.session, request)

    async def event(self, request: Request) -> Response:
        return self._document(self._documents.event, request)

    def _document(self, read: Callable[[str], str | None], request: Request) -> Response:
        document_id, _ = id_and_query(request, Query)
        document = read(document_id)
        return not_found() if document is None else json_answer(document.encode())

    async def events(self, request: Request) -> Response:
        parameters = query(request, EventsQuery)
        return page_answer(await self._lists.read("events", parameters.events(), parameters.page()))

    async def refusals(self, request: Request) -> Response:
        parameters = query(request, RefusalsQuery)
        return page_answer(await self._lists.read("refusals", parameters.refusals(), parameters.page()))

    async def profiles(self, request: Request) -> Response:
        parameters = query(request, ProfilesQuery)
        matching = parameters.profiles()
        if matching.segment is not None:
            matching = replace(matching, segment=await self._segment_id(matching.segment))
        return page_answer(await self._lists.read("profiles", matching, parameters.page()))

    def count(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that counts the stored documents of a `kind`: "profile", "session" or "event"."""

        async def count(request: Request) -> Response:
            query(request, Query)
            return JSONResponse({"count": await self._lists.read("count", kind)})

        return count

    async def export(self, request: Request) -> Response:
        """A profile with all its sessions and events, streamed as one JSON document."""
        profile_id, _ = id_and_query(request, Query)
        profile = await committed_profile(self._tracker, profile_id)
        return not_found() if profile is None else export_answer(profile, self._lists)


async def committed_profile(tracker: Tracker, profile_id: str) -> Profile | None:
    """The profile that an id leads to, as it is committed. Raises HttpError."""
    answer = await tracker.ask(Fetch(tracker.next_number(), profile_id))
    if isinstance(answer, Fetched):
        return answer.profile
    raise _unreadable(answer)


def _unreadable(answer: Aborted) -> HttpError:
    if isinstance(answer, Failed) and answer.is_damage:
        return _damaged()
    if isinstance(answer, Refused) and answer.reason is Reason.STORE_FAILED:
        return unreadable(StoreError("a profile, see the line before"))
    return aborted(answer)


def _damaged() -> HttpError:
    """Another tool or a disk has changed the stored document: it is no JSON object any more."""
    return unreadable(DamagedRowError("the document of a profile is damaged, `trackd verify` names it"))


def export_answer(profile: Profile, lists: QueryPool) -> Response:
    """The profile with all its sessions and events, to be saved as a file. Raises HttpError."""
    content = profile_export(profile.id, document_text(profile), lists, EXPORT_PAGE)
    return PiecewiseStream(content, {"content-disposition": 'attachment; filename="profile.json"'})


def document_text(profile: Profile) -> bytes:
    """The document as it is stored. Raises HttpError unless it is a JSON object: another tool may have written it."""
    try:
        json_members(profile.doc_json)
    except (ValueError, RecursionError):
        raise _damaged() from None
    return bytes(profile.doc_json)


def json_answer(body: bytes) -> Response:
    if len(body) > PIECE_BYTES:
        return PiecewiseResponse(pieces_of(body))
    return Response(body, media_type="application/json")


def page_answer(page: Page) -> Response:
    following = b"null" if page.next is None else b'"%d"' % page.next
    if len(page.documents) > PIECE_BYTES:
        return PiecewiseResponse([b'{"result":', *pieces_of(page.documents), b',"next":%b}' % following])
    return json_answer(b'{"result":%b,"next":%b}' % (page.documents, following))
