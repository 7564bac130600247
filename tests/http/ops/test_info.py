"""GET /info/version."""

from tests.support.serving import serving
from trackd.storage.memory import MemoryStore


async def test_the_versions_of_trackd_and_of_the_software_under_it_are_answered() -> None:
    async with serving(MemoryStore(), admin=True) as client:
        answer = await client.get("/info/version")

    assert answer.status_code == 200
    assert set(answer.json()) == {"version", "python", "sqlite", "thespian"}
