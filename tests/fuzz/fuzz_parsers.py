"""`make fuzz`: gives the parsers very many bytes, guided by the code that they reach (atheris, libFuzzer).

`python tests/fuzz/fuzz_parsers.py --seconds 600 [TARGET ...]`. Each target has a process of its own and its share of
the time. What it finds that is new is kept in .fuzz/corpus, for the next time; what fails in .fuzz/failures.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".fuzz"
SECONDS_MAX = 10  # for one input; what takes longer hangs
MEMORY_MB_MAX = 1_024
INPUT_BYTES_MAX = 16_384
WITHOUT_ATHERIS = (
    "The parsers are not fuzzed: atheris has no package for this machine. It has them for Linux on x86-64 with\n"
    "Python 3.11 to 3.13. `make test` gives the parsers random bytes on every machine."
)


def main() -> int:
    """Fuzz, and print a line for each target; the status is 1 if one failed."""
    options = _options()
    if options.repeat:
        repeat(options.targets[0], options.repeat)
        return 0
    if importlib.util.find_spec("atheris") is None:
        print(WITHOUT_ATHERIS)
        return 0
    if options.here:
        fuzz_here(options.targets[0], options.seconds)
    sys.path.insert(0, str(HERE))
    from targets import TARGETS

    names = options.targets or list(TARGETS)
    unknown = set(names) - set(TARGETS)
    if unknown:
        sys.exit(f"There is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}.")
    each = max(1, options.seconds // len(names))
    failed = [name for name in names if not fuzz(name, each)]
    if failed:
        print(f"Failed: {', '.join(failed)}. To see it again: {Path(__file__).name} --repeat FILE TARGET")
    return bool(failed)


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own; print what came of it, and tell whether it held."""
    command = [sys.executable, __file__, "--here", "--seconds", str(seconds), name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    executions = re.findall(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    held = done.returncode == 0
    print(
        f"{name:15} {'held' if held else 'FAILED':6} {int(executions[-1]) if executions else 0:>10,} executions, "
        f"{covered[-1] if covered else 0:>6} edges",
        flush=True,
    )
    if not held:
        print(done.stderr[max(done.stderr.find("=== Uncaught"), done.stderr.find("==ERROR"), 0) :][:8_000])
    return held


def repeat(name: str, file: Path) -> None:
    """Give what failed to its parser again."""
    sys.path.insert(0, str(HERE))
    from targets import taken

    print("Taken." if taken(name, file.read_bytes()) else "Refused, as it may be.")


def fuzz_here(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["teamtask", "targets"]):
        sys.path.insert(0, str(HERE))
        from targets import taken

    corpus, failures = KEPT / "corpus" / name, KEPT / "failures"
    for folder in (corpus, failures):
        folder.mkdir(parents=True, exist_ok=True)
    seeds = HERE / "corpus" / name
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        words.write((HERE / "words.dict").read_text())
        words.flush()
        atheris.Setup(
            [
                sys.argv[0], str(corpus), *([str(seeds)] if seeds.exists() else []),
                f"-max_total_time={seconds}", f"-timeout={SECONDS_MAX}", f"-rss_limit_mb={MEMORY_MB_MAX}",
                f"-max_len={INPUT_BYTES_MAX}", f"-artifact_prefix={failures}/{name}-", f"-dict={words.name}",
                "-print_final_stats=1", "-use_value_profile=1",
            ],
            lambda data: taken(name, data) and None,
        )  # fmt: skip
        atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="of all targets together (600)")
    parser.add_argument("--here", action="store_true", help="one target, in this process")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="give a target what is in a file of .fuzz/failures")
    parser.add_argument("targets", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
