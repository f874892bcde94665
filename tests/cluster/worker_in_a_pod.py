"""A worker of nothing but Python's library, which the tests run in pods: it holds the Block of its pod's name."""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def call(method: str, path: str, body: object = None) -> dict[str, Any]:
    server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, headers, method=method)  # noqa: S310 - it is https
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trusted) as answer:  # noqa: S310 - it is https
        return dict(json.load(answer))


def main() -> None:
    assert os.environ["TEAMTASK_URL"] == "k8s://"
    name, of = os.environ["POD_NAME"], os.environ["TEAMTASK_LIST"]
    blocks = f"/apis/teamtask.io/v1alpha1/namespaces/{(ACCOUNT / 'namespace').read_text()}/blocks"
    who = call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})["status"]["userInfo"]["username"]
    spec = {"listRef": {"name": of}, "holder": who, "holderPod": name}
    metadata = {"name": name, "finalizers": ["teamtask.io/uncounted"]}
    call("POST", blocks, {"apiVersion": "teamtask.io/v1alpha1", "kind": "Block", "metadata": metadata, "spec": spec})
    done = 0
    while (status := call("GET", f"{blocks}/{name}")["status"])["phase"] != "Closed":
        if status["phase"] == "Ready" and status["sequence"] > done:
            done = status["sequence"]
            results = [{"index": status["index"], "value": name}]
            report = {"sequence": done, "state": "Completed", "results": results}
            call("PATCH", f"{blocks}/{name}", {"spec": {"report": report}})
        time.sleep(0.3)
    call("DELETE", f"{blocks}/{name}")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"{error}: {error.read()!r}")
