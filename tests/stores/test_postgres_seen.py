"""What a store remembers of its lists serves threads at once: each transaction goes by what it asked PostgreSQL for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamtask.ledger.ids import ListId
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import Journal, ListRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.stores.postgres.pool import Taken

LIST = ListId("a")


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """A store with a list of version 0, which it has seen."""
    with closing(PostgresStore(postgres_url)) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
            writer.append(LIST, 0, b"0")
        with store.write([LIST]) as writer:
            writer.journal(LIST, -1)
        yield store


def test_what_others_appended_in_between_is_no_answer_to_what_was_not_asked(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = store._pool.take

    def others_first(*, writes: bool) -> Taken:
        """Have another thread's transaction end after ours has decided what to ask for, and before it asks."""
        monkeypatch.undo()
        with store.write([LIST]) as writer:
            writer.append(LIST, 1, b"1")
            writer.put_snapshot(LIST, 1, b"state")
            writer.append(LIST, 2, b"2")
        return take(writes=writes)

    monkeypatch.setattr(store._pool, "take", others_first)
    with store.write([LIST]) as writer:
        assert writer.journal(LIST, 2) == Journal(None, [])
        assert writer.journal(LIST, 0) == Journal((1, b"state"), [(2, b"2")])


def test_what_others_forget_while_it_is_looked_up_is_asked_for_anew(store: PostgresStore) -> None:
    class Forgetful(dict[ListId, tuple[int, int]]):
        """Has another thread forget a list as soon as it is found."""

        def __contains__(self, key: object) -> bool:
            return super().__contains__(key) and self.pop(key, None) is not None  # type: ignore[call-overload]

    store._seen = Forgetful(store._seen)
    with store.write([LIST]) as writer:
        assert writer.journal(LIST, -1).rows == [(0, b"0")]
        writer.append(LIST, 1, b"1")
