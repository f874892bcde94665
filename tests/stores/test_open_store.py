"""URLs of stores: those that are known open one, the others are refused with those that are known."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.ids import ListId
from teamtask.stores.memory import MemoryStore
from teamtask.stores.open_store import open_store
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import ListRecord


def test_each_memory_store_is_a_new_one() -> None:
    one, other = open_store("memory:"), open_store("memory:")
    assert isinstance(one, MemoryStore)
    assert one.url == "memory:"
    with one.write() as writer:
        writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
    with other.read() as reader:
        assert reader.lists() == []


@pytest.mark.parametrize("url", ["sqlite:state", "sqlite:./state", "sqlite://{folder}/state", "sqlite:{folder}/state"])
def test_a_sqlite_url_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(open_store(url.format(folder=tmp_path))) as store:
        assert isinstance(store, SqliteStore)
        assert Path(store.path).resolve() == tmp_path.resolve() / "state"
        monkeypatch.chdir("/")
        with closing(open_store(store.url)) as again, store.write() as writer, again.read() as reader:
            writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
            assert reader.lists() == []
        with closing(open_store(store.url)) as again, again.read() as reader:
            assert len(reader.lists()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory:x",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite://host/file",
        "mysql://x",
        "/srv/state",
        "état:",
        "postgresql",
        "postgresql:database",
    ],
)
def test_any_other_url_is_refused_with_those_that_are_known(url: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        open_store(url)
    assert refusal.value.field == "store"
    for known in ("sqlite:///", "memory:", "postgresql://"):
        assert known in str(refusal.value.hint)


def test_without_psycopg_a_url_of_postgresql_says_what_to_install() -> None:
    code = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "psycopg":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from teamtask.ledger.errors import InvalidField
from teamtask.stores.open_store import open_store

open_store("memory:").close()
try:
    open_store("postgresql://127.0.0.1/teamtask")
except InvalidField as error:
    assert error.field == "store"
    print(error.hint)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "pip install 'teamtask[postgres]'\n"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_postgresql_url_names_a_database_and_shows_no_password(postgres_url: str, scheme: str) -> None:
    url = postgres_url.replace("postgresql://teamtask@", f"{scheme}://teamtask:s3cret@")
    with closing(open_store(url)) as store:
        assert store.url == postgres_url.replace("postgresql:", f"{scheme}:")
        with store.write() as writer:
            writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
    with closing(open_store(postgres_url)) as again, again.read() as reader:
        assert [found.name for found in reader.lists()] == ["a"]
