"""GET /feed: what is stored, in the order of the commits, and what comes next, as lines or as server-sent events."""

from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trackd.actors.tracker import Tracker
from trackd.http.authentication import IS_ALLOWED
from trackd.http.errors import lost_position, stopping
from trackd.http.feed.pace import Pace, ServerLoad
from trackd.http.feed.pages import FeedPages
from trackd.http.feed.query import EVENT_STREAM, LINES, feed_query
from trackd.http.feed.stream import FeedStream
from trackd.http.feed.subscribers import Subscriber, Subscribers
from trackd.http.pieces import ENDLESS, PiecewiseStream
from trackd.storage.feed import REFUSAL, Form, Lost
from trackd.storage.listings import Listings, QueryPool

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # the second is for nginx
LOST = {
    Lost.DELETED: "The retention has deleted events that followed this position: go on after `oldest`.",
    Lost.REPLACED: "A backup was restored that lacks the records up to this position: go on after `oldest`.",
    Lost.AHEAD: "This position is ahead of all that is stored: go on after `oldest`.",
    Lost.FOREIGN: "This position is of another database: go on after `oldest`.",
}


class FeedEndpoint:
    """The endpoint. Nothing is kept for a client but its position: all that it gets is read from the store."""

    def __init__(self, tracker: Tracker, listings: Listings, queries: QueryPool, max_subscribers: int) -> None:
        """`queries` reads the pages, `listings` the position of the last record."""
        self._commits = tracker.commits
        self.subscribers = Subscribers(
            max_subscribers, lambda: listings.feed_head(), lambda after, up_to: listings.events_between(after, up_to)
        )
        load = ServerLoad(lambda: tracker.queue.calls)
        self._commits.listeners.append(load.on_commit)
        self._pages = FeedPages(queries, self._commits, Pace(load.current))

    async def get(self, request: Request) -> Response:
        parameters, form = feed_query(request)
        if self._commits.has_ended:
            raise stopping()
        subscriber = self.subscribers.add(refusals=REFUSAL in parameters.matching().kinds)
        answer = None
        try:
            feed = FeedStream(
                self._pages,
                self._commits,
                self.subscribers,
                subscriber,
                parameters,
                form,
                request.scope[IS_ALLOWED],
            )
            page = await feed.first_page()
            if page is None:
                raise stopping()
            if page.lost is not None:
                raise lost_position(LOST[page.lost], page.cursor.text)
            subscriber.begin(page.cursor, page.number)
            media_type = EVENT_STREAM if form is Form.EVENTS else LINES
            headers = HEADERS if page.number else {**HEADERS, "x-cursor": page.cursor.text}
            if request.method == "HEAD":
                return Response(headers=headers, media_type=media_type)
            answer = FeedAnswer(feed.parts(page), headers, media_type, self.subscribers, subscriber)
            return answer
        finally:
            if answer is None:
                self.subscribers.remove(subscriber)


class FeedAnswer(PiecewiseStream):
    """An answer that lasts until the client has enough, or goes away."""

    def __init__(
        self,
        parts: AsyncIterator[bytes],
        headers: Mapping[str, str],
        media_type: str,
        subscribers: Subscribers,
        subscriber: Subscriber,
    ) -> None:
        super().__init__(parts, headers, media_type)
        self._subscribers = subscribers
        self._subscriber = subscriber

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[ENDLESS] = True
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._subscribers.remove(self._subscriber)
