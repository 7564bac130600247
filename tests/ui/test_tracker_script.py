"""The tracker script is small, and what is sent of it is the script."""

import gzip
import itertools

from trackd.ui.tracker_script import SOURCE, in_one_line, tracker_script

LIMIT_BYTES = 3_000


def test_the_script_is_small() -> None:
    script = tracker_script()
    assert len(script.compressed) <= LIMIT_BYTES
    assert gzip.decompress(script.compressed) == script.plain


def test_comments_indentation_and_breaks_of_lines_are_not_sent() -> None:
    assert in_one_line("// a comment\n\n  const a = 1;\n    // another\n  f(a)\n    .g();\n") == "const a = 1;f(a).g();"


def test_the_script_means_the_same_in_one_line() -> None:
    """No text or comment has several lines, no comment follows code, and no statement ends with its line alone."""
    source = SOURCE.read_text("utf-8")
    lines = [line for each in source.splitlines() if (line := each.strip()) and not line.startswith("//")]
    assert "/*" not in source
    assert all(line.count("`") % 2 == 0 and not line.endswith("\\") and " //" not in line for line in lines)
    for line, following in itertools.pairwise(lines):
        assert line.endswith((";", "{", "}", ",", "(", "=>")) or following.startswith("."), line


def test_the_version_changes_with_the_content_alone() -> None:
    assert tracker_script().version == tracker_script().version
    assert len(tracker_script().version) == 16
