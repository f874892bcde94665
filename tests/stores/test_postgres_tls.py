"""TLS to PostgreSQL, by the parameters of libpq in the store's URL; what answers TLS stands before a real server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamtask.ledger.ids import ListId
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import ListRecord, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # PostgreSQL's protocol, "SSLRequest"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make certificates, each signed by itself: one for localhost, and one of a stranger."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("localhost", "stranger"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")),
                *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            ],
            check=True,
            capture_output=True,
        )
    return folder


class TlsDoor:
    """Speaks TLS with whoever comes, and plainly with the server at a port of loopback."""

    def __init__(self, certificates: Path, to: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / "localhost.crt", certificates / "localhost.key")
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.encrypted = 0
        self._serving = [threading.Thread(target=self._accept, daemon=True)]
        self._serving[0].start()

    def close(self) -> None:
        """Take nobody any more, and wait until everybody has gone: whoever came has closed his end by now."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._serving:  # the first one adds no others once it has ended
            thread.join(30)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _address = self._listening.accept()
                self._serving.append(threading.Thread(target=self._serve, args=(plain,), daemon=True))
                self._serving[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            if plain.recv(8) != SSL_REQUEST:
                return
            plain.sendall(b"S")
            with (
                self._context.wrap_socket(plain, server_side=True) as near,
                socket.create_connection(("127.0.0.1", self._to)) as far,
            ):
                self.encrypted += 1
                back = threading.Thread(target=_pass, args=(far, near), daemon=True)
                back.start()
                _pass(near, far)
                back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def door(postgres_url: str, certificates: Path) -> Iterator[TlsDoor]:
    port = int(postgres_url.rpartition(":")[2].partition("/")[0])
    with closing(TlsDoor(certificates, port)) as door:
        yield door


def url_of(door: TlsDoor, certificates: Path, trusted: str, host: str = "localhost") -> str:
    tls = f"sslmode=verify-full&sslrootcert={certificates}/{trusted}.crt"
    return f"postgresql://teamtask@{host}:{door.port}/shared?{tls}"


def test_a_store_is_reached_through_tls_by_whoever_trusts_its_certificate(door: TlsDoor, certificates: Path) -> None:
    with closing(PostgresStore(url_of(door, certificates, "localhost"))) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
        with store.read() as reader:
            assert reader.list_named("a") is not None
        assert "sslmode=verify-full" in store.url
    assert door.encrypted > 0


@pytest.mark.parametrize(
    ("trusted", "host"), [("stranger", "localhost"), ("localhost", "127.0.0.1")], ids=["a stranger", "another name"]
)
def test_a_certificate_that_is_not_trusted_is_refused_with_the_reason(
    door: TlsDoor, certificates: Path, trusted: str, host: str
) -> None:
    with pytest.raises(StoreUnavailable, match="certificate") as refused:
        PostgresStore(url_of(door, certificates, trusted, host))
    assert refused.value.hint
