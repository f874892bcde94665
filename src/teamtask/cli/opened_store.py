"""`opened_store`: what a server keeps, by the URL that `teamtask serve --store` has."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from teamtask.cli.local_door import check_there
from teamtask.service.service import Service
from teamtask.stores.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Decorated = TypeVar("Decorated", bound=Callable[..., object])


def store_option(command: Decorated) -> Decorated:
    """Add the flag --store."""
    return click.option("--store", metavar="URL", help="All that a server keeps, by the URL of its --store.")(command)


@contextmanager
def opened_store(url: str) -> Iterator[Service]:
    """Open a store that there is. Raises NoSuchList for a file that is not there, and what opening it raises."""
    if url.startswith("sqlite:"):
        check_there(Path(url.removeprefix("sqlite:").removeprefix("//")))
    store = open_store(url)
    try:
        yield Service(store)
    finally:
        store.close()
