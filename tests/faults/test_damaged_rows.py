"""Rows that a disk or another tool has damaged, with a real server: only their own calls fail."""

from collections.abc import Callable

from tests.faults.real_server import RealServer
from tests.support.database import execute, rows

Start = Callable[..., RealServer]

OLD = "updated = '2020-01-01T00:00:00.000000Z'"  # so that the next call writes the session
NOT_UTF_8 = "CAST(x'7b22ff227d' AS TEXT)"
DEEP = "replace(hex(zeroblob(9999)), '00', '[') || replace(hex(zeroblob(9999)), '00', ']')"
# By the name of a session: the damage of its row, or of that of its profile.
DAMAGES = {
    "cut": f"UPDATE session SET context = '{{\"a\":', {OLD} WHERE id = 'cut'",
    "no-json": f"UPDATE session SET properties = 'x', {OLD} WHERE id = 'no-json'",
    "empty": f"UPDATE session SET context = '', {OLD} WHERE id = 'empty'",
    "bytes": f"UPDATE session SET context = {NOT_UTF_8}, {OLD} WHERE id = 'bytes'",
    "deep": f"UPDATE session SET context = {DEEP}, {OLD} WHERE id = 'deep'",
    "deep-document": f"UPDATE profile SET doc = replace(doc, '[]', {DEEP})"
    " WHERE id = (SELECT profile_id FROM session WHERE id = 'deep-document')",
    "binary": f"UPDATE session SET context = x'7b7d', {OLD} WHERE id = 'binary'",
    "time": "UPDATE session SET updated = 'never' WHERE id = 'time'",
    "number": f"UPDATE session SET context = 5, {OLD} WHERE id = 'number'",
    "owner": "UPDATE session SET profile_id = x'00ff' WHERE id = 'owner'",
    "document": "UPDATE profile SET doc = '{' WHERE id = (SELECT profile_id FROM session WHERE id = 'document')",
    "part": "UPDATE profile SET doc = json_remove(doc, '$.stats')"
    " WHERE id = (SELECT profile_id FROM session WHERE id = 'part')",
    "no-text": "UPDATE profile SET doc = x'7b7d' WHERE id = (SELECT profile_id FROM session WHERE id = 'no-text')",
    "seq": "UPDATE profile SET seq = x'00ff' WHERE id = (SELECT profile_id FROM session WHERE id = 'seq')",
    "revision": "UPDATE profile SET revision = 'x' WHERE id = (SELECT profile_id FROM session WHERE id = 'revision')",
    "last": "UPDATE profile SET last_event = x'00' WHERE id = (SELECT profile_id FROM session WHERE id = 'last')",
}


def test_a_damaged_row_fails_its_own_calls_and_the_writer_lives(start: Start) -> None:
    first = start()
    for session in ("sound", *DAMAGES):
        assert first.call("t", session=session).status_code == 200
    first.log()  # stops it: the next server has nothing in memory
    for damage in DAMAGES.values():
        execute(first.db, damage)

    server = start()
    writer = server.process.writer_pid()
    answers = []
    for number in range(3):
        more = {"context": {"round": number}, "properties": {"round": number}} if number else {}
        for session in DAMAGES:
            answers.append(server.call("t", session=session, **more).status_code)
            assert server.call("t", session="sound").status_code == 200, f"beside {session}"
    assert set(answers) <= {200, 500, 503}
    assert server.process.writer_pid() == writer
    stored = rows(server.db, "SELECT count(*) AS number FROM event WHERE session_id = 'sound' AND type = 't'")
    assert stored == [{"number": 1 + 3 * len(DAMAGES)}]
    log = server.log()
    assert "was ended" not in log
    assert "a stored row that it needs is damaged: `trackd verify` names it" in log
    assert "Traceback" not in log


def test_a_row_that_was_mended_takes_calls_again(start: Start) -> None:
    first = start()
    assert first.call("t", session="s").status_code == 200
    first.log()
    execute(first.db, f"UPDATE session SET context = '{{', {OLD}")

    server = start()
    assert server.call("t", session="s").status_code == 503
    execute(server.db, "UPDATE session SET context = '{}'")

    assert server.call("t", session="s").json()["debugging"]["events"]["seq"] == [2]
