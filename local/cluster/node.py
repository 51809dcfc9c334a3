"""The node: containerd, which runs the containers, the kubelet, which runs the pods, and kube-proxy for Services.

All their files are in the platform's own folders, so that another containerd on the machine is not affected.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from local import paths
from local.cluster import kubeconfigs, pki
from local.cluster.layout import CLUSTER_DOMAIN, NODE_NAME, Layout
from local.cluster.part import Part, answers, flags, passed

KUBELET_PORT = 10250
KUBELET_HEALTH = "127.0.0.1:10248"
KUBE_PROXY_HEALTH = "127.0.0.1:10256"
KUBE_PROXY_METRICS = "127.0.0.1:10249"

# The cgroup that holds every process of every pod, and nothing else.
CGROUP = "aegis"
CNI_PLUGINS = Path("/usr/lib/cni")
CNI_CONFIG = "10-aegis.conflist"


def parts(layout: Layout, tools: Mapping[str, Path], pause_image: str) -> tuple[Part, ...]:
    """Return the parts of the node."""
    return (
        _containerd(layout, pause_image),
        _kubelet(layout, tools["kubelet"]),
        _kube_proxy(layout, tools["kube-proxy"]),
    )


def socket() -> Path:
    """Return containerd's socket."""
    return paths.runtime() / "containerd.sock"


def ctr() -> tuple[str, ...]:
    """Return the first words of a `ctr` command on the cluster's containers and images."""
    return ("ctr", "--address", str(socket()), "--namespace", "k8s.io")


def _containerd(layout: Layout, pause_image: str) -> Part:
    config = paths.config() / "containerd.toml"
    networks = paths.config() / "cni" / CNI_CONFIG
    return Part(
        name="containerd",
        argv=(shutil.which("containerd") or "containerd", "--config", str(config)),
        files=lambda: {config: _containerd_config(networks.parent, pause_image), networks: _pod_network(layout)},
        ready=_containerd_answers,
    )


def _containerd_answers() -> str | None:
    try:
        result = subprocess.run(
            [*ctr(), "plugins", "ls", "id==cri"], capture_output=True, text=True, timeout=5, check=False
        )
    except subprocess.TimeoutExpired:
        return "containerd does not answer"
    if result.returncode:
        return result.stderr.strip()
    return None if " ok" in result.stdout else "containerd's Kubernetes interface (the plugin cri) did not start"


def _containerd_config(networks: Path, pause_image: str) -> str:
    """Return containerd's configuration, version 2.

    `restrict_oom_score_adj` lets pods start where root lacks CAP_SYS_RESOURCE, as in many virtual machines.
    """
    return f"""version = 2
root = "{paths.home() / "containerd"}"
state = "{paths.runtime() / "containerd"}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = "{socket()}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause_image}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{networks}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{paths.runtime() / "runc"}"
"""


def _pod_network(layout: Layout) -> str:
    """Return the pods' network: each pod has its own link to the node, which routes between pods.

    Because all traffic between pods is routed, NetworkPolicies work without the kernel's bridge filter.
    """
    network = {
        "cniVersion": "0.4.0",
        "name": "aegis",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(layout.pods)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(paths.runtime() / "cni"),
                },
            }
        ],
    }
    return json.dumps(network, indent=2)


def _kubelet(layout: Layout, program: Path) -> Part:
    kubeconfig, config = kubeconfigs.path("kubelet"), paths.config() / "kubelet.json"
    resolver = paths.config() / "resolv.conf"
    return Part(
        name="kubelet",
        argv=(
            str(program),
            *flags(
                config=config,
                kubeconfig=kubeconfig,
                root_dir=paths.home() / "kubelet",
                node_ip=layout.node_ip,
                hostname_override=NODE_NAME,
                # The kubelet's cAdvisor reads the containers' metrics there.
                containerd=socket(),
                node_labels="topology.kubernetes.io/region=local,topology.kubernetes.io/zone=local-a",
            ),
        ),
        files=lambda: {
            kubeconfig: kubeconfigs.text(layout, "kubelet"),
            config: json.dumps(_kubelet_config(layout, resolver), indent=2),
            resolver: _name_servers(),
        },
        reads=(pki.certificate("kubelet"),),
        after=("kube-apiserver", "containerd"),
        listens=(f"{layout.node_ip}:{KUBELET_PORT}", KUBELET_HEALTH),
        ready=passed(
            answers(f"http://{KUBELET_HEALTH}/healthz"),
            answers(f"{layout.api_url}/api/v1/nodes/{NODE_NAME}", certificate="admin"),
        ),
    )


def _kubelet_config(layout: Layout, resolver: Path) -> dict[str, object]:
    """Return the kubelet's configuration.

    Images are never garbage-collected, because they can't be pulled again. Eviction thresholds are in bytes, not
    shares, because the machine's other data may fill the disk.
    """
    host, port = KUBELET_HEALTH.split(":")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.node_ip,
        "port": KUBELET_PORT,
        "healthzBindAddress": host,
        "healthzPort": int(port),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.certificate(pki.CLUSTER_CA))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki.certificate("kubelet")),
        "tlsPrivateKeyFile": str(pki.key("kubelet")),
        "containerRuntimeEndpoint": f"unix://{socket()}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "seccompDefault": True,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [layout.dns_ip],
        "resolvConf": str(resolver),
        "podLogsDir": str(paths.logs() / "pods"),
        # Seconds until a changed ConfigMap reaches the folder of a running pod; up to half as many more at random. A
        # signing key that is taken out must count no more within a minute.
        "syncFrequency": "20s",
        "volumePluginDir": str(paths.home() / "kubelet" / "volume-plugins"),
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
    }


def _name_servers() -> str:
    """Return the machine's name servers except those on loopback, which a pod can't reach."""
    for source in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if source.exists():
            lines = source.read_text().splitlines()
            return "".join(f"{line}\n" for line in lines if not line.startswith(("nameserver 127.", "nameserver ::1")))
    return ""


def _kube_proxy(layout: Layout, program: Path) -> Part:
    kubeconfig, config = kubeconfigs.path("kube-proxy"), paths.config() / "kube-proxy.json"
    settings = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": str(layout.pods),
        "hostnameOverride": NODE_NAME,
        "bindAddress": layout.node_ip,
        "healthzBindAddress": KUBE_PROXY_HEALTH,
        "metricsBindAddress": KUBE_PROXY_METRICS,
        "nodePortAddresses": [f"{layout.node_ip}/32"],
        "oomScoreAdj": 0,
        # Zero leaves the kernel's own settings of connection tracking unchanged.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    return Part(
        name="kube-proxy",
        argv=(str(program), *flags(config=config)),
        files=lambda: {kubeconfig: kubeconfigs.text(layout, "kube-proxy"), config: json.dumps(settings, indent=2)},
        after=("kube-apiserver",),
        listens=(KUBE_PROXY_HEALTH, KUBE_PROXY_METRICS),
        ready=answers(f"http://{KUBE_PROXY_HEALTH}/healthz"),
    )
