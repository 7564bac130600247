"""ETags of files."""

import pytest
from starlette.requests import Request

from trackd.http.ui.etags import has_current


@pytest.mark.parametrize(
    ("sent", "known"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False), ("", False)],
)
def test_a_client_has_the_content_whose_tag_it_sends(sent: str, known: bool) -> None:
    request = Request({"type": "http", "headers": [(b"if-none-match", sent.encode())]})

    assert has_current(request, '"a"') is known
