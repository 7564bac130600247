"""The tracker script is small, and what is sent of it is the script."""

import gzip

from trackd.ui.tracker_script import SOURCE, tracker_script, without_comments

LIMIT_BYTES = 3_000


def test_the_script_is_small() -> None:
    script = tracker_script()
    assert len(script.compressed) <= LIMIT_BYTES
    assert gzip.decompress(script.compressed) == script.plain


def test_lines_of_comments_and_indentation_are_not_sent() -> None:
    assert without_comments("// a comment\n\n  const a = 1; // kept\n    // another\n") == "const a = 1; // kept\n"


def test_the_script_has_no_text_or_comment_of_several_lines_which_would_lose_its_indentation() -> None:
    source = SOURCE.read_text("utf-8")
    assert "/*" not in source
    assert all(line.count("`") % 2 == 0 and not line.endswith("\\") for line in source.splitlines())


def test_the_version_changes_with_the_content_alone() -> None:
    assert tracker_script().version == tracker_script().version
    assert len(tracker_script().version) == 16
