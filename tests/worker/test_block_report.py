"""What a command says in its report: kept once, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.worker import block_report
from teamtask.worker.block_report import BlockReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.worker.block_report import Told

    Write = Callable[..., BlockReport]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a report of the block [0, 10)."""

    def make(text: bytes, *, fold: bool = False) -> BlockReport:
        (tmp_path / "report").write_bytes(text)
        return BlockReport(tmp_path / "report", 0, 10, fold=fold)

    return make


def values_of(told: list[Told]) -> dict[int, object]:
    batches = [results for _, _, results, _ in told if results is not None]
    return {result.index: result.value for batch in batches for result in batch.results()}


def test_a_bad_line_is_said_when_the_command_has_ended_and_what_was_told_before_it_counts(write: Write) -> None:
    report = write(b'result 0 1\nresult 2 "x"\nupto 3\nbogus\nresult 4 2\nupto 5\n')
    told = report.read()
    assert values_of(told) == {0: 1, 2: "x"}
    assert report.upto == 3
    assert report.read() == []
    assert report.finish(ok=True) == []
    assert report.upto == 3
    assert report.invalid is not None
    assert report.invalid.message == "Line 4 of the report, 'bogus': that is no line of a report."


def test_a_bad_line_that_is_read_only_at_the_end_is_said_as_well(write: Write) -> None:
    report = write(b"result 0 1\nupto 1\nbogus")
    assert values_of(report.finish(ok=True)) == {0: 1}
    assert report.upto == 1
    assert report.invalid is not None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'result 0 "\\ud800"', "it is no Unicode text"),
        (b'result 0 "\xff"', "it is no Unicode text"),
        (b"result 0 " + b"[" * 200_000, "it is nested too deeply"),
        (b"result 0 NaN", "NaN is no JSON"),
        (b"result 0 [-Infinity]", "-Infinity is no JSON"),
        (b"result 0 1e999", "1e999 is no finite number"),
        (b"result 0 " + b"9" * 4_291, "an integer has 4,000 digits at most"),
        (b"result 0 " + b"9" * 5_000, "an integer has 4,000 digits at most"),
        (b"result 0", "it is no JSON"),
        (b"result x 1", "'x' is no index"),
        (b"result 1_0 1", "'1_0' is no index"),
        (b"result -1 1", "'-1' is no index"),
        (b"upto " + b"1" * 5_000, "is no index"),
        (b"upto 11", "11 is not in what is left of the block"),
        (b"result 10 1", "10 is not in what is left of the block"),
        (b"fold 1", "the list has no fold"),
        (b"\xff\xfe", "that is no line of a report"),
    ],
    ids=range(17),
)
def test_what_is_no_line_is_refused_with_a_sentence(write: Write, line: bytes, why: str) -> None:
    report = write(line + b"\n")
    assert report.read() == []
    assert report.finish(ok=True) == []
    assert report.invalid is not None
    assert why in report.invalid.message
    assert len(report.invalid.message) < 400


@pytest.mark.parametrize("line", [b"fold NaN", b"fold null", b'fold "\\ud800"', b"fold " + b"9" * 4_291, b"fold"])
def test_what_is_no_fold_is_refused(write: Write, line: bytes) -> None:
    report = write(line + b"\n", fold=True)
    assert report.finish(ok=True) == []
    assert report.invalid is not None


def test_a_second_fold_of_the_whole_block_is_refused(write: Write) -> None:
    report = write(b"fold 1\nfold 2\n", fold=True)
    assert report.finish(ok=True) == [(0, 10, None, 1)]
    assert report.invalid is not None
    assert "already" in report.invalid.message


def test_folds_of_parts_come_one_by_one(write: Write) -> None:
    report = write(b"upto 3\nfold 1\nresult 5 true\nupto 6\nfold 2\nfold 3\n", fold=True)
    told = report.finish(ok=True)
    assert [(begin, upto, fold) for begin, upto, _, fold in told] == [(0, 3, 1), (3, 6, 2), (6, 10, 3)]
    assert values_of(told) == {5: True}
    assert report.invalid is None


