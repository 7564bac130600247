"""`trackd serve` on several addresses."""

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.process import TRACKD

ALL = ["http://127.0.0.1", "http://127.0.0.2"]


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (["--host", "127.0.0.1", "--host", "127.0.0.2"], {}),
        ([], {"TRACKD_SERVER_HOST": "127.0.0.1, 127.0.0.2"}),
    ],
    ids=["options", "environment"],
)
def test_the_server_answers_at_each_address_and_prints_all(
    tmp_path: Path, options: list[str], environment: dict[str, str]
) -> None:
    command = [str(TRACKD), "serve", "--port", "0", *options]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            ready = next(line for line in process.stdout if "is ready at" in line)
            urls = re.findall(r"http://[\d.]+:\d+", ready)
            assert [url.rpartition(":")[0] for url in urls] == ALL
            assert f"is ready at {', '.join(urls)}, database trackd.db, pid {process.pid}" in ready
            assert [httpx.get(f"{url}/ready").status_code for url in urls] == [200, 200]
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
