"""New rules for a running server."""

import logging

from trackd.actors.tracker import Tracker
from trackd.config.errors import RulesError
from trackd.config.settings import Settings
from trackd.http.rules_loading import load_rules_of_server
from trackd.telemetry.faults import without_values

log = logging.getLogger(__name__)


def reload_rules_of_server(settings: Settings, tracker: Tracker) -> None:
    """Read the rules file again, on SIGHUP, in the event loop: calls wait until the rules are compiled."""
    name = settings.rules.path or "built in"
    try:
        tracker.use_rules(load_rules_of_server(settings.rules.path, settings.limits))
    except RulesError as error:
        log.error("the rules are unchanged: %s", error)
    except Exception as error:  # a bug must not stop the server
        log.error("the rules are unchanged", exc_info=without_values(error))
    else:
        log.info("the rules (%s) are reloaded", name)
