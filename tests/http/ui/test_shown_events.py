"""Events as pages show them, also those that another tool has written."""

import msgspec

from trackd.http.ui.shown_events import shown_events

NOW = "2026-03-27T12:00:00.000000Z"


def test_an_event_has_its_reasons_and_the_rules_that_ran() -> None:
    rules = [{"id": "r", "changed": ["traits.public.a"], "more": 3}, {"id": "s", "changed": []}, 5]
    metadata = {"time": {"create": NOW, "insert": NOW}, "status": "invalid", "reasons": ["why"], "rules": rules}
    event = {"seq": 7, "type": "t", "metadata": metadata, "properties": {}, "source": {"id": "web"}}

    [shown] = shown_events(msgspec.json.encode([event]))

    assert (shown.seq, shown.type, shown.status, shown.source, shown.session) == ("7", "t", "invalid", "web", "")
    assert (shown.contents, shown.reasons) == ("", ["why"])
    assert [(rule.name, rule.changed, rule.more) for rule in shown.rules] == [
        ("r", ["traits.public.a"], "3"),
        ("s", [], ""),
        ("", [], ""),
    ]


def test_the_page_is_among_the_contents_and_ids_are_whole() -> None:
    event = {"id": "i" * 600, "profile": {"id": "p"}, "context": {"page": {"url": "/a"}}, "properties": {"b": 1}}
    [shown] = shown_events(msgspec.json.encode([event]))
    assert (shown.contents, shown.id, shown.profile) == ("page=/a b=1", "i" * 600, "p")
