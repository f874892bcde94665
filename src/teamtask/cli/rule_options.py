"""The flags that say how a list is worked and who may see it, shared by `create` and `set`; and what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from teamtask.access import EVERYONE, ROLES
from teamtask.cli.run_options import Seconds
from teamtask.ledger.rules import Limits
from teamtask.wire.views import wire_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

NONE: Final = "none"
_LIMITS: Final = {
    "blocks_per_worker": "N leases that one worker may hold.",
    "blocks_per_principal": "N leases of all workers of one principal.",
    "workers_per_principal": "N workers of one principal.",
    "workers": "N workers in all.",
    "items_per_second": "N items handed out a second, or none.",
    "parked": "N parked items; beyond that the list pauses itself.",
}


class OrNone(click.ParamType[Any]):
    """A value of another type, or the word none."""

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self.kind = kind
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Read a value; `none` stays what it is."""
        return value if value == NONE else self.kind.convert(value, param, ctx)


def rule_options(command: Decorated) -> Decorated:
    """Add the flags; `fields_of_flags` and `access_of_flags` turn their values into fields of the API."""
    for option in reversed(_OPTIONS + _ACCESS_OPTIONS):
        command = option(command)
    return command


def fields_of_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a list that were given, as the API takes them. Raises UsageError."""
    size, seconds, most = flags["block_size"], flags["block_seconds"], flags["block_max"]
    if size is not None and (seconds is not None or most is not None):
        raise click.UsageError("--block-size is always so many items; leave it, or --block-seconds and --block-max.")
    block = {
        "size": None if size is None else wire_integer(size),
        "seconds": seconds,
        "max": None if most is None else wire_integer(most),
    }
    stop = flags["stop_after_results"]
    fields = {
        "block": _given(block),
        "lease_seconds": flags["lease_seconds"],
        "attempts": flags["attempts"],
        "item_seconds": flags["item_seconds"],
        "stop_after_results": wire_integer(stop) if isinstance(stop, int) else stop,
        "limits": _cleared(_given({name: flags[f"limit_{name}"] for name in _LIMITS})),
        "priority": flags["priority"],
        "weight": flags["weight"],
    }
    return _cleared({name: value for name, value in _given(fields).items() if value != {}})


def access_of_flags(
    flags: Mapping[str, Any], labels: Mapping[str, str], roles: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Give labels and roles with what the flags change of them; what they do not touch is left out."""
    fields: dict[str, Any] = {}
    if flags["labels"]:
        merged = dict(labels)
        for text in flags["labels"]:
            name, equals, value = text.partition("=")
            if not equals:
                raise click.UsageError(f"--label takes NAME=VALUE, or NAME= to take it away, not {text!r:.80}.")
            merged[name] = value
        fields["labels"] = {name: value for name, value in merged.items() if value}
    revoked = flags.get("revoke", ())
    for who in (who for role in ROLES for who in flags[role]):
        if ":" not in who and who != EVERYONE:
            raise click.UsageError(f"{who!r:.80} is nobody: write token:NAME, group:NAME or everyone.")
    if revoked or any(flags[role] for role in ROLES):
        merged_roles = {role: [*roles.get(role, ()), *flags[role]] for role in ROLES}
        held = {role: [who for who in dict.fromkeys(them) if who not in revoked] for role, them in merged_roles.items()}
        fields["roles"] = {role: them for role, them in held.items() if them}
    return fields


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _cleared(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == NONE else value for name, value in values.items()}


def _limit_option(name: str, text: str) -> Callable[[Decorated], Decorated]:
    kind = OrNone(click.FLOAT) if name == "items_per_second" else click.INT
    flag = f"--limit-{name.replace('_', '-')}"
    usual = getattr(Limits(), name)
    return click.option(flag, type=kind, metavar="N", help=text if usual is None else f"{text}  [{usual:,}]")


_OPTIONS = [
    click.option("--block-size", type=click.INT, metavar="N", help="Blocks of N items, always."),
    click.option(
        "--block-seconds",
        type=Seconds(0, min_open=True),
        metavar="S",
        help="Blocks that take a worker about S seconds.  [30]",
    ),
    click.option("--block-max", type=click.INT, metavar="N", help="With --block-seconds: N items at most."),
    click.option(
        "--lease-seconds",
        type=Seconds(0, min_open=True),
        metavar="S",
        help="A worker that is silent for S loses it.  [60]",
    ),
    click.option("--attempts", type=click.INT, metavar="N", help="Set an item aside that failed N workers.  [3]"),
    click.option(
        "--item-seconds",
        type=OrNone(Seconds(0, min_open=True)),
        metavar="S",
        help="Wait no longer for an item; or none.",
    ),
    click.option("--stop-after-results", type=OrNone(click.INT), metavar="N", help="N results are enough, or none."),
    click.option("--priority", type=click.INT, metavar="N", help="Workers of many lists take the highest first.  [0]"),
    click.option("--weight", type=click.FLOAT, metavar="X", help="The share beside others of its priority.  [1]"),
    *(_limit_option(name, text) for name, text in _LIMITS.items()),
]
_ACCESS_OPTIONS = [
    click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label; may be given again."),
    click.option("--owner", multiple=True, metavar="WHO", help="Who may change it: token:NAME, group:NAME, everyone."),
    click.option("--worker", multiple=True, metavar="WHO", help="Who may work on it."),
    click.option("--viewer", multiple=True, metavar="WHO", help="Who may see it."),
]
