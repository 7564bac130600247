import pytest

from tests.core.person import rules

BIG_SPENDER = {"name": "Big spender", "when": "profile.stats.views >= 1"}


@pytest.mark.parametrize(
    ("when", "note"),
    [
        ("'Big spender' in profile.segments", "there is no segment 'Big spender': the id is 'big-spender'"),
        ('"big spender"  in profile.segments && true', "there is no segment 'big spender': the id is 'big-spender'"),
        ("!('vips' in profile.segments)", "there is no segment 'vips': no profile enters it"),
        ("'big-spender' in profile.segments", None),
        ("'vips' in profile.stats.counters", None),
        ("profile.segments.size() > 0", None),
    ],
)
def test_a_condition_that_names_a_segment_wrongly_gets_a_note(when: str, note: str | None) -> None:
    rule = {"name": "r", "event": "t", "when": when, "steps": [{"target": "traits.public.a", "value": 1}]}
    in_rule = rules(segment=[BIG_SPENDER], rule=[rule]).notes
    in_segment = rules(segment=[BIG_SPENDER, {"name": "Both", "when": when}]).notes
    assert in_rule == ((f'rule "r": when: {note}',) if note else ())
    assert in_segment == ((f'segment "Both": when: {note}',) if note else ())
