"""Reading and compiling the rules that the server and the commands run with."""

from pathlib import Path

from trackd.config.rules_file import DEFAULT_RULES, read_rules
from trackd.config.settings import Limits
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.core.version import __version__


def load_rules(path: str, limits: Limits) -> RuleSet:
    """Read and compile a rules file, the default one when `path` is empty. Raises RulesError."""
    file = Path(path) if path else DEFAULT_RULES
    content = read_rules(file)
    return compile_rules(content.tables, limits, schemas=content.schemas, name=str(file), version=__version__)
