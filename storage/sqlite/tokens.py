"""The tokens and logins of a database file, for `trackd token` and `trackd ui`; works while a server runs on it."""

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from trackd.core.documents import (
    LINK_LASTS,
    PREFIX_OF_SECRETS,
    SECRET_BYTES,
    Login,
    Token,
    TokenScope,
    login_name,
    secret_hash,
    timestamp,
)
from trackd.storage.closing import Closing
from trackd.storage.errors import TokenError
from trackd.storage.sqlite.connection import rows_by_name, transaction
from trackd.storage.sqlite.logins import SELECT_LOGINS, add_login, login_of_row
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.shared_file import SharedFile


class Tokens(Closing):
    """The tokens of one file: a context manager that closes it. Methods raise DatabaseError and TokenError."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self._path = path
        self._file = ReadOnlyFile(path, ["token", "login"]) if read_only else SharedFile(path, create=create)
        self._db = self._file.connection

    def close(self) -> None:
        self._file.close()

    def add(
        self,
        name: str,
        scopes: Iterable[TokenScope],
        expires: str | None = None,
        show: Callable[[str], None] = lambda secret: None,
    ) -> str:
        """Add a token, and return its secret. The file has only its hash: the secret cannot be read again.

        `expires` is a timestamp, None for a token that never expires. `show` is called with the secret first: when it
        raises, there is no such token.
        """
        self._check_name(name)
        secret = PREFIX_OF_SECRETS + secrets.token_urlsafe(SECRET_BYTES)
        show(secret)
        row = (name, secret_hash(secret), " ".join(scopes), timestamp(datetime.now(UTC)), expires)
        with self._file.errors(), transaction(self._db):
            self._check_name(name)
            self._db.execute("INSERT INTO token (name, hash, scopes, inserted, expires) VALUES (?, ?, ?, ?, ?)", row)
        return secret

    def _check_name(self, name: str) -> None:
        with self._file.errors():
            if self._db.execute("SELECT 1 FROM token WHERE name = ?", [name]).fetchone():
                raise TokenError(f"There is a token {name} already: revoke it first, or choose another name.")

    def all(self) -> list[Token]:
        """All tokens, oldest first."""
        with self._file.errors():
            rows = rows_by_name(self._db, "SELECT * FROM token ORDER BY inserted, name")
        try:
            return [Token.of_row(row) for row in rows]
        except (TypeError, ValueError, AttributeError) as error:  # another tool wrote one
            raise TokenError(f"A token cannot be read ({error}): mend the rows of the table token first.") from error

    def add_link(self, scope: TokenScope) -> str:
        """Add a link to the live page, good once and for LINK_LASTS, and return its key. The file has only its hash."""
        key, now = secrets.token_urlsafe(SECRET_BYTES), datetime.now(UTC)
        key_hash, expires = secret_hash(key), timestamp(now + LINK_LASTS)
        link = Login(login_name(key_hash), key_hash, (scope,), timestamp(now), expires, is_link=True)
        with self._file.errors(), transaction(self._db):
            add_login(self._db, link)
        return key

    def logins(self) -> list[Login]:
        """All logins of the live page, oldest first; without the links that were not used."""
        with self._file.errors():
            rows = self._db.execute(SELECT_LOGINS).fetchall()
        return [login for row in rows if (login := login_of_row(row)) is not None]

    def page(self) -> str:
        """The URL of the live page at the last start of a server; empty before the first."""
        with self._file.errors():
            page: str = self._db.execute("SELECT page FROM installation").get
        return page

    def put_page(self, url: str) -> None:
        """Write the URL of the live page, if it is another one now."""
        if self.page() != url:
            with self._file.errors():
                self._db.execute("UPDATE installation SET page = ?", [url])

    def revoke(self, name: str) -> None:
        """Delete a token, or end a login; requests with it are refused from then on."""
        with self._file.errors():
            self._db.execute("DELETE FROM token WHERE name = ?", [name])
            if self._db.changes() == 0:
                self._db.execute("DELETE FROM login WHERE name = ?", [name])
        if self._db.changes() == 0:
            raise TokenError(f"There is no token {name} in {self._path}: `trackd token list` shows all.")

    def ever_made(self) -> bool:
        """Whether the file has or had a token, a revoked one included."""
        with self._file.errors():
            number: int = self._db.execute("SELECT number FROM tokens_made").get
        return number > 0
