"""Results over HTTP: in both orders, in both forms, page after page, and never half of them as if that were all."""

from __future__ import annotations

import csv
import http.client
import io
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from serving import read_all

if TYPE_CHECKING:
    import socket

    from serving import Http, Served

MANY = 50_000
VALUES = [None, True, 0, -1.5, 10**30, "text", "é\U0001f600", [], {}, [1, [2, {"a": None}]], {"b": 1, "a": "x"}]


@pytest.fixture(scope="module")
def many(admin: Http) -> str:
    """Give a list whose results arrived in no order at all, a few of them not ok."""
    name = admin.new_list(MANY, block={"size": MANY // 5})
    leases = [admin.claim(name, f"w{number}") for number in range(5)]
    chance = random.Random(5)
    for lease in leases:
        runs = list(range(lease["index"], lease["index"] + lease["size"], 25))
        chance.shuffle(runs)
        for at in range(0, len(runs), 40):
            some = runs[at : at + 40]
            told = {"upto": lease["index"], "ranges": [[first, 25] for first in some]}
            indices = [index for first in some for index in range(first, first + 25)]
            results = [[index, VALUES[index % len(VALUES)], index % 100 != 7] for index in indices]
            status = admin.report(name, lease, **told, results=results)
            assert status["status"] in ("held", "done"), status
    return name


def lines_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def test_all_results_come_back_in_order_of_index(admin: Http, many: str) -> None:
    lines = admin.results(many)
    assert [line["index"] for line in lines] == list(range(MANY))
    assert [line["item"] for line in lines] == list(range(MANY))
    assert [line["result"] for line in lines] == [VALUES[index % len(VALUES)] for index in range(MANY)]
    assert [line["ok"] for line in lines] == [index % 100 != 7 for index in range(MANY)]
    assert all(set(line) == {"seq", "index", "item", "result", "ok", "worker"} for line in lines)
    assert sorted(line["seq"] for line in lines) == list(range(MANY))


def test_results_since_a_seq_come_in_order_of_arrival(admin: Http, many: str) -> None:
    whole = admin.results(many)
    for since in (0, 12_345, MANY - 1):
        lines = admin.results(many, f"?since={since}")
        assert [line["seq"] for line in lines] == list(range(since, MANY))
        assert all(line == whole[line["index"]] for line in lines)
    assert admin.results(many, f"?since={MANY}") == []


def test_a_part_of_the_results_is_what_the_whole_has_of_it(admin: Http, many: str) -> None:
    whole = admin.results(many)
    for first in (1, 12_345, MANY - 1):
        assert admin.results(many, f"?from={first}") == whole[first:]
    failed = admin.results(many, "?ok=false")
    assert failed == [line for line in whole if not line["ok"]]
    assert admin.results(many, "?ok=true&from=40000") == [line for line in whole[40_000:] if line["ok"]]
    assert {line["seq"] for line in admin.results(many, "?ok=false&since=20000")} == {
        line["seq"] for line in failed if line["seq"] >= 20_000
    }
    assert admin.results(many, f"?from={MANY}") == []


def test_csv_says_the_same(admin: Http, many: str) -> None:
    answer = admin.get(f"/v1/lists/{many}/results?format=csv&from=49000")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.body == admin.get(f"/v1/lists/{many}/results?from=49000", accept="text/csv, */*").body
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    lines = admin.results(many, "?from=49000")
    assert list(rows[0]) == ["index", "item", "ok", "result", "worker", "seq"]
    assert [row["index"] for row in rows] == [str(line["index"]) for line in lines]
    assert [row["ok"] for row in rows] == [json.dumps(line["ok"]) for line in lines]
    for row, line in zip(rows, lines, strict=True):
        value = line["result"]
        assert row["result"] == ("" if value is None else value) or json.loads(row["result"]) == value


def test_no_cell_of_csv_is_a_formula(admin: Http) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=cmd|" /C calc"!A0', "=1\n=2", "a,b", 'a"b']
    name = admin.new_list(source={"kind": "lines", "items": formulas}, block={"size": len(formulas)})
    worker = "=HYPERLINK(0)"
    lease = admin.claim(name, worker)
    admin.finish(name, lease, [[index, text] for index, text in enumerate(formulas)], worker)
    body = admin.get(f"/v1/lists/{name}/results?format=csv").body.decode()
    rows = list(csv.DictReader(io.StringIO(body, newline="")))
    assert len(rows) == len(formulas)
    for row, text in zip(rows, formulas, strict=True):
        for cell in (row["item"], row["result"], row["worker"]):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
        assert row["item"].removeprefix("'") == row["result"].removeprefix("'") == text


def test_numbers_in_csv_are_numbers(admin: Http) -> None:
    name = admin.new_list(3, source={"kind": "range", "start": -3, "stop": 0}, block={"size": 3})
    admin.finish(name, admin.claim(name), [[0, -5], [1, -1.5], [2, 2**70]])
    body = admin.get(f"/v1/lists/{name}/results?format=csv").body
    assert body == b"index,item,ok,result,worker,seq\n0,-3,true,-5,w,0\n1,-2,true,-1.5,w,1\n2,-1,true,%d,w,2\n" % 2**70


def test_a_list_without_results_has_none(admin: Http) -> None:
    name = admin.new_list(3)
    assert admin.get(f"/v1/lists/{name}/results").body == b""
    assert admin.get(f"/v1/lists/{name}/results?format=csv").body == b"index,item,ok,result,worker,seq\n"
    admin.finish(name, admin.claim(name))
    assert admin.results(name) == [], "what is done need not have any"


def test_results_that_were_withdrawn_are_gone_in_every_order(admin: Http) -> None:
    name = admin.new_list(20, block={"size": 20})
    admin.finish(name, admin.claim(name), [[index, "old"] for index in range(20)])
    admin.post(f"/v1/lists/{name}/rerun", {"ranges": "5-9"})
    lease = admin.claim(name)
    assert [line["index"] for line in admin.results(name)] == [*range(5), *range(10, 20)]
    admin.finish(name, lease, [[index, "new"] for index in range(5, 10)])
    assert [line["result"] for line in admin.results(name)] == ["old"] * 5 + ["new"] * 5 + ["old"] * 10
    assert [line["index"] for line in admin.results(name, "?since=0")] == [*range(5), *range(10, 20), *range(5, 10)]


def test_whoever_follows_a_list_misses_nothing(admin: Http) -> None:
    name = admin.new_list(100, block={"size": 1})
    followed: list[Any] = []
    for _ in range(30):
        lease = admin.claim(name)
        indices = range(lease["index"], lease["index"] + lease["size"])
        admin.finish(name, lease, [[index, index] for index in indices])
        since = followed[-1]["seq"] + 1 if followed else 0
        followed += admin.results(name, f"?since={since}")
        if admin.show(name)["state"] == "complete":
            break
    assert [line["result"] for line in followed] == list(range(len(followed)))
    assert len(followed) == admin.show(name)["results"]


# --- streams that do not come to their end


@pytest.fixture
def long_list(admin: Http) -> str:
    """Give a list with some 24 megabytes of results, more than any buffer on the way holds."""
    name = admin.new_list(24, block={"size": 24})
    lease = admin.claim(name)
    for index in range(24):
        told = {"from": index, "upto": index + 1, "results": [[index, "x" * 1_000_000]]}
        assert admin.report(name, lease, **told)["status"] in ("held", "done")
    return name


def open_stream(served: Served, name: str) -> tuple[socket.socket, bytes]:
    """Begin to read the results of a list; give what came first."""
    sock = served.connect()
    head = f"GET /v1/lists/{name}/results HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {served.admin.token}\r\n\r\n"
    sock.sendall(head.encode())
    return sock, sock.recv(100)


def rest_of(served: Served, sock: socket.socket) -> bytes:
    """Read a stream that the server breaks off, and take its complaint of that for what it is."""
    rest = read_all(sock)
    sock.close()
    assert served.admin.get("/healthz").status == 200
    assert set(served.complaints) <= {line for line in served.complaints if "Exception in ASGI application" in line}
    served.complaints.clear()
    return rest


def test_a_whole_stream_ends_with_its_end(served: Served, long_list: str) -> None:
    lines = served.admin.results(long_list)
    assert [len(line["result"]) for line in lines] == [1_000_000] * 24


def test_a_list_that_is_deleted_while_it_is_read_breaks_the_stream_off(served: Served, long_list: str) -> None:
    sock, first = open_stream(served, long_list)
    assert first.startswith(b"HTTP/1.1 200 ")
    assert served.admin.call("DELETE", f"/v1/lists/{long_list}").status == 204
    rest = rest_of(served, sock)
    assert len(rest) < 24_000_000
    assert not rest.endswith(b"0\r\n\r\n"), "nobody can take it for the whole"


def test_another_list_of_the_name_does_not_go_on_with_the_stream(served: Served, long_list: str) -> None:
    sock, _ = open_stream(served, long_list)
    served.admin.call("DELETE", f"/v1/lists/{long_list}")
    served.admin.new_list(24, name=long_list, block={"size": 24})
    lease = served.admin.claim(long_list)
    served.admin.finish(long_list, lease, [[index, "of another list"] for index in range(24)])
    rest = rest_of(served, sock)
    assert b"of another list" not in rest
    assert not rest.endswith(b"0\r\n\r\n")


def test_whoever_loses_the_role_while_reading_reads_no_further(served: Served, admin: Http, long_list: str) -> None:
    reader = served.client(admin.new_token("reader"))
    admin.send("PATCH", f"/v1/lists/{long_list}", {"roles": {"viewer": ["token:reader"]}})
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.request("GET", f"/v1/lists/{long_list}/results", headers={"authorization": f"Bearer {reader.token}"})
    answer = connection.getresponse()
    assert answer.status == 200
    admin.send("PATCH", f"/v1/lists/{long_list}", {"roles": {}})
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    served.complaints.clear()


def test_a_reader_that_goes_away_harms_nobody(served: Served, long_list: str) -> None:
    for _ in range(5):
        sock, _first = open_stream(served, long_list)
        sock.close()
    assert len(served.admin.results(long_list)) == 24