def test_a_command_that_ends_without_its_fold_is_told_so(write: Write) -> None:
    report = write(b"upto 3\nfold 1\nupto 10\n", fold=True)
    assert report.finish(ok=True) == [(0, 3, None, 1)]
    assert report.invalid is not None
    assert report.invalid.message == "The command ended without a fold of its whole block."


def test_a_folder_in_the_place_of_the_report_is_refused_and_removed(tmp_path: Path) -> None:
    report = BlockReport(tmp_path / "report", 0, 10, fold=False)
    (report.path / "inside").mkdir(parents=True)
    assert report.finish(ok=True) == []
    assert report.invalid is not None
    assert report.invalid.message == "The report is not a file."
    report.remove()
    assert not report.path.exists()
    report.remove()


def test_a_report_that_became_shorter_is_refused(write: Write) -> None:
    report = write(b"result 0 1\nupto 1\n")
    report.read()
    report.path.write_bytes(b"upto 2\n")
    assert report.finish(ok=True) == []
    assert report.invalid is not None
    assert ">>" in (report.invalid.hint or "")


def test_a_line_that_is_too_long_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_report, "PIECE_BYTES", 100)
    monkeypatch.setattr(block_report, "LINE_BYTES_MAX", 1_000)
    report = write(b"result 0 1\nupto 1\n" + b"x" * 2_000)
    assert values_of(report.finish(ok=True)) == {0: 1}
    assert report.invalid is not None
    assert report.invalid.message == "Line 3 of the report has more than 1,000 bytes."


def test_a_look_reads_one_piece_and_the_end_reads_all(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_report, "PIECE_BYTES", 16)
    report = write(b"".join(b"result %d %d\nupto %d\n" % (index, index * 7, index + 1) for index in range(10)))
    values = values_of(report.read())
    assert report.upto < 3
    values |= values_of(report.finish(ok=True))
    assert values == {index: index * 7 for index in range(10)}


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(1, 60)), st.booleans())
def test_results_are_told_once_however_the_report_grows(
    tmp_path_factory: pytest.TempPathFactory,
    told_upto: list[int],
    cuts: list[int],
    ended_line: bool,  # noqa: FBT001 - hypothesis
) -> None:
    path = tmp_path_factory.mktemp("reports") / "report"
    text, reached = b"", 0
    for upto in sorted(told_upto):
        text += b"".join(b"result %d %d\r\n" % (index, index * 3) for index in range(reached, upto))
        text += b"\nupto %d\n" % upto
        reached = upto
    text += b"result 9 27" + b"\n" * ended_line
    report = BlockReport(path, 0, 10, fold=False)
    told: list[Told] = []
    with path.open("ab", buffering=0) as file:
        for cut in cuts:
            file.write(text[:cut])
            text = text[cut:]
            told += report.read()
        file.write(text)
    told += report.finish(ok=True)
    assert report.invalid is None
    assert values_of(told) == {index: index * 3 for index in [*range(reached), 9]}
    assert [begin for begin, *_ in told] == [0, *(upto for _, upto, *_ in told[:-1])]
    assert told[-1][1] == 10


@given(st.integers(0, 40), st.integers(1, 12), st.integers(30, 200))
def test_a_large_section_is_told_in_parts_that_cover_it(stop: int, results_max: int, bytes_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(block_report, "RESULTS_MAX", results_max)
        patch.setattr(block_report, "MESSAGE_BYTES_MAX", bytes_max)
        path = Path(folder) / "report"
        path.write_text("".join(f"result {index} {index}\n" for index in range(0, stop, 3)))
        told = BlockReport(path, 0, stop, fold=False).finish(ok=True)
    begins, ends = [begin for begin, *_ in told], [upto for _, upto, *_ in told]
    assert [*begins, stop] == [0, *ends]
    assert values_of(told) == {index: index for index in range(0, stop, 3)}
    for begin, upto, results, _ in told:
        assert begin < upto
        assert results is not None
        assert results.count <= results_max
        assert results.count == 1 or results.count * 16 <= bytes_max
