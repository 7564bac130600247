"""Every setting of trackd: its type, bounds, default and help in one place.

A setting is named `group.name`. In the file it is `name` in the table `[group]`, in the environment
`TRACKD_GROUP_NAME`. `load.py` merges the origins, and is the only reader of the environment.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from trackd.config.networks import ANY, networks
from trackd.config.store_url import StoreUrl
from trackd.config.unix_sockets import SocketMode, SocketPath

PLACEHOLDERS = "undefined, null, none, nan, true, false, [object Object], anonymous, guest, 0, -1"


def _joined(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


Words = Annotated[str, BeforeValidator(_joined)]
"""Texts separated by commas; a list of texts is taken too."""

ROOT_PATH = re.compile(r"(/[^/?#%\\\s]+)*")


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def no_boolean_as_number(cls, value: Any) -> Any:
        """`port = true` is a typo, although Python would take it as 1."""
        if isinstance(value, bool):
            raise ValueError("must not be true or false")
        return value


class Server(Group):
    host: Words = Field(
        "127.0.0.1",
        description="Addresses to listen on, comma-separated; 0.0.0.0 for all of IPv4, :: for all of IPv6.",
    )
    port: int = Field(8686, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    uds: SocketPath = Field("", description="Path of a Unix socket to listen on in place of host and port.")
    uds_mode: SocketMode = Field("0666", description="Who may connect to it, as the mode of its file.")
    trusted_proxies: Words = Field(
        "127.0.0.1, ::1",
        description="Addresses and networks of proxies whose X-Forwarded-For is used, comma-separated; * for any.",
    )
    cors_origins: Words = Field(
        "",
        description="Origins whose pages may use the endpoints that need a token, comma-separated.",
    )
    max_connections: int = Field(
        0, ge=0, le=10_000_000, description="Most open connections; 0: what the limit of open files allows, less 64."
    )
    root_path: str = Field(
        "",
        description="Path prefix that a proxy does not strip, such as /trackd; requests without it are answered too.",
    )
    keep_alive_s: int = Field(
        75, ge=1, le=86_400, description="A connection that is idle for longer after an answer is closed."
    )
    drain_ms: int = Field(
        500,
        ge=0,
        le=60_000,
        description="After SIGTERM: how long open connections get 503 before they are closed.",
    )
    stop_timeout_s: int = Field(10, ge=1, le=600, description="After SIGTERM: how long accepted calls may take.")

    @field_validator("host")
    @classmethod
    def at_least_one_host(cls, value: str) -> str:
        hosts = [part for part in map(str.strip, value.split(",")) if part]
        if not hosts:
            raise ValueError("must name an address, such as 127.0.0.1")
        return ", ".join(host.strip("[]") if ":" in host else host for host in hosts)

    @property
    def hosts(self) -> list[str]:
        return self.host.split(", ")

    @field_validator("trusted_proxies")
    @classmethod
    def any_proxy_or_networks(cls, value: str) -> str:
        if value.strip() != ANY:
            networks(value)
        return value

    @field_validator("root_path")
    @classmethod
    def path_without_last_slash(cls, value: str) -> str:
        path = value.strip().removesuffix("/")
        if not ROOT_PATH.fullmatch(path):
            raise ValueError("must be empty or a path such as /trackd")
        return path


class Database(Group):
    path: Path = Field(Path("trackd.db"), description="The SQLite file; created when it does not exist.")
    synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL", description="NORMAL is faster; a power failure may then undo the last answered calls."
    )


class Store(Group):
    url: StoreUrl = Field("", description="A PostgreSQL database in place of the SQLite file.")


class Limits(Group):
    max_body_bytes: int = Field(1_048_576, ge=1024, le=1 << 30, description="Largest body of a call, after decoding.")
    max_events: int = Field(1_000, ge=1, le=100_000, description="Most events in one call.")
    max_nesting: int = Field(64, ge=8, le=128, description="Deepest nesting of a call's JSON.")
    blocked_ids: Words = Field(
        PLACEHOLDERS,
        description="Ids that count as none, comma-separated, in any case; 0 stands for the nil UUID and the like too.",
    )
    max_session_bytes: int = Field(
        262_144, ge=1024, le=1 << 30, description="Largest context and properties of a session, as JSON."
    )
    max_profile_bytes: int = Field(262_144, ge=4096, le=1 << 30, description="Largest document of a profile, as JSON.")
    max_profile_counters: int = Field(1_000, ge=1, le=100_000, description="Most counters of a profile.")
    max_subscribers: int = Field(1_000, ge=1, le=100_000, description="Most feeds that are read at once; past it 503.")
    max_list_items: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="Most items of a list that a rule makes, and most keys of an object for a `.*` target.",
    )
    max_consent_history: int = Field(
        100, ge=1, le=10_000, description="Most entries in a profile's history of consents; the oldest are dropped."
    )
    max_call_work: int = Field(
        250_000_000,
        ge=100_000,
        le=1 << 40,
        description="Most work of one call, in units of about a nanosecond; past it 413, and nothing of it is stored.",
    )
    max_trace_bytes: int = Field(
        2_048,
        ge=0,
        le=1 << 20,
        description="Bytes for the rules that ran and the paths that they changed, stored with the event; 0: none.",
    )
    max_queued_calls: int = Field(10_000, ge=1, le=1_000_000, description="Calls waiting for the disk; past it 503.")
    max_queued_bytes: int = Field(
        67_108_864, ge=1024, le=1 << 40, description="Bytes of these calls, at least 200 for each event; past it 503."
    )
    max_arriving_bytes: int = Field(
        67_108_864,
        ge=1024,
        le=1 << 40,
        description="Bytes of incomplete or waiting requests and unread answers, the first 16 KiB of each connection "
        "aside; past it the connection with most is refused.",
    )
    client_calls_per_s: int = Field(
        500,
        ge=0,
        le=1_000_000,
        description="Calls of one client address, or IPv6 /64; those of 10 s at once, past it 429; 0 for no limit.",
    )
    client_events_per_s: int = Field(
        10_000, ge=0, le=100_000_000, description="Events of one client address, in the same way; 0 for no limit."
    )
    unlimited_clients: Words = Field(
        "127.0.0.1, ::1",
        description="Addresses and networks of clients without these two limits, comma-separated.",
    )
    request_timeout_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="A request still incomplete after it is answered 408; an unread answer is given up.",
    )
    call_timeout_s: int = Field(30, ge=1, le=3600, description="A call that waits longer for the disk is answered 503.")
    slow_commit_s: int = Field(
        3, ge=1, le=3600, description="While a commit has been under way for longer, /ready is answered 503."
    )
    read_timeout_s: int = Field(
        60, ge=1, le=3600, description="A list that the reader process has not read in that time is answered 503."
    )

    @field_validator("unlimited_clients")
    @classmethod
    def networks_of_clients(cls, value: str) -> str:
        networks(value)
        return value


class Rules(Group):
    path: str = Field("", description="The rules file; empty for the built-in rules.")
    apply_after_change: Literal["off", "on"] = Field(
        "off", description="on: after a change of its segments all profiles are evaluated again, in the background."
    )


class Actors(Group):
    max_active_profiles: int = Field(
        10_000,
        ge=1,
        le=10_000_000,
        description="Profiles kept in memory; past it the least recently used are evicted.",
    )
    max_cached_sessions: int = Field(
        50_000, ge=1, le=100_000_000, description="Sessions whose profile id is kept in memory."
    )
    max_document_bytes: int = Field(
        100_663_296,
        ge=1024,
        le=1 << 40,
        description="Documents of profiles and sessions kept in memory; past it they are evicted, large ones first.",
    )


class Sessions(Group):
    end_after_s: int = Field(
        0,
        ge=0,
        le=31_536_000,
        description="A call of a session after that much silence is a new visit; 0 counts one visit for each session.",
    )


class Retention(Group):
    events_keep_days: int = Field(
        0, ge=0, le=36_500, description="Events that arrived longer ago are deleted; 0 keeps them for ever."
    )
    sessions_keep_days: int = Field(
        0, ge=0, le=36_500, description="Sessions whose last call is longer ago are deleted; 0 keeps them for ever."
    )


class Refusals(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: int = Field(
        1_000,
        ge=0,
        le=100_000,
        description="The newest refusals, of calls and events that were not stored, that are kept; 0 for none.",
    )
    bodies: bool = Field(True, description="Whether the first 2 KiB of their bodies are kept too.")

    @field_validator("keep", mode="before")
    @classmethod
    def no_boolean_as_number(cls, value: Any) -> Any:
        return Group.no_boolean_as_number(value)


class Privacy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    user_agent: bool = Field(False, description="Keep the User-Agent header of calls, in the context of the session.")
    referrer: bool = Field(False, description="Keep the Referer header of calls, in the context of the session.")
    ip: Literal["full", "network", "none"] = Field(
        "full", description="What is stored and logged of clients' addresses; network: an IPv4 /24, an IPv6 /48."
    )


class Log(Group):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line shown.")
    format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, else JSON.")


class Ui(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Whether there is a live page below /ui/.")


def is_list(group: str, key: str) -> bool:
    """Whether the setting is a list of texts."""
    model = Settings.model_fields[group].annotation
    assert model is not None
    return any(isinstance(each, BeforeValidator) for each in model.model_fields[key].metadata)  # that of Words


class Settings(BaseModel):
    """All settings, by group. Frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Server = Field(default_factory=Server)
    database: Database = Field(default_factory=Database)
    store: Store = Field(default_factory=Store)
    limits: Limits = Field(default_factory=Limits)
    rules: Rules = Field(default_factory=Rules)
    actors: Actors = Field(default_factory=Actors)
    sessions: Sessions = Field(default_factory=Sessions)
    retention: Retention = Field(default_factory=Retention)
    refusals: Refusals = Field(default_factory=Refusals)
    privacy: Privacy = Field(default_factory=Privacy)
    log: Log = Field(default_factory=Log)
    ui: Ui = Field(default_factory=Ui)
