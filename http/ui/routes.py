"""The routes of the live page, with the scopes that they require. The description of the API has none of them."""

from starlette.routing import Route

from trackd.actors.tracker import Tracker
from trackd.http.authentication import Authenticator
from trackd.http.errors import METHODS, ErrorAnswers
from trackd.http.feed.endpoint import FeedEndpoint
from trackd.http.ui import static
from trackd.http.ui.entry import Entry, root
from trackd.http.ui.guard import Guard
from trackd.http.ui.health import HealthPages
from trackd.http.ui.logins import Logins
from trackd.http.ui.pages import Pages, View
from trackd.http.ui.samples import Samples
from trackd.http.ui.sources import SourcePages
from trackd.storage.listings import QueryPool
from trackd.storage.store import Reads

VIEWS = (View("sources", "Sources"), View("health", "Health"))
"""The entries of the navigation, in their order."""


def ui_routes(
    tracker: Tracker,
    authenticator: Authenticator,
    reads: Reads,
    queries: QueryPool,
    errors: ErrorAnswers,
    samples: Samples,
    feed: FeedEndpoint,
) -> list[Route]:
    """All pages are directly below `/ui/`, so that relative addresses in them work behind any path.

    `read(...)` and the like require a login, and for other methods than GET the hidden field of a form.
    """
    logins = Logins(tracker, reads, authenticator)
    pages = Pages(logins, VIEWS)
    guard = Guard(logins, pages, errors, tracker.tally)
    entry, sources = Entry(logins, guard, pages), SourcePages(pages, tracker, reads, queries)
    health = HealthPages(pages, tracker, samples)
    read, admin = guard.read, guard.admin
    routes = [
        Route("/", root, methods=METHODS),
        Route("/ui", entry.home),
        Route("/ui/login", entry.leave),
        Route("/ui/login", entry.log_in, methods=["POST"]),
        Route("/ui/logout", entry.leave),
        Route("/ui/logout", read(entry.log_out), methods=["POST"]),
        Route("/ui/static/{name}", static.file),
        Route("/ui/feed", read(feed.get)),
        Route("/ui/sources", read(sources.list)),
        Route("/ui/source-new", admin(sources.new)),
        Route("/ui/source-new", admin(sources.add), methods=["POST"]),
        Route("/ui/source", read(sources.show)),
        Route("/ui/source", admin(sources.change), methods=["POST"]),
        Route("/ui/source-state", entry.leave),
        Route("/ui/source-state", admin(sources.set_state), methods=["POST"]),
        Route("/ui/health", read(health.show)),
        Route("/ui/plot", read(health.plot)),
        Route("/ui/{path:path}", read(entry.unknown)),
    ]
    for route in routes:
        route.include_in_schema = False
    return routes
