"""What the API server refuses of pods and their blocks holds up nothing else; each refusal here is a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lists_with_pods import GREET, condition, create, pods, results, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Cluster

pytestmark = pytest.mark.usefixtures("controller")

ADMISSION = "admissionregistration.k8s.io/v1"
CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.fixture
def refuse(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Have the API server refuse something in this namespace until the test ends, or `kubectl delete` says so."""
    made: list[str] = []

    def refuse(resource: str, operation: str, allowed: str, group: str = "", reason: str = "Invalid") -> str:
        name = f"{cluster.namespace}.{len(made)}"
        here = {"matchLabels": {"kubernetes.io/metadata.name": cluster.namespace}}
        rules = [
            {"apiGroups": [of], "apiVersions": ["*"], "operations": [on], "resources": [what]}
            for of, on, what in ((group, operation, resource), ("", "CREATE", "configmaps"))
        ]
        allowed = f"request.resource.resource == 'configmaps' ? object.metadata.name != '{name}' : ({allowed})"
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": here, "resourceRules": rules},
            "validations": [{"expression": allowed, "message": f"{name} says no.", "reason": reason}],
        }
        policy = {"apiVersion": ADMISSION, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}}
        binding = policy | {"kind": "ValidatingAdmissionPolicyBinding"}
        cluster.kubectl("create", "-f", "-", given=policy | {"spec": spec})
        cluster.kubectl(
            "create", "-f", "-", given=binding | {"spec": {"policyName": name, "validationActions": ["Deny"]}}
        )
        made.append(name)
        probe = CONFIGMAP | {"metadata": {"name": name}}
        dry = ("create", "--dry-run=server", "-f", "-")
        cluster.wait(lambda: "says no" in cluster.kubectl(*dry, given=probe, check=False))
        return name

    yield refuse
    for name in made:
        allow(cluster, name)


def allow(cluster: Cluster, name: str) -> None:
    """End a refusal."""
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        cluster.kubectl("delete", kind, name, "--ignore-not-found")


def workers_ready(cluster: Cluster, name: str) -> dict[str, Any]:
    return condition(cluster.status("worklist", name), "WorkersReady")


def parked(cluster: Cluster, name: str) -> str:
    """Give what events say of a list's items that could not be worked; they come after the list's status."""
    which = f"reason=ItemParked,involvedObject.name={name}"
    return cluster.kubectl("get", "events", "--field-selector", which, "-o", "json")


def test_a_number_that_kubernetes_cannot_keep_is_text_and_stops_no_list(cluster: Cluster) -> None:
    say = """case $TEAMTASK_ITEM in
        long) head -c 310 /dev/zero | tr '\\0' 9 ;;
        past) echo '{"n": 9223372036854775808}' ;;
        deep) head -c 950 /dev/zero | tr '\\0' '['; head -c 950 /dev/zero | tr '\\0' ']' ;;
        *) echo 1 ;;
    esac > /dev/termination-log"""
    create(cluster, "digits", say, ["long", "past", "deep", "plain"], attempts=1)
    assert wait_for_end(cluster, "digits", "Complete")["completed"] == "0-3"
    past = {"n": "9223372036854775808"}
    assert results(cluster, "digits") == {"long": "9" * 310, "past": past, "deep": "[" * 950 + "]" * 950, "plain": 1}


def test_a_result_that_the_api_server_does_not_take_fails_its_block_alone(cluster: Cluster, refuse: Any) -> None:
    good = "!has(object.spec.report) || object.spec.report.results.all(one, one.value != 'hello bad')"
    name = refuse("blocks", "UPDATE", good, "teamtask.io")
    create(cluster, "untaken", GREET, ["a", "bad", "c"], attempts=1)
    status = wait_for_end(cluster, "untaken")
    assert (status["completed"], status["parked"]) == ("0,2", "1")
    cluster.wait(lambda: "does not take what the pod left: " in parked(cluster, "untaken"))
    assert f"{name} says no." in parked(cluster, "untaken")


def test_what_may_not_be_deleted_stops_no_list_and_is_said(cluster: Cluster, refuse: Any) -> None:
    name = refuse("pods", "DELETE", "oldObject.metadata.labels['teamtask.io/worklist'] != 'stuck'", reason="Forbidden")
    create(cluster, "stuck", GREET, ["a", "b", "c"], replicas=1)
    assert wait_for_end(cluster, "stuck", "Complete")["completed"] == "0-2"
    cluster.wait(lambda: workers_ready(cluster, "stuck").get("reason") == "Forbidden")
    assert f"{name} says no." in workers_ready(cluster, "stuck")["message"]
    allow(cluster, name)
    cluster.wait(lambda: not pods(cluster, "stuck"))
    cluster.wait(lambda: workers_ready(cluster, "stuck").get("status") == "True")


def test_a_pod_that_is_refused_for_its_item_fails_its_block_alone(cluster: Cluster, refuse: Any) -> None:
    bad = "one.name == 'TEAMTASK_ITEM' && one.value == 'bad'"
    refuse("pods", "CREATE", f"object.spec.containers.all(each, !each.env.exists(one, {bad}))")
    create(cluster, "choosy", GREET, ["a", "bad", "c", "d"], attempts=1, replicas=2)
    status = wait_for_end(cluster, "choosy")
    assert (status["completed"], status["parked"]) == ("0,2-3", "1")
    cluster.wait(lambda: "The API server takes no such pod: " in parked(cluster, "choosy"))


def test_a_template_that_was_refused_is_tried_again_though_it_stays_the_same(cluster: Cluster, refuse: Any) -> None:
    name = refuse("pods", "CREATE", "object.metadata.labels['teamtask.io/worklist'] != 'tried-again'")
    create(cluster, "tried-again", GREET, ["a", "b"])
    cluster.wait(lambda: workers_ready(cluster, "tried-again").get("reason") == "TemplateRefused")
    assert f"{name} says no." in workers_ready(cluster, "tried-again")["message"]
    allow(cluster, name)
    status = wait_for_end(cluster, "tried-again", "Complete")
    assert (status["completed"], condition(status, "WorkersReady")["status"]) == ("0-1", "True")


def test_a_block_of_another_list_that_has_a_name_of_ours_is_passed_over(cluster: Cluster) -> None:
    cluster.create_list("elsewhere", source={"kind": "range", "stop": 9}, suspend=True)
    for number in (0, 1, 3):
        cluster.create_block(f"passed-{number}", "elsewhere")
    create(cluster, "passed", GREET, ["a", "b", "c"], replicas=2)
    assert wait_for_end(cluster, "passed", "Complete")["completed"] == "0-2"
    assert set(results(cluster, "passed").values()) == {"hello a", "hello b", "hello c"}
