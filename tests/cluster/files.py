"""What the components of the test cluster read: certificates, tokens, configurations, and where they stand."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import trustme

STATE = Path("/var/lib/teamtask-cluster")
SOCKETS = Path("/run/teamtask-cluster")
# Where containerd, its plugins, the kubelet and buildah write by all means: each sees a folder of its own there.
COVERED = ("/run/containerd", "/var/lib/cni", "/var/lib/containers", "/var/lib/kubelet", "/var/log/containers")
KUBECONFIG = STATE / "kubeconfig"
PROGRAM = Path(__file__).parents[2] / ".cluster" / "components"

HOST_ADDRESS = "10.199.99.1"
NODE_ADDRESS = "10.199.99.2"
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
CLUSTER_DOMAIN = "cluster.local"
API_SERVER = f"https://{NODE_ADDRESS}:6443"
NODE = "node-1"

# Who may call, by token: the name and the groups that Kubernetes' own roles are bound to.
USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "dns": ("dns", "system:masters"),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "proxy": ("system:kube-proxy", ""),
}


def is_ours() -> bool:
    """Whether KUBECONFIG names the cluster of `make cluster`, which takes images from this machine."""
    return os.environ.get("KUBECONFIG") == str(KUBECONFIG)


def write_all() -> None:
    """Write everything anew, under STATE."""
    for folder in (STATE / "logs", STATE / "cni", SOCKETS):
        folder.mkdir(parents=True, exist_ok=True)
    _write_certificates()
    tokens = {name: secrets.token_hex(16) for name in USERS}
    lines = [f'{tokens[name]},{user},{user},"{groups}"' for name, (user, groups) in USERS.items()]
    (STATE / "tokens.csv").write_text("\n".join(lines) + "\n")
    for name, token in tokens.items():
        write_kubeconfig(STATE / f"{name}.kubeconfig", token)
    (STATE / "admin.kubeconfig").rename(KUBECONFIG)
    _write_json(STATE / "kubelet.json", KUBELET)
    _write_json(STATE / "proxy.json", PROXY)
    _write_json(STATE / "audit.json", AUDIT)
    _write_json(STATE / "cni" / "bridge.conflist", NETWORK)
    (STATE / "containerd.toml").write_text(CONTAINERD)
    (STATE / "Corefile").write_text(COREDNS)


def _write_certificates() -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(STATE / "ca.crt")
    service = str(SERVICE_NETWORK).replace(".0.0/16", ".0.1")
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{CLUSTER_DOMAIN}"]
    made = {
        "server": authority.issue_cert(NODE_ADDRESS, "127.0.0.1", service, *names),
        "kubelet-client": authority.issue_cert(
            "apiserver", common_name="apiserver", organization_name="system:masters"
        ),
        "service-accounts": authority.issue_cert("service-accounts", key_type=trustme.KeyType.RSA),
    }
    for name, certificate in made.items():
        certificate.private_key_pem.write_to_path(STATE / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(STATE / f"{name}.crt")


def write_kubeconfig(path: Path, token: str) -> None:
    """Write a kubeconfig of whoever has this token."""
    cluster = {"server": API_SERVER, "certificate-authority": str(STATE / "ca.crt")}
    _write_json(
        path,
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "teamtask", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "teamtask", "context": {"cluster": "teamtask", "user": "user"}}],
            "current-context": "teamtask",
        },
    )


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))
    path.chmod(0o600)


KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": str(STATE / "ca.crt")},
    },
    "authorization": {"mode": "Webhook"},
    "cgroupDriver": "cgroupfs",
    "cgroupRoot": "/teamtask-cluster",
    "failCgroupV1": False,
    "failSwapOn": False,
    "containerRuntimeEndpoint": f"unix://{SOCKETS}/containerd.sock",
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    "clusterDNS": [NODE_ADDRESS],
    "clusterDomain": CLUSTER_DOMAIN,
    "resolvConf": "",
    "volumePluginDir": str(STATE / "volume-plugins"),
    "podLogsDir": str(STATE / "pod-logs"),
    "maxPods": 250,
    "registerNode": True,
}
PROXY = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "iptables",
    "clientConnection": {"kubeconfig": str(STATE / "proxy.kubeconfig")},
    "clusterCIDR": POD_NETWORK,
    "hostnameOverride": NODE,
    "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
}
# What the last test of all reads: who asked for what, without the bodies.
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "Metadata", "resources": [{"group": "teamtask.io"}]},
        {"level": "None"},
    ],
}
NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
CONTAINERD = f"""
version = 2
root = "{STATE}/containerd"
state = "{SOCKETS}/containerd"
[grpc]
  address = "{SOCKETS}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "teamtask.io/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{STATE}/cni"
"""
# The names of services; of what is outside of the cluster it knows nothing.
COREDNS = f"""
{CLUSTER_DOMAIN}:53 {{
    bind {NODE_ADDRESS}
    errors
    kubernetes {CLUSTER_DOMAIN} {{
        kubeconfig {STATE}/dns.kubeconfig
    }}
}}
"""
