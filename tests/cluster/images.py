"""The images of the test cluster: made here, as there is no registry, and handed to its containerd.

An image is an archive under `.cluster/images`, which stays there until what it is made of changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from files import SOCKETS, STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ARCHIVES = Path(__file__).parents[2] / ".cluster" / "images"
MAKING = "making-"
PAUSE = "teamtask.io/pause:1"
PAUSE_SOURCE = Path(__file__).with_name("pause.c")
BASE = "teamtask.io/base:1"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUITE = "bookworm"
BASE_PACKAGES = ("ca-certificates", "python3", "python3-venv")
NOT_IN_AN_IMAGE = ("dev/*", "etc/hostname", "etc/resolv.conf", "var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*")
CONTAINERD = f"{SOCKETS}/containerd.sock"
IMPORTED = STATE / "images"


class ImageError(Exception):
    """An image could not be made: by what, and the end of what that said."""

    def __init__(self, program: str, said: str) -> None:
        super().__init__(f"{program} could not make an image. The end of what it said:\n{said[-2000:]}")


def load() -> None:
    """Give the cluster's containerd the images that every pod needs, made if they are not there."""
    import_all([pause(), base()])


def pause() -> Path:
    """Give the archive of the image that holds a pod's namespaces."""
    archive = archive_of("pause", PAUSE_SOURCE.read_bytes())
    if not archive.exists():
        with folder_to_make_in() as folder:
            program = folder / "root" / "pause"
            program.parent.mkdir()
            subprocess.run(["cc", "-static", "-Os", "-s", "-o", program, PAUSE_SOURCE], check=True)
            _write_archive(archive, PAUSE, program.parent, {"Entrypoint": ["/pause"]})
    return archive


def base() -> Path:
    """Give the archive of a small Debian with its Python, which other images are built on: a minute the first time."""
    recipe = json.dumps([SUITE, BASE_PACKAGES, NOT_IN_AN_IMAGE]).encode()
    archive = archive_of("base", recipe)
    if not archive.exists():
        print(f"making {BASE} of Debian's packages (a minute the first time)", file=sys.stderr)
        with folder_to_make_in() as folder:
            root = folder / "root"
            _debootstrap(root)
            _write_archive(archive, BASE, root, {"Cmd": ["/bin/sh"], "Env": [f"PATH={PATH}"]})
    return archive


def archive_of(name: str, recipe: bytes) -> Path:
    """Give where the archive of an image stands that is made of this; those made of something else go."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    archive = ARCHIVES / f"{name}-{hashlib.sha256(recipe).hexdigest()[:16]}.tar"
    for other in ARCHIVES.glob(f"{name}-*.tar"):
        if other != archive:
            other.unlink()
    return archive


def import_all(archives: Iterable[Path]) -> None:
    """Give images to the cluster's containerd, but for those that it was given before."""
    IMPORTED.mkdir(exist_ok=True)
    for archive in archives:
        if not (IMPORTED / archive.name).exists():
            _ctr("import", archive)
            (IMPORTED / archive.name).touch()


def tag(image: str, name: str) -> None:
    """Give an image that the cluster has another name too."""
    _ctr("tag", "--force", image, name)


def _ctr(*arguments: str | Path) -> None:
    command = ["ctr", "--address", CONTAINERD, "--namespace", "k8s.io", "images", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def folder_to_make_in() -> Iterator[Path]:
    """Give a folder that goes at the end: on the disk of the archives, so that a rename is enough."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ARCHIVES, prefix=MAKING) as folder:
        yield Path(folder)


def remove_unfinished() -> None:
    """Remove what a build left that was killed."""
    for folder in ARCHIVES.glob(f"{MAKING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _debootstrap(root: Path) -> None:
    # What it mounts goes with a namespace of its own.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"]
    with (root.parent / "log").open("wb") as log:
        done = subprocess.run([*command, SUITE, root, *_mirror()], stdout=log, stderr=log, check=False)
    if done.returncode:
        raise ImageError("debootstrap", (root.parent / "log").read_text())


def _mirror() -> list[str]:
    """Give where this machine's apt has the suite from; where that says nothing, debootstrap knows a place."""
    only = ["Created-By: Packages", "Label: Debian", f"Codename: {SUITE}"]
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *only]
    return subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False).stdout.split()[:1]


def _write_archive(archive: Path, name: str, root: Path, config: dict[str, list[str]]) -> None:
    """Write a folder as an image of one layer, in the form of `docker save`."""
    layer = root.with_name("layer.tar")
    leave_out = [f"--exclude=./{path}" for path in NOT_IN_AN_IMAGE]
    subprocess.run(["tar", "--numeric-owner", *leave_out, "-C", root, "-cf", layer, "."], check=True)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    filesystem = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    history = [{"created": "1970-01-01T00:00:00Z", "created_by": "tests/cluster/images.py"}]
    image = {"architecture": machine, "os": "linux", "config": config, "rootfs": filesystem, "history": history}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    making = root.with_name("image.tar")
    with tarfile.open(making, "w") as tar:
        for path, value in (("config.json", image), ("manifest.json", manifest)):
            content = json.dumps(value).encode()
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        tar.add(layer, "layer.tar")
    making.rename(archive)
