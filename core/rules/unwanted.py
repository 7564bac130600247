"""Unwanted events, which are dropped: by their type, or because a bot sent them. Pure."""

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache

ANY = "*"
MAX_USER_AGENT = 512  # characters that are matched: long headers take long


@lru_cache(maxsize=4096)
def is_bot(user_agent: str) -> bool:
    """Whether the list of https://github.com/monperrus/crawler-user-agents, as packaged, has the user agent."""
    from crawleruseragents import is_crawler  # reads its list when imported, which only rules against bots need

    return bool(is_crawler(user_agent))


class Unwanted:
    """One reason to drop events. No `sources`, or `*`, means any; `types` are patterns as in a shell."""

    def __init__(self, name: str, types: Sequence[str], bots: bool, sources: Sequence[str]) -> None:
        self.name = name
        self._types = re.compile("|".join(map(fnmatch.translate, types))) if types else None
        self._bots = bots
        self._sources = frozenset() if ANY in sources else frozenset(sources)
        if bots:
            is_bot("")  # compiles the list now, not with the first call

    def matches(self, event_type: str, source_id: str, user_agent: str | None) -> bool:
        if self._sources and source_id not in self._sources:
            return False
        if self._types is not None and not self._types.match(event_type):
            return False
        return not self._bots or (user_agent is not None and is_bot(user_agent[:MAX_USER_AGENT]))
