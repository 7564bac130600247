"""The authenticator of a server: the writer writes when a token was last used."""

from trackd.actors.messages import Administer
from trackd.actors.tracker import Tracker
from trackd.core.documents import Token
from trackd.core.token_changes import PutTokenUse
from trackd.http.authentication import Authenticator
from trackd.storage.store import Reads


def authenticator(tracker: Tracker, reads: Reads) -> Authenticator:
    def write_use(token: Token, used: str) -> None:
        """Waits for nothing: the time is lost when the queue is full."""
        tracker.ask(Administer(tracker.next_number(), PutTokenUse(token.hash, used)))

    return Authenticator(reads.tokens, write_use=write_use)
