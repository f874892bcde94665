"""`teamtask serve`: the web API over an embedded store, with an admin token that is made on the first start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from teamtask.cli.output import say
from teamtask.cli.run_options import BindType
from teamtask.settings import (
    BIND,
    DEFAULT_BIND,
    LOG_FORMAT,
    LOG_LEVEL,
    STORE,
    admin_token,
    admin_token_is_given,
    default_store,
    forget_server,
    remember_server,
)
from teamtask.telemetry import FORMATS, LEVELS, set_up_logs

if TYPE_CHECKING:
    from teamtask.settings import Bind


@click.command(short_help="Serve lists to workers on any machine.")
@click.option(
    "--store",
    envvar=STORE,
    metavar="URL",
    help="Where the lists lie: sqlite:///FILE, postgresql://USER@HOST/DATABASE or memory:. By default a file of this "
    f"user.  [${STORE}]",
)
@click.option(
    "--bind",
    envvar=BIND,
    type=BindType(),
    default=DEFAULT_BIND,
    metavar="HOST:PORT",
    help=f"Where to listen; {DEFAULT_BIND} by default, port 0 takes any that is free.  [${BIND}]",
)
@click.option("--log-level", envvar=LOG_LEVEL, type=click.Choice(LEVELS), default="info", help=f"[${LOG_LEVEL}]")
@click.option("--log-format", envvar=LOG_FORMAT, type=click.Choice(FORMATS), default="text", help=f"[${LOG_FORMAT}]")
def serve(*, store: str | None, bind: Bind, log_level: str, log_format: str) -> None:
    """Serve lists to workers on any machine, until Ctrl-C or SIGTERM.

    The first start makes an admin token, which only you can read and which `teamtask` on this machine finds by itself.
    $TEAMTASK_ADMIN_TOKEN sets it instead, for containers. Without TLS nothing but loopback is safe: put nginx or Caddy
    before it.

    \b
    Examples:
      teamtask serve
      teamtask serve --store sqlite:///var/lib/teamtask/lists.sqlite --bind 127.0.0.1:9000
      teamtask serve --store postgresql://teamtask@db.example/teamtask?sslmode=verify-full
      teamtask serve --bind 0.0.0.0:8080 --log-format json
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    from teamtask.server import Server, listen
    from teamtask.stores.moving import check_moved
    from teamtask.stores.open_store import open_store

    set_up_logs(log_level, log_format)
    listening = listen(bind)
    opened = open_store(store or default_store())
    try:
        check_moved(opened)
        server = Server(opened, admin_token(), given=admin_token_is_given())
        remembered: list[Bind] = []

        def begin(bound: Bind) -> None:
            remembered.append(bound)
            remember_server(bound)
            say(f"Serving {opened.url} at {bound.url}")
            if not bound.is_loopback:
                say("  Without TLS whoever can listen on the network reads tokens: put nginx or Caddy before it.")
            say(f"  On this machine `teamtask ls` finds it; elsewhere: --url {bound.url} --token TOKEN")
            say("  Ctrl-C stops it; nothing that was acknowledged is lost.")

        server.run(listening, begin)
        for bound in remembered:
            forget_server(bound)
    finally:
        opened.close()
