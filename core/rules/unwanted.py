"""Events that nobody wants: by their type, or because a bot sent them. Pure."""

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache

ANY = "*"
MAX_USER_AGENT = 512  # characters that are looked at: it takes 0.1 ms for a browser's 110


@lru_cache(maxsize=4096)
def is_bot(user_agent: str) -> bool:
    """By the list of https://github.com/monperrus/crawler-user-agents, as the package has it."""
    from crawleruseragents import is_crawler  # it reads its list when it is imported: only where bots are unwanted

    return bool(is_crawler(user_agent))


class Unwanted:
    """One reason to drop events. No `sources`, or `*`, means any; `types` are patterns as of a shell."""

    def __init__(self, name: str, types: Sequence[str], bots: bool, sources: Sequence[str]) -> None:
        self.name = name
        self._types = re.compile("|".join(map(fnmatch.translate, types))) if types else None
        self._bots = bots
        self._sources = frozenset() if ANY in sources else frozenset(sources)
        if bots:
            is_bot("")  # compiles the list now, and not with the first call

    def matches(self, event_type: str, source_id: str, user_agent: str | None) -> bool:
        if self._sources and source_id not in self._sources:
            return False
        if self._types is not None and not self._types.match(event_type):
            return False
        return not self._bots or (user_agent is not None and is_bot(user_agent[:MAX_USER_AGENT]))
