"""Reading and compiling the rules that the server and the commands run with."""

import logging
from pathlib import Path

from trackd.config.rules_file import DEFAULT_RULES, RulesContent, read_rules
from trackd.config.settings import Limits
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.core.version import __version__

log = logging.getLogger(__name__)


def load_rules(path: str, limits: Limits) -> RuleSet:
    """Read and compile a rules file, the default one when `path` is empty. Raises RulesError."""
    file = Path(path) if path else DEFAULT_RULES
    return compile_content(read_rules(file), limits, str(file))


def load_rules_of_server(path: str, limits: Limits) -> RuleSet:
    """As `load_rules`, with a log line for each note."""
    rules = load_rules(path, limits)
    for note in rules.notes:
        log.warning("%s: %s", path, note)
    return rules


def compile_content(content: RulesContent, limits: Limits, name: str) -> RuleSet:
    """Compile a rules file that was read. `name`: that of the file, for errors. Raises RulesError."""
    return compile_rules(
        content.tables,
        limits,
        schemas=content.schemas,
        uris=content.uris,
        retrieve=content.files.retrieve,
        name=name,
        version=__version__,
    )
