"""Whether stored rows are damaged: for the log, when a call has failed on them."""

import contextlib
from collections.abc import Callable

from trackd.core.documents import Profile, Session
from trackd.core.session_document import check_stored_session
from trackd.storage.errors import StoreError
from trackd.storage.transfer.stored_profile import stored_profile

DAMAGE = ", a stored row that it needs is damaged: `trackd verify` names it"


def damage_of(profile: Profile | None, read_session: Callable[[], Session | None]) -> str:
    """How the line on the fault goes on when a row explains it, "" otherwise."""
    with contextlib.suppress(ValueError, RecursionError, StoreError):
        if profile is not None:
            stored_profile(bytes(profile.doc_json))
        if (session := read_session()) is not None:
            check_stored_session(session)
        if profile is None or (isinstance(profile.seq, int) and isinstance(profile.revision, int)):
            return ""
    return DAMAGE
