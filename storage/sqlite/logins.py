"""The logins of the live page, and the links that make them: the statements of the writer, and reads by hash."""

from typing import Any

from trackd.core.documents import Login
from trackd.core.login_changes import AddLogin, EndLogin, LoginChange, UseLink
from trackd.storage.sqlite.connection import Connection

MAX_LOGINS = 1_000  # of which the oldest are ended
SELECT_LOGINS = (
    "SELECT name, hash, scopes, inserted, expires, token_hash, is_link FROM login WHERE is_link = 0 ORDER BY inserted"
)
SELECT_LOGIN = "SELECT name, hash, scopes, inserted, expires, token_hash, is_link FROM login WHERE hash = ?"
SELECT_INSTALLATION = "SELECT number FROM installation"
INSERT = "INSERT INTO login (name, hash, scopes, inserted, expires, token_hash, is_link) VALUES (?, ?, ?, ?, ?, ?, ?)"
DELETE_EXPIRED = "DELETE FROM login WHERE expires <= ?"
DELETE_OLDEST = (
    f"DELETE FROM login WHERE rowid IN (SELECT rowid FROM login ORDER BY rowid DESC LIMIT -1 OFFSET {MAX_LOGINS})"
)
USE_LINK = """
UPDATE login SET hash = ?, inserted = ?, expires = ?, is_link = 0 WHERE hash = ? AND is_link = 1 AND expires > ?
"""


def login_of_row(row: tuple[Any, ...]) -> Login | None:
    """The login in the columns of SELECT_LOGIN; None when it is damaged: nothing is opened by it."""
    name, found_hash, scopes, inserted, expires, token_hash, is_link = row
    if not all(isinstance(text, str) for text in (name, found_hash, scopes, inserted, expires, token_hash or "")):
        return None
    return Login(name, found_hash, tuple(scopes.split()), inserted, expires, token_hash, bool(is_link))


def put_login(db: Connection, change: LoginChange) -> bool:
    """Returns whether the change is written, within the transaction of the caller."""
    match change:
        case AddLogin():
            return add_login(db, change.login)
        case UseLink():
            db.execute(USE_LINK, (change.hash, change.now, change.expires, change.link_hash, change.now))
        case EndLogin():
            db.execute("DELETE FROM login WHERE hash = ? AND is_link = 0", (change.hash,))
    return db.changes() > 0


def add_login(db: Connection, login: Login) -> bool:
    """Add a login or a link, and delete those that have expired; False when there is one with its name."""
    db.execute(DELETE_EXPIRED, (login.inserted,))
    if db.execute("SELECT 1 FROM login WHERE name = ?", (login.name,)).fetchone():
        return False
    scopes = " ".join(login.scopes)
    row = (login.name, login.hash, scopes, login.inserted, login.expires, login.token_hash, int(login.is_link))
    db.execute(INSERT, row)
    db.execute(DELETE_OLDEST)
    return True
