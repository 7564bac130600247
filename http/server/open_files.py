"""Whether the process can open another file. Each connection takes one."""

import errno
import logging
import os

from trackd.http.server.connection_limit import ConnectionLimit
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)


class OpenFiles:
    """Logs, at most once a minute, that no more files can be opened: new connections are then closed unanswered."""

    def __init__(self, limit: ConnectionLimit, limited_log: RateLimitedLog | None = None) -> None:
        self._limit = limit
        self._limited_log = limited_log or RateLimitedLog()

    def check(self, connections: int) -> bool:
        """Try to open a file, with so many connections open. Returns whether it worked."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            if self._limited_log.due(error.errno) is not None:
                log.error(
                    "no more files can be opened, with %d connections (server.max_connections is %d): connections that "
                    "wait are closed. Allow more open files (LimitNOFILE, ulimit -n) or fewer connections",
                    connections,
                    self._limit.max_connections,
                )
            return False
        return True
