"""The request headers that are kept with the session, as the settings have it."""

from msgspec.structs import replace

from trackd.config.settings import Privacy
from trackd.core.calls import Track
from trackd.http.body import Headers

MAX_CHARACTERS = 1_024  # of a header: a longer one is cut, since it would count against limits.max_session_bytes


class KeptHeaders:
    """`keys` maps each kept header to its key in the session's context; it is empty when none is kept."""

    def __init__(self, privacy: Privacy) -> None:
        headers = {
            b"user-agent": (privacy.user_agent, "user_agent"),
            b"referer": (privacy.referrer, "referrer"),
        }
        self.keys = {header: key for header, (is_kept, key) in headers.items() if is_kept}

    def added_to(self, call: Track, headers: Headers) -> Track:
        """The call with the kept headers in its context. Values that the client sent under their keys win."""
        if not self.keys:
            return call
        kept = {key: _text(headers[header]) for header, key in self.keys.items() if headers.get(header, b"").strip()}
        return replace(call, context={**kept, **(call.context or {})})


NO_HEADERS = KeptHeaders(Privacy())


def _text(value: bytes) -> str:
    """Header values are bytes: UTF-8 in practice, latin-1 by the old standard."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.strip()[:MAX_CHARACTERS]
