"""The tokens and logins of a PostgreSQL database, for `trackd token`; works while servers run on it."""

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

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
from trackd.storage.errors import TokenError
from trackd.storage.postgres.administration import SELECT_LOGINS, SELECT_TOKENS, add_login, login_of, token_of
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.shared_database import SharedDatabase

ONE_AT_A_TIME = "LOCK TABLE token IN SHARE ROW EXCLUSIVE MODE"
INSERT = """
INSERT INTO token (name, hash, scopes, inserted, expires) VALUES (%s, %s, %s, %s::timestamptz, %s::timestamptz)
"""


class PostgresTokens(SharedDatabase):
    """The tokens of one database: a context manager that closes it. Methods raise StoreError and TokenError."""

    def add(
        self,
        name: str,
        scopes: Iterable[TokenScope],
        expires: str | None = None,
        show: Callable[[str], None] = lambda secret: None,
    ) -> str:
        """Add a token, and return its secret. The database has only its hash: the secret cannot be read again.

        `expires` is a timestamp, None for a token that never expires. `show` is called with the secret first: when it
        raises, there is no such token.
        """
        secret = PREFIX_OF_SECRETS + secrets.token_urlsafe(SECRET_BYTES)
        row = [name, secret_hash(secret), " ".join(scopes), timestamp(datetime.now(UTC)), expires]
        with self.transaction() as db:
            db.run(ONE_AT_A_TIME)  # of two nodes that start for the first time only one shows its token
            _check_name(db, name)
            show(secret)
            db.run(INSERT, row)
        return secret

    def all(self) -> list[Token]:
        """All tokens, oldest first."""
        with self.transaction() as db:
            return [token_of(row) for row in db.rows(SELECT_TOKENS)]

    def add_link(self, scope: TokenScope) -> str:
        """Add a link to the live page, good once and for LINK_LASTS, and return its key."""
        key, now = secrets.token_urlsafe(SECRET_BYTES), datetime.now(UTC)
        key_hash, expires = secret_hash(key), timestamp(now + LINK_LASTS)
        link = Login(login_name(key_hash), key_hash, (scope,), timestamp(now), expires, is_link=True)
        with self.transaction() as db:
            add_login(db, link)
        return key

    def logins(self) -> list[Login]:
        """All logins of the live page, oldest first; without the links that were not used."""
        with self.transaction() as db:
            return [login_of(row) for row in db.rows(SELECT_LOGINS)]

    def page(self) -> str:
        """The URL of the live page at the last start of a server; empty before the first."""
        with self.transaction() as db:
            [(page,)] = db.rows("SELECT page FROM installation")
        return str(page)

    def put_page(self, url: str) -> None:
        """Write the URL of the live page, if it is another one now."""
        with self.transaction() as db:
            db.run("UPDATE installation SET page = %(url)s WHERE page <> %(url)s", {"url": url})

    def revoke(self, name: str) -> None:
        """Delete a token, or end a login; requests with it are refused from then on."""
        with self.transaction() as db:
            is_done = db.run("DELETE FROM token WHERE name = %s", [name]) or db.run(
                "DELETE FROM login WHERE name = %s", [name]
            )
        if not is_done:
            raise TokenError(f"There is no token {name} in {self.name}: `trackd token list` shows all.")

    def ever_made(self) -> bool:
        """Whether the database has or had a token, a revoked one included."""
        with self.transaction() as db:
            [(number,)] = db.rows("SELECT number FROM tokens_made")
        return int(number) > 0


def _check_name(db: Connection, name: str) -> None:
    if db.rows("SELECT 1 FROM token WHERE name = %s", [name]):
        raise TokenError(f"There is a token {name} already: revoke it first, or choose another name.")
