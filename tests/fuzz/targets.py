"""`TARGETS`: every parser by name, as a function of any bytes that tells whether it took them.

What a parser takes has to come back: written and read again it is the same. What it does not take it refuses with a
TeamtaskError that has a sentence, and a field where somebody has sent it; the command line with click's UsageError.
Every other exception is a bug. tests/fuzz/test_parsers.py gives them some bytes, `make fuzz` very many.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click
import msgspec

from teamtask.access import Principal
from teamtask.cli.arguments import whole_number
from teamtask.cli.source_options import source_of_flags
from teamtask.cli.text import date_of
from teamtask.client.address import authorization, checked_url
from teamtask.client.answers import _seconds, _told, read_view
from teamtask.ledger.errors import InvalidField, InvalidSource, TeamtaskError, TooMany
from teamtask.ledger.events import Created, decode_events, encode_events
from teamtask.ledger.folds import check_fold, check_merged_fold
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.ledger import Ledger
from teamtask.ledger.list_state import ListState
from teamtask.ledger.snapshot import load_ledger, save_ledger
from teamtask.service.creating import changed_definition, changed_rules, made_list
from teamtask.service.definition import decode_definition, encode_definition
from teamtask.service.idempotency import Idempotency
from teamtask.service.tokens import _checked
from teamtask.settings import parse_bind
from teamtask.sources import source_from_definition
from teamtask.stores.index_key import index_key, index_of
from teamtask.stores.line_chunks import chunks_of, lines_in
from teamtask.wire.exchange_json import decode_exchange, decode_reply, decode_report, encode_exchange, encode_reply
from teamtask.wire.interval_text import interval_text, parse_intervals
from teamtask.wire.line_splitter import LineSplitter, NdjsonSplitter
from teamtask.wire.requests import (
    GrowBody,
    ListChange,
    NewList,
    NewToken,
    RerunBody,
    UnparkBody,
    check_name,
    decode_body,
)
from teamtask.wire.result_batch import PICKLE, from_payload, to_payload
from teamtask.wire.results_json import rows_of
from teamtask.wire.site_exchange_json import decode_site_exchange
from teamtask.wire.views import Worklist
from teamtask.worker.placeholders import compile_template, text_of
from teamtask.worker.slots import parse_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = (InvalidField, InvalidSource, TooMany)


def source(data: bytes) -> bool:
    """The definition of a source, as it stands in the body of a call."""
    try:
        definition = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return False
    found = source_from_definition(definition)
    for index in {0, found.size // 2, found.size - 1}:
        item = found.item(index)
        assert found.kind == "lines" or found.item(found.index_of(item)) == item
        assert next(iter(found.items(index, 1))) == item
        text_of(item)
    if found.kind != "lines":
        again = source_from_definition(json.loads(json.dumps(found.definition())))
        assert (again.size, again.fingerprint) == (found.size, found.fingerprint)
        assert again.item(again.size - 1) == found.item(found.size - 1)
    return True


def new_list(data: bytes) -> bool:
    """The body of a call that makes a list, up to what the store keeps of it."""
    made = made_list(decode_body(data, NewList), "somebody")
    assert decode_definition(encode_definition(made.definition)) == made.definition
    created = Created(made.rules, made.start, made.size, ListState.RUNNING, 0.0, "epoch")
    assert decode_events(encode_events([created])) == [created]
    text = save_ledger(Ledger(created))
    assert save_ledger(load_ledger(text)) == text
    return True


def list_change(data: bytes) -> bool:
    """The body of a call that changes a list."""
    body = decode_body(data, ListChange)
    made = made_list(NewList("a", {"kind": "range", "stop": 9}), "somebody")
    rules = changed_rules(made.rules, body)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=type(rules)) == rules
    definition = changed_definition(made.definition, body)
    assert decode_definition(encode_definition(definition)) == definition
    return True


def owners_call(data: bytes) -> bool:
    """The other bodies of owners: which one is the first byte's choice."""
    kind = (RerunBody, UnparkBody, GrowBody, NewToken)[data[0] % 4] if data else GrowBody
    body = decode_body(data[1:], kind)
    assert decode_body(msgspec.json.encode(body), kind) == body
    if isinstance(body, NewToken):
        _checked(body, "somebody")
    return True


