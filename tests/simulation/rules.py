"""Three rule sets. The effect of an event shows which one was in force; `Model.effect` has the same effects."""

from trackd.config.settings import Limits
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet


def _counting(trait: str, by: int) -> dict[str, object]:
    step = {"target": f"traits.public.{trait}", "op": "increment", "value": by}
    return {"name": trait, "event": "t", "steps": [step]}


RULES: tuple[RuleSet, ...] = tuple(
    compile_rules(file, Limits())
    for file in (
        {},
        {"rule": [_counting("a", 1)]},
        {"rule": [_counting("b", 2)], "unwanted": [{"name": "u", "types": ["u"]}]},
    )
)
