"""Names of environment variables, and those that an orchestrator makes of the names of services."""

import re

PREFIX = "TRACKD_"
CONFIG_FILE_VARIABLE = f"{PREFIX}CONFIG"
TOKEN_VARIABLE = f"{PREFIX}TOKEN"  # the token of `trackd load` and `trackd tail`

# For a Service named trackd, or trackd- and anything, Kubernetes sets these in every container of its namespace:
# TRACKD_SERVICE_HOST, TRACKD_SERVICE_PORT, TRACKD_SERVICE_PORT_HTTP, TRACKD_PORT=tcp://10.0.0.1:80,
# TRACKD_PORT_80_TCP and that with _PROTO, _PORT and _ADDR. Docker's links set these, TRACKD_NAME and TRACKD_ENV_X.
LINK_NAME = re.compile(
    r"TRACKD_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|ENV_.+)"
)
LINK_VALUE = re.compile(r"(tcp|udp|sctp)://.*", re.DOTALL)
CONTAINER = re.compile(r"/[^/\s]+/[^/\s]+")


def is_service_link(name: str, value: str) -> bool:
    """Whether the variable, with its name in upper case, is one that belongs to a service, not to trackd."""
    return bool(
        LINK_NAME.fullmatch(name)
        or LINK_VALUE.fullmatch(value)
        or (name.endswith("_NAME") and CONTAINER.fullmatch(value))
    )
