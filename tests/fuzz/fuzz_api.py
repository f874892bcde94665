"""`make fuzz`: has schemathesis call a real server as its OpenAPI document says, and as it does not; all checks.

`python tests/fuzz/fuzz_api.py --seconds 600`. Four fifths of the time the calls have a token, then none. At the end the
server must stop in good order, must not have failed inside, and `teamtask verify` must find its store sound.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TOKEN = "tt_the-admin-of-the-fuzzer"  # noqa: S105 - of a server that lives for a minute
PATIENCE_SECONDS = 60


class Came(NamedTuple):
    """What came of a run: whether every check held, how many calls were tried, and what schemathesis says."""

    held: bool
    cases: int
    said: str


class Served:
    """A server with a folder of its own; `with` starts it, and sees at the end that it was sound."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self._environment = {**os.environ, "XDG_STATE_HOME": str(self.folder), "TEAMTASK_ADMIN_TOKEN": TOKEN}
        self.log = self.folder / "server.log"
        command = [BIN / "teamtask", "serve", "--bind", "127.0.0.1:0", "--store", f"sqlite:{self.folder}/lists.sqlite"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        self.url = self._told_url()
        self._admin = self._admin_id()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        status = self._process.wait(PATIENCE_SECONDS)
        failed = [line for line in self.log.read_text(errors="replace").splitlines() if "request_failed" in line]
        command = [BIN / "teamtask", "verify", "--state", self.folder / "lists.sqlite"]
        verified = subprocess.run(command, capture_output=True, text=True, env=self._environment, check=False)
        self._folder.cleanup()
        if kind is None:
            assert status == 0, "the server stops in good order"
            assert failed == [], "nothing failed inside"
            assert verified.returncode == 0, verified.stdout + verified.stderr

    def _admin_id(self) -> str:
        """Give the id of the token of the fuzzer, which must not be revoked."""
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        connection.request("GET", "/v1/tokens?limit=1000", headers={"Authorization": f"Bearer {TOKEN}"})
        tokens = json.load(connection.getresponse())["items"]
        connection.close()
        return next(token["id"] for token in tokens if token["created_by"] == "server")

    def _told_url(self) -> str:
        while self._process.poll() is None:
            found = re.search(r" at (http://\S+)\n", self.log.read_text(errors="replace"))
            if found is not None:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(self.log.read_text(errors="replace"))

    def fuzz(self, *words: str, token: str | None) -> Came:
        """Run schemathesis with these words."""
        command = [
            BIN / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{self.url}/v1/openapi.json",
            *words,
        ]  # fmt: skip
        if token is not None:
            command += ["--header", f"Authorization: Bearer {token}"]
        told = {"SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "NO_PROXY": "127.0.0.1", "FUZZED_AS": self._admin}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | told,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        cases = re.search(r"([\d,]+) generated", done.stdout)
        number = int(cases[1].replace(",", "")) if cases else 0
        return Came(done.returncode == 0, number, done.stdout + done.stderr)


def main() -> int:
    """Fuzz, and print what came of it; the status is 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="in all (600)")
    seconds = parser.parse_args().seconds
    held = True
    with Served() as server:
        for name, token, share in (("with a token", TOKEN, 4), ("without a token", None, 1)):
            came = server.fuzz("--max-time", str(max(1, seconds * share // 5)), token=token)
            held = held and came.held
            print(f"API {name:16} {'held' if came.held else 'FAILED':6} {came.cases:>10,} cases", flush=True)
            if not came.held:
                print(came.said)
    return not held


if __name__ == "__main__":
    sys.exit(main())
