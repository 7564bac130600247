"""The errors of pages alone."""

from trackd.http.errors import HttpError

FAULTY_FORM, CHANGED_MEANWHILE = 422, 409  # of a page that shows a form again


def foreign_form() -> HttpError:
    detail = "The form is not of a page of this login: load the page again, and send the form from there."
    return HttpError(403, "foreign form", detail)


def too_many_fields(most: int) -> HttpError:
    return HttpError(422, "too many fields", f"A form has at most {most} fields.")


def login_name_in_use() -> HttpError:
    return HttpError(503, "login name in use", "The login could not be made: try it again.", retry_after_s=1)


def explained(error: HttpError, detail: str) -> HttpError:
    """The same error with a sentence for people, unless it is a limit."""
    return error if error.status_code == 429 else HttpError(error.status_code, error.kind, detail)
