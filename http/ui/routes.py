"""The routes of the live page, with the scopes that they require. The description of the API has none of them."""

from starlette.routing import Route

from trackd.http.errors import METHODS
from trackd.http.ui import static
from trackd.http.ui.dependencies import PageDependencies
from trackd.http.ui.entry import Entry, root
from trackd.http.ui.guard import Guard
from trackd.http.ui.health import HealthPages
from trackd.http.ui.live import LivePages
from trackd.http.ui.logins import Logins
from trackd.http.ui.pages import Pages, View
from trackd.http.ui.profile import ProfilePages
from trackd.http.ui.sources import SourcePages

VIEWS = (View("live", "Live"), View("profile", "Profile"), View("sources", "Sources"), View("health", "Health"))
"""The entries of the navigation, in their order."""


def ui_routes(needs: PageDependencies) -> list[Route]:
    """All pages are directly below `/ui/`, so that relative addresses in them work behind any path.

    `read(...)` and the like require a login, and for other methods than GET the hidden field of a form.
    """
    tracker, reads, queries = needs.tracker, needs.reads, needs.queries
    logins = Logins(tracker, reads, needs.authenticator)
    pages = Pages(logins, VIEWS)
    guard = Guard(logins, pages, needs.errors, tracker.tally)
    entry, sources = Entry(logins, guard, pages), SourcePages(pages, tracker, reads, queries)
    live = LivePages(pages, tracker, reads, needs.listings, queries, needs.settings.refusals.keep)
    health = HealthPages(pages, tracker, needs.samples)
    read, admin = guard.read, guard.admin
    routes = [
        Route("/", root, methods=METHODS),
        Route("/ui", entry.home),
        Route("/ui/login", guard.public(entry.leave)),
        Route("/ui/login", guard.public(entry.log_in), methods=["POST"]),
        Route("/ui/logout", guard.public(entry.leave)),
        Route("/ui/logout", read(entry.log_out), methods=["POST"]),
        Route("/ui/static/{name}", static.file),
        Route("/ui/feed", read(needs.feed.get)),
        Route("/ui/live", read(live.show)),
        Route("/ui/event", read(live.event)),
        Route("/ui/sources", read(sources.list)),
        Route("/ui/source-new", admin(sources.new)),
        Route("/ui/source-new", admin(sources.add), methods=["POST"]),
        Route("/ui/source", read(sources.show)),
        Route("/ui/source", admin(sources.change), methods=["POST"]),
        Route("/ui/source-state", guard.public(entry.leave)),
        Route("/ui/source-state", admin(sources.set_state), methods=["POST"]),
        *_profile_routes(guard, ProfilePages(pages, tracker, reads, queries)),
        Route("/ui/health", read(health.show)),
        Route("/ui/plot", read(health.plot)),
        Route("/ui/{path:path}", read(entry.unknown)),
    ]
    for route in routes:
        route.include_in_schema = False
    return routes


def _profile_routes(guard: Guard, profile: ProfilePages) -> list[Route]:
    read, may_erase = guard.read, guard.erase
    return [
        Route("/ui/profile", read(profile.show)),
        Route("/ui/profile-export", read(profile.export)),
        Route("/ui/profile-erase", may_erase(profile.ask)),
        Route("/ui/profile-erase", may_erase(profile.erase), methods=["POST"]),
    ]
