"""The faults of a request, out of the error that refuses it."""

from typing import Any

from trackd.http.errors import HttpError


def faults_of(error: HttpError) -> list[dict[str, Any]]:
    """The `loc`, `msg` and `type` of each fault. The error must be a 422."""
    assert error.status_code == 422, error.detail
    faults: object = error.detail
    assert isinstance(faults, list)  # Starlette annotates `detail` as a text
    return faults
