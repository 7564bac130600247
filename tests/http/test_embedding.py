"""trackd as an ASGI application in another program: the examples of docs/embedding.md."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.database import rows
from tests.support.payloads import bearer, payload
from tests.support.polling import eventually
from tests.support.process import TRACKD, writer_pid
from trackd.config.errors import RulesError
from trackd.core.documents import Source
from trackd.http import backends
from trackd.http.embedding import Settings, create_app
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.sources import Sources

PAGE = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text()
PLAIN, MOUNTED, OWN_LIFESPAN = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
UNDER_UVICORN, COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def token(tmp_path: Path) -> str:
    """The commands of the page are run: the source `shop`, and a token that is returned."""
    script = COMMANDS.replace("trackd ", f"{TRACKD} ")
    lines = subprocess.check_output(["sh", "-ec", script], cwd=tmp_path, stderr=subprocess.DEVNULL, text=True)
    return lines.splitlines()[-1]


@contextlib.contextmanager
def uvicorn_running(folder: Path, module: str) -> Iterator[str]:
    """The page's command on a free port, with `module` as example.py; yields the URL."""
    (folder / "example.py").write_text(module)
    arguments = UNDER_UVICORN.replace("8686", "0").split()[1:]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        yield next(match[1] for line in server.stderr if (match := re.search(r"running on (http://\S+)", line)))
        server.terminate()
        server.communicate(timeout=30)
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize(
    ("module", "prefix"), [(PLAIN, ""), (MOUNTED, "/collect"), (MOUNTED + OWN_LIFESPAN, "/collect")]
)
async def test_an_example_of_the_page_stores_an_event_under_uvicorn(
    module: str, prefix: str, token: str, tmp_path: Path
) -> None:
    with uvicorn_running(tmp_path, module) as url, httpx.Client(base_url=url + prefix, timeout=30) as client:
        answer = client.post("/track", json=payload("a-session", "page-view", source="shop"))
        assert (answer.status_code, answer.json()["debugging"]["events"]["saved"]) == (200, 1)
        assert client.get("/healthcheck").status_code == 200
        assert client.get("/events", headers=bearer(token)).json()["result"][0]["type"] == "page-view"
        assert client.get("/openapi.json").json()["info"]["title"] == "trackd"
        assert client.get("/session/a-session").status_code == 401
        with pytest.raises(StoreError, match="is in use by another trackd"):
            await _start(tmp_path / "trackd.db")
    assert [row["type"] for row in rows(tmp_path / "trackd.db", "SELECT type FROM event")] == ["page-view"]
    await _start(tmp_path / "trackd.db")


async def _start(db: Path, **groups: object) -> None:
    async with create_app(Settings.model_validate({"database": {"path": db}, **groups})).lifespan():
        pass


async def test_an_application_can_be_started_again_after_its_end(tmp_path: Path) -> None:
    trackd = create_app(Settings.model_validate({"database": {"path": tmp_path / "trackd.db"}}))
    for _ in range(2):
        async with (
            trackd.lifespan(),
            httpx.AsyncClient(transport=httpx.ASGITransport(trackd), base_url="http://trackd", timeout=30) as client,
        ):
            assert (await client.get("/ready")).status_code == 200


async def test_rules_that_cannot_be_used_fail_the_start(tmp_path: Path) -> None:
    with pytest.raises(RulesError):
        await _start(tmp_path / "trackd.db", rules={"path": str(tmp_path / "no-rules.toml")})
    assert list(tmp_path.iterdir()) == []


async def test_a_request_before_the_start_is_an_error_that_names_the_lifespan(tmp_path: Path) -> None:
    app = create_app(Settings.model_validate({"database": {"path": tmp_path / "trackd.db"}}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trackd", timeout=30) as client:
        with pytest.raises(RuntimeError, match="enter the application's lifespan"):
            await client.get("/healthcheck")


async def test_requests_are_answered_within_the_lifespan_of_an_outer_application(tmp_path: Path) -> None:
    trackd = create_app(Settings.model_validate({"database": {"path": tmp_path / "trackd.db"}}))
    outer = Starlette(lifespan=trackd.lifespan)
    async with (
        outer.router.lifespan_context(outer),
        httpx.AsyncClient(transport=httpx.ASGITransport(trackd), base_url="http://trackd", timeout=30) as client,
    ):
        assert (await client.get("/ready")).status_code == 200


async def test_a_lifespan_that_is_cancelled_during_its_start_leaves_the_file_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun"
    never_ready = [sys.executable, "-c", f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"]
    with monkeypatch.context() as changed:
        changed.setattr(backends, "command", lambda *_: never_ready)
        starting = asyncio.create_task(_start(tmp_path / "trackd.db"))
        await eventually(begun.exists, "the writer process runs")
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    await _start(tmp_path / "trackd.db")


async def test_a_stop_for_which_the_disk_is_too_slow_closes_the_file_and_loses_no_answered_call(tmp_path: Path) -> None:
    db = tmp_path / "trackd.db"
    with Sources(db, create=True) as sources:
        sources.add(Source("shop", "Shop"))
    trackd = create_app(Settings.model_validate({"database": {"path": db}, "server": {"stop_timeout_s": 1}}))
    running = contextlib.AsyncExitStack()
    await running.enter_async_context(trackd.lifespan())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(trackd), base_url="http://trackd") as client:
        answer = await client.post("/track", json=payload("a-session", "page-view", source="shop"))
    writer = writer_pid(os.getpid())
    os.kill(writer, signal.SIGSTOP)
    with pytest.raises(StoreError, match="The disk did not take the last calls in time"):
        await running.aclose()

    assert answer.status_code == 200
    assert not Path(f"/proc/{writer}").exists()
    assert _open_files(tmp_path) == []
    assert (tmp_path / "trackd.db-wal").stat().st_size > 0  # copying it would wait for the disk again
    await _start(db)
    assert [row["type"] for row in rows(db, "SELECT type FROM event")] == ["page-view"]


def _open_files(folder: Path) -> list[str]:
    """The files of the folder that this process has open."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if link.startswith(f"{folder}/")]
