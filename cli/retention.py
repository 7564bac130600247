"""`trackd retention`: confirm the clock that the retention follows."""

from datetime import UTC, datetime

import typer

from trackd.cli.administration import check_driver
from trackd.cli.options import ConfigFile, DatabaseFile, StoreUrl, settings_of_store
from trackd.cli.output import report
from trackd.storage.sqlite.clock_confirmation import confirm as confirm_clock

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Confirm the clock by which old data is deleted, also while the server runs.",
)


@app.callback()
def group() -> None:
    """Without it typer would make `confirm` the command itself."""


@app.command()
def confirm(db: DatabaseFile = None, store: StoreUrl = None, config: ConfigFile = None) -> None:
    """Confirm that this machine's clock is right, so that a stopped retention goes on by it."""
    settings, now = settings_of_store(db, store, config), datetime.now(UTC)
    if settings.store.url:
        check_driver()
        from trackd.storage.postgres.clock_confirmation import confirm as confirm_in_database

        stop = confirm_in_database(settings.store.url, now)
    else:
        stop = confirm_clock(settings.database.path, now)
    state = "the retention goes on" if stop.after else "the retention was not stopped"
    report(f"Confirmed the clock, it is {now:%Y-%m-%d %H:%M:%S} UTC: {state}.")
