"""`teamtask crds` and `teamtask controller`: lists as objects of Kubernetes."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import TYPE_CHECKING

import click

from teamtask.cli.output import say
from teamtask.cli.run_options import BindType
from teamtask.controller.write_budget import LIST_WRITES_PER_SECOND, RATE_MIN, WRITES_PER_SECOND
from teamtask.settings import LOG_FORMAT, LOG_LEVEL
from teamtask.telemetry import FORMATS, LEVELS, set_up_logs

if TYPE_CHECKING:
    from types import FrameType

    from teamtask.controller.observed import ListKey
    from teamtask.settings import Bind


@click.command(short_help="Print what a Kubernetes cluster has to know.")
def crds() -> None:
    """Print what a cluster has to know of Teamtask, as one JSON document.

    These are the definitions of Worklist and Block, what the API server is to refuse, and roles for controller,
    workers, editors and viewers.

    \b
    Examples:
      teamtask crds | kubectl apply -f -
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    from teamtask.kube.crds import definitions
    from teamtask.kube.policies import policies
    from teamtask.kube.roles import roles

    document = {"apiVersion": "v1", "kind": "List", "items": [*definitions(), *policies(), *roles()]}
    click.echo(json.dumps(document, indent=2))


@click.command(short_help="Hand out the Worklists of a Kubernetes cluster.")
@click.option(
    "--context", metavar="NAME", help="The context of the kubeconfig; by default the current one, or the pod's."
)
@click.option("--namespace", metavar="NAME", help="Only the lists of this namespace; by default of all.")
@click.option(
    "--lease-namespace",
    metavar="NAME",
    help="Where the Lease is that says which of several controllers acts; by default --namespace, or `default`. "
    "Controllers whose namespaces overlap need the same.",
)
@click.option(
    "--writes-per-second",
    metavar="N",
    type=click.FloatRange(RATE_MIN, 10_000),
    default=WRITES_PER_SECOND,
    show_default=True,
    help="What all lists together may cost the API server, the workers' reports included.",
)
@click.option(
    "--list-writes-per-second",
    metavar="N",
    type=click.FloatRange(RATE_MIN, 10_000),
    default=LIST_WRITES_PER_SECOND,
    show_default=True,
    help="The same for one list: blocks are made larger, or several are handed out at once, to stay within it.",
)
@click.option(
    "--metrics-bind",
    type=BindType(),
    metavar="HOST:PORT",
    help="Answer /metrics, for Prometheus, and /healthz there, without credentials; by default nowhere.",
)
@click.option("--log-level", envvar=LOG_LEVEL, type=click.Choice(LEVELS), default="info", help=f"[${LOG_LEVEL}]")
@click.option("--log-format", envvar=LOG_FORMAT, type=click.Choice(FORMATS), default="text", help=f"[${LOG_FORMAT}]")
def controller(
    *,
    context: str | None,
    namespace: str | None,
    lease_namespace: str | None,
    writes_per_second: float,
    list_writes_per_second: float,
    metrics_bind: Bind | None,
    log_level: str,
    log_format: str,
) -> None:
    """Hand out the Worklists of a Kubernetes cluster to whoever makes Blocks, until Ctrl-C or SIGTERM.

    It keeps nothing of its own: all of it is in the objects, which `teamtask crds` defines. Start it twice, and one
    stands by until the other ends.

    \b
    Examples:
      teamtask controller
      teamtask controller --context test --namespace primes
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    set_up_logs(log_level, log_format)
    rates = list_writes_per_second, writes_per_second
    _control(context, namespace, lease_namespace or namespace or "default", rates, metrics_bind)


def _control(
    context: str | None, namespace: str | None, lease_namespace: str, rates: tuple[float, float], bind: Bind | None
) -> None:
    from socket import gethostname
    from uuid import uuid4

    from teamtask.controller.controller import Controller
    from teamtask.controller.leadership import Leadership
    from teamtask.controller.write_budget import WriteBudget
    from teamtask.kube.api_server import ApiServer
    from teamtask.server import listen

    listening = None if bind is None else listen(bind)
    server = ApiServer(context)
    leadership = Leadership(server, lease_namespace, f"{gethostname()}_{uuid4()}")
    budget: WriteBudget[ListKey] = WriteBudget(*rates, time.monotonic())
    running = Controller(server, namespace, leadership, budget)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=running.stop).start()  # a signal may come while the lock is held that this takes

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    say("Watching Worklists and Blocks" + (f" in {namespace}" if namespace else " in all namespaces"))
    if bind is not None and listening is not None:
        running.metrics.serve(listening)
        address = bind._replace(port=listening.getsockname()[1])
        say(f"Metrics at {address.url}/metrics")
    running.run()
