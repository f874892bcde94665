"""Documents: small values by kind and key, put in one another's place, paged, and forgotten by their date."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.stores.store import DOCUMENT_BYTES_MAX, KEY_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.stores.store import Reader, Store, Writer

KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9)
_NUMBERS = count()


def put(store: Store, kind: str, *keys: str) -> None:
    """Put documents one after the other, each later than all before."""
    for key in keys:
        with store.write() as writer:
            before = latest(writer)
            while latest(writer) == before:
                writer.put_document(kind, key, b"of " + key.encode())


def latest(reader: Reader) -> float:
    return max((document.put_at for document in reader.every_document()), default=0.0)


def keys_of(store: Store, kind: str) -> list[str]:
    with store.read() as reader:
        return [key for key, _value in reader.documents(kind)]


def test_a_document_is_kept_by_kind_and_key_and_replaced_by_the_next(store: Store) -> None:
    value = bytes(range(256)) * 256
    assert len(value) == DOCUMENT_BYTES_MAX
    with store.write() as writer:
        writer.put_document("token", "a", b"old")
        writer.put_document("token", "a", value)
        writer.put_document("answer", "a", b"")
        assert writer.document("token", "a") == value
    with store.read() as reader:
        assert reader.document("token", "a") == value
        assert reader.document("answer", "a") == b""
        assert reader.document("token", "A") is None
        assert reader.document("Token", "a") is None
        assert reader.documents("token") == [("a", value)]
        assert reader.documents("nothing") == []


def test_a_document_is_deleted_once(store: Store) -> None:
    put(store, "token", "a", "b")
    with store.write() as writer:
        assert writer.delete_document("token", "a")
        assert not writer.delete_document("token", "a")
        assert not writer.delete_document("nothing", "b")
        assert writer.document("token", "a") is None
    assert keys_of(store, "token") == ["b"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(KEYS, min_size=1, max_size=8), after=st.just("") | KEYS, limit=st.integers(0, 5) | st.just(1 << 64))
def test_documents_come_by_key_in_order_of_code_points(store: Store, keys: set[str], after: str, limit: int) -> None:
    kind = str(next(_NUMBERS))
    with store.write() as writer:
        for key in keys:
            writer.put_document(kind, key, key.encode())
    with store.read() as reader:
        for start in ("", after, *keys):
            later = [(key, key.encode()) for key in sorted(keys) if key > start]
            assert reader.documents(kind, start) == later
            assert reader.documents(kind, start, limit) == later[:limit]


def test_every_document_of_every_kind_is_given_in_order(store: Store) -> None:
    names = [(kind, f"{key:03}") for kind in ("", "a", "b") for key in range(100)]
    with store.write() as writer:
        for kind, key in reversed(names):
            writer.put_document(kind, key, key.encode())
    with store.read() as reader:
        found = list(reader.every_document())
    assert [(kind, key) for kind, key, _value, _put_at in found] == names
    assert all(value == key.encode() for _kind, key, value, _put_at in found)


def test_the_oldest_documents_of_a_kind_are_forgotten_first_and_few_at_a_time(store: Store) -> None:
    put(store, "answer", "c", "a", "d", "b")
    put(store, "token", "z")
    put(store, "answer", "c")  # put again, it is the youngest
    with store.read() as reader:
        dates = {document.key: document.put_at for document in reader.every_document()}
    with store.write() as writer:
        assert writer.forget_documents("answer", dates["a"], 9) == 0
        assert writer.forget_documents("answer", dates["c"], 0) == 0
        assert writer.forget_documents("answer", dates["c"], 2) == 2
    assert keys_of(store, "answer") == ["b", "c"]
    with store.write() as writer:
        assert writer.forget_documents("answer", dates["c"], 2) == 1
        assert writer.forget_documents("answer", math.inf, 1 << 64) == 1
        assert writer.forget_documents("nothing", math.inf, 9) == 0
    assert keys_of(store, "answer") == []
    assert keys_of(store, "token") == ["z"]


def test_what_a_transaction_put_is_gone_when_it_fails_and_unseen_before_it_ends(store: Store) -> None:
    put(store, "token", "a")

    def fails() -> None:
        with store.write() as writer:
            writer.put_document("token", "b", b"")
            writer.delete_document("token", "a")
            with store.read() as reader:
                assert [key for key, _value in reader.documents("token")] == ["a"]
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert keys_of(store, "token") == ["a"]


def test_a_reader_sees_the_documents_of_one_moment(store: Store) -> None:
    put(store, "token", "a")
    with store.read() as reader:
        put(store, "token", "b")
        with store.write() as writer:
            writer.delete_document("token", "a")
        assert [key for key, _value in reader.documents("token")] == ["a"]
        assert [document.key for document in reader.every_document()] == ["a"]
    assert keys_of(store, "token") == ["b"]


REFUSED: dict[str, tuple[type[Exception], str, str]] = {
    "NUL": (InvalidField, "token", "a\0b"),
    "surrogate": (InvalidField, "\ud800", "a"),
    "no key": (InvalidField, "token", ""),
    "long kind": (TooMany, "k" * (KEY_BYTES_MAX + 1), "a"),
    "long key": (TooMany, "token", "k" * (KEY_BYTES_MAX + 1)),
    "key of many bytes": (TooMany, "token", "\N{WAVING HAND SIGN}" * (KEY_BYTES_MAX // 4 + 1)),
}
USES: dict[str, Callable[[Writer, str, str], object]] = {
    "put_document": lambda writer, kind, key: writer.put_document(kind, key, b""),
    "delete_document": lambda writer, kind, key: writer.delete_document(kind, key),
    "document": lambda writer, kind, key: writer.document(kind, key),
}


@pytest.mark.parametrize(("refusal", "kind", "key"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_no_document_has_for_a_name_is_refused_and_the_transaction_goes_on(
    store: Store, use: Callable[[Writer, str, str], object], refusal: type[Exception], kind: str, key: str
) -> None:
    with store.write() as writer:
        with pytest.raises(refusal):
            use(writer, kind, key)
        writer.put_document("k" * KEY_BYTES_MAX, "\N{WAVING HAND SIGN}" * (KEY_BYTES_MAX // 4), b"fits")
    with store.read() as reader:
        assert [document.value for document in reader.every_document()] == [b"fits"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
def test_what_is_no_text_is_no_kind_and_no_place_to_go_on_from(store: Store, text: str) -> None:
    with store.write() as writer:
        for use in (
            lambda: writer.documents(text),
            lambda: writer.documents("token", text),
            lambda: writer.forget_documents(text, 0.0, 1),
        ):
            with pytest.raises(InvalidField):
                use()
        writer.put_document("token", "a", b"")
    assert keys_of(store, "token") == ["a"]


def test_a_document_that_is_too_long_is_refused_and_the_old_one_stays(store: Store) -> None:
    with store.write() as writer:
        writer.put_document("token", "a", b"old")
        with pytest.raises(TooMany):
            writer.put_document("token", "a", bytes(DOCUMENT_BYTES_MAX + 1))
    with store.read() as reader:
        assert reader.document("token", "a") == b"old"
