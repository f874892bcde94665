"""The wheel and the sdist, built and installed into empty environments as users do it, work there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import teamtask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
UV = ROOT / "scripts" / "uv"


def run(*command: str | Path, cwd: Path = ROOT, **environment: str | Path) -> str:
    """Run a command as in a fresh shell, outside of this virtual environment; return what it prints."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=inherited | {name: str(value) for name, value in environment.items()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


def install_by_pip(package: Path, home: Path) -> Path:
    run(UV, "venv", "--quiet", "--seed", "--python", sys.executable, home)
    run(home / "bin" / "python", "-m", "pip", "install", "--quiet", package)
    return home / "bin" / "teamtask"


def install_by_uv_tool(package: Path, home: Path) -> Path:
    run(
        *(UV, "tool", "install", "--quiet", "--python", sys.executable, package),
        UV_TOOL_DIR=home / "tools",
        UV_TOOL_BIN_DIR=home / "bin",
    )
    return home / "bin" / "teamtask"


def install_by_pipx(package: Path, home: Path) -> Path:
    # pipx takes pip where Python has ensurepip (Debian may lack it), else the uv beside it.
    backend = "pip" if find_spec("ensurepip") else "uv"
    run(
        *(sys.executable, "-m", "pipx", "install", "--quiet", "--backend", backend, package),
        PIPX_HOME=home / "pipx",
        PIPX_BIN_DIR=home / "bin",
        PIPX_MAN_DIR=home / "man",
        PIPX_COMPLETION_DIR=home / "completion",
    )
    return home / "bin" / "teamtask"


INSTALLERS: dict[str, Callable[[Path, Path], Path]] = {
    "pip": install_by_pip,
    "uv tool install": install_by_uv_tool,
    "pipx": install_by_pipx,
}
SUFFIXES = {"wheel": ".whl", "sdist": ".tar.gz"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from nothing but the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--build-constraints", "constraints.txt", "--out-dir", folder)
    return {kind: next(folder.glob(f"*{suffix}")) for kind, suffix in SUFFIXES.items()}


@pytest.fixture(scope="module")
def installed(
    packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[Path]]]:
    """Both packages installed in every way, all at once, for they mostly wait."""
    with ThreadPoolExecutor() as pool:
        yield {
            (kind, installer): pool.submit(install, packages[kind], tmp_path_factory.mktemp("home"))
            for kind in packages
            for installer, install in INSTALLERS.items()
        }


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("kind", SUFFIXES)
def test_an_installed_package_runs_a_list(
    kind: str, installer: str, installed: dict[tuple[str, str], Future[Path]], tmp_path: Path
) -> None:
    command = installed[kind, installer].result()
    assert run(command, "--version").split()[-1] == teamtask.__version__

    (tmp_path / "words.txt").write_text("alpha\nbeta\n")
    run(
        *(command, "run", "words.txt", "--", "touch", "{}.done"),
        cwd=tmp_path,
        HOME=tmp_path,
        XDG_STATE_HOME=tmp_path / "state",
    )
    assert sorted(path.name for path in tmp_path.glob("*.done")) == ["alpha.done", "beta.done"]


def test_the_packages_hold_all_of_teamtask_and_its_types(packages: dict[str, Path]) -> None:
    tracked = run("git", "ls-files", "src/teamtask") if (ROOT / ".git").exists() else ""
    ours = {name.removeprefix("src/") for name in tracked.split()} | {"teamtask/py.typed"}
    with zipfile.ZipFile(packages["wheel"]) as wheel:
        in_wheel = set(wheel.namelist())
    with tarfile.open(packages["sdist"]) as sdist:
        in_sdist = {name.partition("/src/")[2] for name in sdist.getnames()}
    assert ours <= in_wheel
    assert ours <= in_sdist
    assert {name.partition("/")[0] for name in in_wheel} == {"teamtask", f"teamtask-{teamtask.__version__}.dist-info"}