def exchange(data: bytes) -> bool:
    """An exchange, as a worker sends it."""
    read = decode_exchange(data)
    assert decode_exchange(encode_exchange(read)) == read
    return True


def site_exchange(data: bytes) -> bool:
    """An exchange over all lists."""
    read = decode_site_exchange(data)
    assert len(read.lists) == len(read.exchange.reports)
    return True


def plain_report(data: bytes) -> bool:
    """A report of the lease that stands in the URL: up to the first NUL."""
    lease, _, body = data.partition(b"\0")
    read = decode_report(body, lease.decode("utf-8", "replace"))
    read.report(0, 100)
    return True


def reply(data: bytes) -> bool:
    """The answer to an exchange, as a worker hears it."""
    read = decode_reply(data)
    assert decode_reply(encode_reply(read)) == read
    return True


def error_answer(data: bytes) -> bool:
    """The headers and the body of a refusal, from whatever answers at the address of a server."""
    after, _, body = data.partition(b"\n")
    seconds = _seconds(after.decode("latin-1"))
    assert seconds is None or seconds >= 0
    told = _told(body)
    assert told is None or told["code"]
    return told is not None


def view(data: bytes) -> bool:
    """A list, as a client is shown it."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return False
    shown = read_view(told, Worklist)
    date_of(shown.created_at)
    return True


def fold(data: bytes) -> bool:
    """A rule and two values of it: what is checked can be merged, and stays a fold."""
    try:
        rule, one, other = msgspec.json.decode(data)
    except (ValueError, TypeError, RecursionError):
        return False
    made = made_list(NewList("a", {"kind": "range", "stop": 9}, fold=rule), "somebody")
    for value in (one, other):
        check_fold(made.rules.fold, value)
    check_merged_fold(made.rules.fold, one, other)
    return True


def events(data: bytes) -> bool:
    """The row of a journal."""
    read = decode_events(data)
    assert decode_events(encode_events(read)) == read
    return True


def snapshot(data: bytes) -> bool:
    """The snapshot of a ledger; of one that contradicts itself `teamtask verify` says so."""
    ledger = load_ledger(data)
    try:
        check_invariants(ledger)
    except AssertionError:
        return False
    text = save_ledger(ledger)
    assert save_ledger(load_ledger(text)) == text
    return True


def definition(data: bytes) -> bool:
    """What a list was created with, as the store keeps it."""
    read = decode_definition(data)
    assert decode_definition(encode_definition(read)) == read
    return True


def result_batch(data: bytes) -> bool:
    """The results of one report, as the store keeps them."""
    batch = from_payload(7, data)
    if batch.codec == PICKLE:  # whoever can write a pickle into the state file can do worse
        return False
    assert from_payload(7, to_payload(batch)) == batch
    found = list(batch.results())
    assert [result.index for result in found] == list(batch.indices())
    assert sum(stop - start for start, stop in batch.ranges()) == batch.count
    assert len(batch.failed_indices()) == len(batch.failed) == sum(not result.ok for result in found)
    assert len(rows_of(batch)) == batch.count
    return True


def stored_index(data: bytes) -> bool:
    """The key of an index, which the store turns into its own error."""
    try:
        index = index_of(data)
    except ValueError:
        return False
    if len(data) < 1_000:
        assert index_key(index) == data
    return True


def stored_lines(data: bytes) -> bool:
    """A chunk of lines; the first byte says how many there are to be."""
    lines = data[1:].split(b"|")
    kept = [line for count, chunk in chunks_of(lines) for line in lines_in(chunk, count, 0, count)]
    assert kept == lines
    try:
        lines_in(data[1:], data[0] if data else 0, 0, 1 << 20)
    except ValueError:
        return False
    return True


def intervals(data: bytes) -> bool:
    """The text of ranges, of a list that has 10 to 10^30."""
    read = parse_intervals(_text(data), 10, 10**30)
    assert parse_intervals(interval_text(read), 10, 10**30) == read
    return True


def template(data: bytes) -> bool:
    """A command line: a byte of choices, and words that end in NUL."""
    choices, words = data[:1] or b"\0", [os.fsdecode(word) for word in data[1:].split(b"\0")]
    bits = choices[0]
    compiled = compile_template(
        words,
        shell=bool(bits & 1),
        per_block=bool(bits & 2),
        columns=1 + (bits >> 2 & 3),
        fields=("axis", "1", "") if bits & 16 else (),
    )
    for item in ("a/b.c", 10**30, ["x", 2, None], {"axis": 1.5, "": "\ud800", "1": [True]}, words[0]):
        argv = compiled.expand(item, 7, 1, 5)
        assert argv
        assert all(isinstance(word, bytes) for word in argv)
    return True


def flags(data: bytes) -> bool:
    """The flags of sources on the command line: a byte says which, its values end in NUL."""
    kind, values = data[:1], [os.fsdecode(value) for value in data[1:].split(b"\0")]
    given: dict[str, Any] = dict.fromkeys(
        ("range_", "strings", "length", "permutations", "combinations", "choose", "axes", "mask", "shuffle")
    )
    names = (("range_",), ("strings", "length"), ("mask",), ("axes",))[kind[0] % 4 if kind else 0]
    if names == ("axes",):
        given["axes"] = tuple(values)
    else:
        given |= dict(zip(names, values, strict=False))
        given["shuffle"] = values[-1] if len(values) > len(names) else None
    found = source_of_flags(given)
    assert found is None or source_from_definition(found).size
    return found is not None


def lines(data: bytes) -> bool:
    """The lines of an upload, which are the same in whatever pieces they come."""
    for separator in (b"\n", b"\0"):
        whole, parts = LineSplitter(separator), LineSplitter(separator)
        found = whole.feed(data) + whole.finish()
        pieces = [line for at in range(0, len(data), 3) for line in parts.feed(data[at : at + 3])] + parts.finish()
        assert (pieces, parts.blank) == (found, whole.blank)
    texts = NdjsonSplitter()
    return len(texts.feed(data) + texts.finish()) > 0


def words(data: bytes) -> bool:
    """The short texts that people give: a byte says which."""
    text = _text(data[1:])
    _WORDS[data[0] % len(_WORDS) if data else 0](text)
    return True


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


_WORDS: tuple[Callable[[str], object], ...] = (
    check_name,
    checked_url,
    authorization,
    parse_bind,
    parse_jobs,
    date_of,
    lambda text: whole_number(text, "SIZE"),
    lambda text: Idempotency(Principal("somebody"), text, b""),
)

TARGETS: dict[str, Callable[[bytes], bool]] = {
    target.__name__: target
    for target in (
        source, new_list, list_change, owners_call, exchange, site_exchange, plain_report, reply, error_answer, view,
        fold, events, snapshot, definition, result_batch, stored_index, stored_lines, intervals, template, flags, lines,
        words,
    )
}  # fmt: skip


def taken(name: str, data: bytes) -> bool:
    """Give bytes to a parser; tell whether it took them. Raises whatever is a bug."""
    try:
        return TARGETS[name](data)
    except click.UsageError as error:
        refused(error.message)
    except TeamtaskError as error:
        refused(error.message, error.field if isinstance(error, REFUSED) else "none is needed")
    return False


def refused(sentence: str, field: str | None = "") -> None:
    """See that a refusal says why, and where."""
    assert sentence
    assert field is not None, sentence
