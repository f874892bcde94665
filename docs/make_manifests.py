"""Writes deploy/kubernetes/*.yaml: what `teamtask crds` prints, for `kubectl apply -k deploy/kubernetes`.

    python docs/make_manifests.py

A test fails when a file is not what this script would write.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from teamtask.kube.crds import definitions
from teamtask.kube.policies import policies
from teamtask.kube.roles import roles

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
BEGINNING = "# written by docs/make_manifests.py; do not edit\n"


def manifests() -> dict[str, str]:
    """Give the files by their names."""
    found = {"definitions.yaml": definitions(), "policies.yaml": policies(), "roles.yaml": roles()}
    made = {name: BEGINNING + yaml.safe_dump_all(parts, sort_keys=False, width=110) for name, parts in found.items()}
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [*found]}
    return made | {"kustomization.yaml": BEGINNING + yaml.safe_dump(kustomization, sort_keys=False)}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in manifests().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
