"""The errors of pages."""

from trackd.http.errors import failed_too_often, unauthenticated
from trackd.http.ui.errors import explained


def test_a_sentence_for_people_replaces_the_detail_but_not_that_of_a_limit() -> None:
    known, limit = unauthenticated("no token"), failed_too_often(5)

    found = explained(known, "Log in again.")

    assert (found.status_code, found.kind, found.detail) == (401, "no token", "Log in again.")
    assert explained(limit, "Log in again.") is limit
