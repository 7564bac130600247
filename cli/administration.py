"""The sources and tokens of the store that the settings name, for commands: in a file or in a PostgreSQL database."""

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from trackd.cli.errors import CommandError
from trackd.cli.options import free_file, load_settings, store_flags
from trackd.config.settings import Settings
from trackd.core.documents import Login, Source, Token, TokenScope
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.tokens import Tokens


class Closing(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class AnySources(Closing, Protocol):
    """The methods of `Sources`."""

    def add(self, source: Source) -> Source: ...
    def add_first(self, source: Source) -> Source | None: ...
    def all(self) -> list[Source]: ...
    def get(self, source_id: str) -> Source: ...
    def edit(self, source_id: str, fields: Mapping[str, Any]) -> Source: ...
    def enable(self, source_id: str, enabled: bool) -> None: ...
    def remove(self, source_id: str) -> None: ...


class AnyTokens(Closing, Protocol):
    """The methods of `Tokens`."""

    def add(
        self,
        name: str,
        scopes: Iterable[TokenScope],
        expires: str | None = None,
        show: Callable[[str], None] = lambda secret: None,
    ) -> str: ...
    def all(self) -> list[Token]: ...
    def add_link(self, scope: TokenScope) -> str: ...
    def logins(self) -> list[Login]: ...
    def page(self) -> str: ...
    def put_page(self, url: str) -> None: ...
    def revoke(self, name: str) -> None: ...
    def ever_made(self) -> bool: ...


def open_sources(
    db: Path | None, store: str | None, config: Path | None, *, create: bool = False, read_only: bool = False
) -> AnySources:
    """The sources for a command with these options. Raises SettingsError, StoreError and CommandError."""
    settings = load_settings(config, **store_flags(db, store)).settings
    if settings.store.url:
        return sources_of(settings)
    return Sources(free_file(settings), create=create, read_only=read_only)


def open_tokens(
    db: Path | None, store: str | None, config: Path | None, *, create: bool = False, read_only: bool = False
) -> AnyTokens:
    """As `open_sources`."""
    settings = load_settings(config, **store_flags(db, store)).settings
    if settings.store.url:
        return tokens_of(settings)
    return Tokens(free_file(settings), create=create, read_only=read_only)


def sources_of(settings: Settings) -> AnySources:
    """The sources of the store of a server, which has been opened before."""
    if not settings.store.url:
        return Sources(settings.database.path)
    check_driver()
    from trackd.storage.postgres.sources import PostgresSources

    return PostgresSources(settings.store.url)


def tokens_of(settings: Settings) -> AnyTokens:
    """The tokens of the store of a server, which has been opened before."""
    if not settings.store.url:
        return Tokens(settings.database.path)
    check_driver()
    from trackd.storage.postgres.tokens import PostgresTokens

    return PostgresTokens(settings.store.url)


def check_driver() -> None:
    """Raises CommandError when the driver for PostgreSQL is not installed."""
    if find_spec("psycopg") is None:
        raise CommandError("A store on PostgreSQL needs psycopg: install trackd[postgres].")
