"""The errors of pages alone."""

from collections.abc import Mapping
from typing import Any

from trackd.http.errors import HttpError

FAULTY_FORM, CHANGED_MEANWHILE = 422, 409  # of a page that shows a form again
UNKNOWN = 404  # of a page that offers to search for something else


def foreign_form() -> HttpError:
    detail = "The form is not of a page of this login: load the page again, and send the form from there."
    return HttpError(403, "foreign form", detail)


def too_many_fields(most: int) -> HttpError:
    return HttpError(422, "too many fields", f"A form has at most {most} fields.")


def login_name_in_use() -> HttpError:
    return HttpError(503, "login name in use", "The login could not be made: try it again.", retry_after_s=1)


def faulty_cursor() -> HttpError:
    return HttpError(422, "invalid", "The address of this page is incomplete: go to its first page, and on from there.")


def fault_text(fault: Mapping[str, Any]) -> str:
    """A fault of a value, to be shown behind the name of its field."""
    text = str(fault["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{text[:1].lower()}{text[1:]}"


def explained(error: HttpError, detail: str) -> HttpError:
    """The same error with a sentence for people, unless it is a limit."""
    return error if error.status_code == 429 else HttpError(error.status_code, error.kind, detail)
