"""What the API server refuses of what the controller makes, and what that is taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from teamtask.controller.making import Maker, Memory
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import CONFLICT, NOT_FOUND, KubernetesError

if TYPE_CHECKING:
    from teamtask.kube.api_server import ApiServer

OVERTAKEN = 'Operation cannot be fulfilled on resourcequotas "few": the object has been modified; please try again'
SPEC = {"source": {"kind": "range", "stop": 3}, "workers": {"mode": "PodPerBlock", "template": {}}}
WORKLIST = o.read_worklist({"metadata": {"name": "list", "namespace": "n", "uid": "u"}, "spec": SPEC})


class Refuses:
    """An API server on which others use up a quota at the same time."""

    def call(self, method: str, path: str, *_: Any) -> dict[str, Any]:
        if method == "POST":
            raise KubernetesError(OVERTAKEN, CONFLICT, reason="Conflict")
        raise KubernetesError(f"{path} is not there", NOT_FOUND, reason="NotFound")


def test_who_is_overtaken_at_a_quota_tries_again_and_takes_no_name_for_taken() -> None:
    maker = Maker(cast("ApiServer", Refuses()), lambda writes: [write() for write in writes] and None)
    memory = Memory()
    maker.create_blocks(memory, "/blocks", [("list-0", {"kind": "Block", "metadata": {"name": "list-0"}})], 0.0)
    assert (memory.asked, memory.others) == ({}, {})
    trouble = memory.setbacks.first_trouble(0.0)
    assert trouble is not None
    assert trouble[0] == "QuotaExceeded"
    memory = Memory()
    maker.create_job(memory, WORKLIST, {}, 0.0)
    trouble = memory.setbacks.first_trouble(0.0)
    assert trouble is not None
    assert trouble[0] == "QuotaExceeded"
