"""Teamtask's own image for the test cluster: deploy/Dockerfile, built by buildah without a daemon and handed over.

What the build has made is kept in a store beside the archives, so that a change of the code takes seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import images

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
MADE_OF = ("constraints.txt", "pyproject.toml", "README.md", "scripts/make-venv", "scripts/uv", "deploy/Dockerfile")
STORE = images.ARCHIVES / "store"
STORE_BYTES_MAX = 3_000_000_000
# What buildah mounts goes with the namespace, and what it would leave in a folder of the machine's.
IN_A_NAMESPACE = 'c=/var/lib/containers; mkdir -p $c && mount -t tmpfs tmpfs $c && exec "$0" "$@"'
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


def load() -> str:
    """Give the cluster the image of this tree, built if it is not there; give its name."""
    with _alone():
        made = archive()
        name = f"teamtask.io/teamtask:{made.stem.removeprefix('teamtask-')}"
        if not made.exists():
            _build(made, name)
        images.import_all([made])
    return name


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two builds of a tree do not run at once."""
    images.ARCHIVES.mkdir(parents=True, exist_ok=True)
    with (images.ARCHIVES / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def archive() -> Path:
    """Give where the archive of this tree's image stands: another tree has another one."""
    paths = [*(ROOT / name for name in MADE_OF), *(ROOT / "src").rglob("*")]
    recipe = [images.base().name.encode()]
    for path in sorted(path for path in paths if path.is_file() and path.parent.name != "__pycache__"):
        recipe += [str(path.relative_to(ROOT)).encode(), path.read_bytes()]
    return images.archive_of("teamtask", b"\0".join(recipe))


def _build(into: Path, name: str) -> None:
    if not shutil.which("buildah"):
        raise images.ImageError("buildah", "it is not installed: apt-get install buildah")
    print(f"building {name} (a minute the first time)", file=sys.stderr)
    _trim_store()
    with images.folder_to_make_in() as folder:
        made = folder / "image.tar"
        command = ["unshare", "--mount", "sh", "-c", IN_A_NAMESPACE, "buildah"]
        command += [f"--root={STORE}/layers", f"--runroot={STORE}/run"]
        command += ["--storage-driver", "overlay", "bud", "--isolation", "chroot", "--layers", *_secrets(folder)]
        command += ["--build-arg", f"BASE=docker-archive:{images.base()}", "--file", DOCKERFILE]
        done = subprocess.run(
            [*command, "--tag", f"docker-archive:{made}:{name}", ROOT],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise images.ImageError("buildah", done.stdout)
        made.rename(into)


def _trim_store() -> None:
    """Begin the store anew where builds of many changes have filled it."""
    if sum(path.lstat().st_size for path in STORE.rglob("*")) > STORE_BYTES_MAX:
        shutil.rmtree(STORE)


def _secrets(folder: Path) -> list[str]:
    """Hand on whom this machine trusts, and where its pip finds packages."""
    secrets = []
    given = [os.environ[name] for name in CERTIFICATES if os.environ.get(name)]
    found = [path for path in (*given, "/etc/ssl/certs/ca-certificates.crt") if Path(path).is_file()]
    if found:
        secrets.append(f"--secret=id=certificates,src={found[0]}")
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or told
    if index:
        (folder / "pip.conf").write_text(f"[global]\nindex-url = {index}\n")
        secrets.append(f"--secret=id=pip.conf,src={folder}/pip.conf")
    return secrets
