import errno

import pytest

from trackd.storage.files.system_errors import reason_and_remedy, reason_of


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x"), "(No space left on device): make room on its disk"),
        (OSError(errno.ENOENT, "x"), "(No such file or directory): name another file"),
        (OSError("It broke."), "(It broke): name another file"),
    ],
)
def test_an_error_has_its_reason_and_what_to_do(error: OSError, sentence: str) -> None:
    assert reason_and_remedy(error) == sentence
    assert reason_of(error) in sentence
