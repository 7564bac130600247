"""The errors of pages."""

from trackd.http.errors import failed_too_often, unauthenticated
from trackd.http.ui.errors import explained, fault_text


def test_a_sentence_for_people_replaces_the_detail_but_not_that_of_a_limit() -> None:
    known, limit = unauthenticated("no token"), failed_too_often(5)

    found = explained(known, "Log in again.")

    assert (found.status_code, found.kind, found.detail) == (401, "no token", "Log in again.")
    assert explained(limit, "Log in again.") is limit


def test_a_fault_of_a_field_is_the_rest_of_a_sentence() -> None:
    assert fault_text({"msg": "Value error, An id has 1 to 255 characters."}) == "an id has 1 to 255 characters"
    assert fault_text({"msg": ""}) == ""
