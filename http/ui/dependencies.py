"""What the pages of the live page are made from."""

from typing import NamedTuple

from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.http.authentication import Authenticator
from trackd.http.errors import ErrorAnswers
from trackd.http.feed.endpoint import FeedEndpoint
from trackd.http.ui.samples import Samples
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.store import Reads


class PageDependencies(NamedTuple):
    """The parts of the application that pages use; those that `create_app` takes are described there."""

    settings: Settings
    tracker: Tracker
    authenticator: Authenticator
    reads: Reads
    listings: Listings
    queries: QueryPool
    errors: ErrorAnswers
    samples: Samples
    feed: FeedEndpoint
