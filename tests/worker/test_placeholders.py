"""Command lines are filled in as GNU parallel does it, byte for byte, and never pass a shell by accident."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamtask.worker.placeholders import NoCommand, UnknownPlaceholder, compile_template

# Any item that a command can be given: bytes but NUL, as a str with surrogate escapes where they are not UTF-8.
ITEM_BYTES = st.binary(max_size=20).map(lambda data: data.replace(b"\0", b"0"))
PATH_TEXT = st.text(alphabet="ab./ é", max_size=8)
IN_A_SHELL = {"shell": True}


def expand(argv: list[str], item: object = "item", **options: object) -> list[bytes]:
    return compile_template(argv, **options).expand(item, 6, 7)  # type: ignore[arg-type] - options of many types


@given(ITEM_BYTES)
def test_the_bytes_of_an_item_reach_the_command_unharmed(data: bytes) -> None:
    item = data.decode("utf-8", "surrogateescape")
    assert expand(["show", "{}", "--as={}.txt"], item) == [b"show", data, b"--as=" + data + b".txt"]


@given(st.text(max_size=20), st.booleans())
def test_any_text_at_all_can_be_filled_in(item: str, shell: bool) -> None:  # noqa: FBT001 - drawn
    assert all(isinstance(argument, bytes) for argument in expand(["show", "{}", "{.}", "{//}"], item, shell=shell))


def test_without_a_placeholder_the_item_is_the_last_argument() -> None:
    assert expand(["ping", "-c1"], "host") == [b"ping", b"-c1", b"host"]


@pytest.mark.parametrize("placeholder", ["{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{index}", "{size}", "{1}", "x{}y"])
def test_with_any_placeholder_nothing_is_appended(placeholder: str) -> None:
    assert len(expand(["show", placeholder], "host")) == 2


def test_a_placeholder_may_stand_inside_an_argument_and_several_times() -> None:
    assert expand(["cp", "{}", "--to={/.}-{#}-{index}.{index}"], "a/b.c") == [b"cp", b"a/b.c", b"--to=b-7-6.6"]


def test_the_program_itself_may_depend_on_the_item() -> None:
    assert compile_template(["./{}", "x"]).program is None
    assert compile_template(["./run", "{}"]).program == b"./run"
    assert expand(["./{}", "x"], "test") == [b"./test", b"x"]


@pytest.mark.parametrize("word", ["{print}", "{2}", "[0-9]{3}", "{ }", "{{", "}{", "{rate}", "${HOME}", "{..}", "{0}"])
def test_braces_that_name_nothing_are_left_alone(word: str) -> None:
    assert expand(["show", word]) == [b"show", word.encode(), b"item"]


def test_numbers_are_decimal_and_other_values_are_json() -> None:
    assert expand(["show"], 10**40) == [b"show", str(10**40).encode()]
    assert expand(["show", "{}"], {"rate": 0.5, "name": "é"}) == [b"show", '{"rate":0.5,"name":"é"}'.encode()]
    assert expand(["show", "{}"], True) == [b"show", b"true"]  # noqa: FBT003 - an item
    assert expand(["show", "{}"], None) == [b"show", b"null"]


def test_the_axes_of_a_product_go_by_name() -> None:
    item = {"rate": 0.1, "file": "data/a.csv", "learning rate": 3, "7": "seven"}
    template = compile_template(["{rate}", "{file/.}", "-{learning rate}-{7}", "{other}"], fields=list(item))
    assert template.expand(item, 0, 1) == [b"0.1", b"a", b"-3-seven", b"{other}"]
    whole = expand(["show", "{}"], item, fields=list(item))
    assert json.loads(whole[1]) == item


def test_an_item_of_several_values_goes_by_number() -> None:
    words = ["{2}", "{1.}", "--pair={1}:{2}", "{}", "all={}"]
    assert expand(words, ["a.b", 2], columns=2) == [b"2", b"a", b"--pair=a.b:2", b"a.b", b"2", b"all=a.b 2"]
    assert expand(["show"], ["a b", "c"], columns=2) == [b"show", b"a b", b"c"]
    assert expand(["show", "{1}", "{3}"], ["a"], columns=3) == [b"show", b"a", b""]
    assert expand(["show", "{}", "end"], [], columns=3) == [b"show", b"end"]


def test_a_value_that_no_item_has_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnknownPlaceholder, match=r"value 3 of items that have 2") as caught:
        compile_template(["show", "--x={3/}"], columns=2)
    assert caught.value.hint == "Use {1} to {2}."


def test_a_number_that_is_too_long_for_one_is_a_value_that_no_item_has() -> None:
    word = "{" + "9" * 5_000 + "}"
    assert compile_template(["show", word]).expand("a", 0, 1) == [b"show", word.encode(), b"a"]
    with pytest.raises(UnknownPlaceholder) as caught:
        compile_template(["show", word], columns=2)
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("argv", [[], [""], ["", "{}"]])
def test_an_empty_command_is_refused(argv: list[str]) -> None:
    with pytest.raises(NoCommand):
        compile_template(argv)


def test_a_block_brings_its_index_and_size_and_leaves_other_placeholders_to_the_command() -> None:
    template = compile_template(["try", "{index}+{size}", "{#}", "xargs", "-I{}", "{}", "{1}"], per_block=True)
    assert template.expand("", 100, 3, 50) == [b"try", b"100+50", b"3", b"xargs", b"-I{}", b"{}", b"{1}"]
    assert compile_template(["try"], per_block=True).expand("", 0, 1, 9) == [b"try"]


@given(ITEM_BYTES)
@settings(max_examples=25)
def test_a_shell_sees_an_item_as_one_word_whatever_is_in_it(data: bytes) -> None:
    argv = expand(["printf '%s|'", "{}", "x{}", "{#}"], data.decode("utf-8", "surrogateescape"), **IN_A_SHELL)
    assert argv[:2] == [b"/bin/sh", b"-c"]
    printed = subprocess.run(argv, capture_output=True, check=True).stdout
    assert printed == data + b"|x" + data + b"|7|"


def test_a_shell_runs_pipes_and_does_not_take_the_command_for_an_option() -> None:
    assert compile_template(["a | b {}"], **IN_A_SHELL).program == b"/bin/sh"
    argv = expand(["echo {} | tr a-z A-Z"], "it's $(me)", **IN_A_SHELL)
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"IT'S $(ME)\n"
    answer = subprocess.run(expand(["{}"], "-n", **IN_A_SHELL), capture_output=True, check=False)
    assert answer.returncode == 127  # no command of that name; as an option of sh it would have been a success
    assert expand(["f {}"], ["a b", "c"], columns=2, **IN_A_SHELL)[2] == b"f 'a b' c"


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed: nothing to compare with")
@given(st.lists(PATH_TEXT, min_size=20, max_size=40))
@settings(max_examples=5)
def test_every_part_of_a_path_is_what_gnu_parallel_makes_of_it(items: list[str]) -> None:
    words = ["{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{1/}", "{}{.}"]
    mine = [compile_template(words).expand(item, 0, number) for number, item in enumerate(items, 1)]
    theirs = subprocess.run(
        ["parallel", "--will-cite", "-0", "-k", "-j1", "--quote", "printf", r"%s\0", *words],
        input="".join(f"{item}\0" for item in items).encode(),
        capture_output=True,
        check=True,
    ).stdout
    assert b"".join(word + b"\0" for line in mine for word in line) == theirs
