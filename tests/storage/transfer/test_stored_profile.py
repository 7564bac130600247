"""Profile documents that are not as trackd writes them, and that an export and an import take all the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import execute
from tests.support.exports import contents, exported, import_lines
from tests.support.making import NOW
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.transfer.exporting import Export
from trackd.storage.transfer.records import ProfileRecord
from trackd.storage.transfer.stored_profile import stored_profile

MISSING = object()
ODD: dict[str, tuple[str, Any]] = {
    "no ids": ("ids", MISSING),
    "ids of another kind": ("ids", "other"),
    "ids are null": ("ids", None),
    "active is missing": ("active", MISSING),
    "active is a number": ("active", 1),
    "a consent that is true": ("consents", {"marketing": True}),
    "a consent with a time alone": ("consents", {"marketing": NOW}),
    "a consent that is null": ("consents", {"marketing": None}),
    "a consent without a time": ("consents", {"marketing": {}}),
    "a consent with a time of another form": ("consents", {"marketing": {"granted": "2026-01-31"}}),
    "a consent that expires at null": ("consents", {"marketing": {"granted": NOW, "expires": None}}),
    "a consent with more fields": ("consents", {"marketing": {"granted": NOW, "by": "hand"}}),
    "the history of consents is null": ("metadata.consents", None),
    "the history of consents is an object": ("metadata.consents", {"marketing": NOW}),
    "a history of texts": ("metadata.consents", ["marketing"]),
    "a change of another kind": ("metadata.consents", [{"id": "marketing", "change": "revoked", "time": NOW}]),
    "a counter that is text": ("stats.counters", {"page-view": "3"}),
    "a counter that is null": ("stats.counters", {"page-view": None}),
    "a counter that is a list": ("stats.counters", {"page-view": [3]}),
    "views below 0": ("stats.views", -1),
    "visits below 0": ("stats.visits", -1),
    "many views": ("stats.views", 2**63 - 1),
    "a field that trackd has not": ("score", {"of": ["another", "tool"]}),
}
REFUSED: dict[str, tuple[str, Any, str]] = {
    "no metadata": ("metadata", MISSING, "Object missing required field `metadata`"),
    "a time of another form": ("metadata.time.update", "today", "at `$.metadata.time.update`"),
    "visits as text": ("stats.visits", "1", "Expected `int`, got `str` - at `$.stats.visits`"),
    "counters as a list": ("stats.counters", [], "Expected `object`, got `array` - at `$.stats.counters`"),
    "no private traits": ("traits.private", MISSING, "Object missing required field `private` - at `$.traits`"),
    "consents are null": ("consents", None, "Expected `object`, got `null` - at `$.consents`"),
    "a segment that is a number": ("segments", [1], "Expected `str`, got `int` - at `$.segments[0]`"),
    "a seq below 0": ("seq", -1, "Expected `int` >= 0 - at `$.seq`"),
}


def changed(doc: str, path: str, value: Any) -> str:
    document: dict[str, Any] = json.loads(doc)
    *parents, key = path.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    if value is MISSING:
        del inner[key]
    else:
        inner[key] = value
    return json.dumps(document)


def document_of(db: Path, profile_id: str) -> str:
    [doc] = [row[3] for row in contents(db)["profile"] if row[0] == profile_id]
    return str(doc)


@pytest.mark.parametrize(("path", "value"), ODD.values(), ids=ODD)
def test_a_document_that_another_tool_wrote_is_exported_and_imported_byte_for_byte(
    path: str, value: Any, tmp_path: Path, stored: Path
) -> None:
    doc = changed(document_of(stored, "B"), path, value)
    execute(stored, "UPDATE profile SET doc = ? WHERE id = 'B'", doc)
    assert [finding for finding in audit(stored, checks(rules_change_counters=True)) if finding.number] == []

    with Export(stored) as export:
        assert json.loads(doc) in [json.loads(line) for line in export.documents(ProfileRecord)]
    import_lines(tmp_path / "new.db", exported(stored))

    assert document_of(tmp_path / "new.db", "B") == doc


@pytest.mark.parametrize(("path", "value", "fault"), REFUSED.values(), ids=REFUSED)
def test_a_document_on_which_the_server_would_fail_is_refused(path: str, value: Any, fault: str, stored: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        stored_profile(changed(document_of(stored, "B"), path, value))


def test_a_document_that_is_nested_too_deeply_is_named_by_an_export_and_by_the_audit(stored: Path) -> None:
    deep = "[" * 9_999 + "]" * 9_999
    execute(stored, "UPDATE profile SET doc = replace(doc, '\"ids\":[]', '\"ids\":' || ?) WHERE id = 'B'", deep)

    with Export(stored) as export, pytest.raises(DatabaseError, match=r"a row in profile .* \(id 'B': recursion limit"):
        list(export.lines())
    found = [place for check in audit(stored, checks(rules_change_counters=True)) for place, _ in check.first]
    assert found == ["B"]
