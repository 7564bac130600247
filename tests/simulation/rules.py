"""Three rule sets. The effect of an event shows which one was in force; the model has the same effects.

An event `heavy` takes too much work, except under the first one.
"""

from trackd.config.settings import Limits
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet


def _counting(trait: str, by: int) -> dict[str, object]:
    step = {"target": f"traits.public.{trait}", "op": "increment", "value": by}
    return {"name": trait, "event": "t", "steps": [step]}


MAX_CALL_WORK = 1_000_000  # far more than that of other calls
NUMBERS = [*range(60)]
HEAVY = {
    "name": "heavy",
    "event": "heavy",
    "when": f"{NUMBERS}.exists(a, {NUMBERS}.exists(b, a > b + 60))",
    "steps": [{"target": "traits.public.heavy", "value": 1}],
}


def _segment(name: str, when: str) -> dict[str, object]:
    return {"name": name, "when": when}


RULES: tuple[RuleSet, ...] = tuple(
    compile_rules(file, Limits())
    for file in (
        {},
        {
            "rule": [_counting("a", 1), HEAVY],
            "segment": [_segment("s", "profile.stats.views >= 2"), _segment("a", "has(profile.traits.public.a)")],
        },
        {
            "rule": [_counting("b", 2), HEAVY],
            "segment": [_segment("s", "profile.stats.views >= 4"), _segment("t", "'t' in profile.stats.counters")],
            "unwanted": [{"name": "u", "types": ["u"]}],
        },
    )
)
