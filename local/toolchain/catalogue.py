"""The tools, the Go modules that they are built from, and the versions that are accepted from this machine.

Only the `go.mod` in each module's folder contains the exact versions. To change one, run these in that folder:
`go get <module>@<version>`, then `go list -mod=mod -deps tool >/dev/null`, which completes `go.mod` and `go.sum`. For
Kubernetes, also change the version in each line of the `replace` block.
"""

from collections.abc import Iterable, Mapping

from local.errors import LocalError
from local.toolchain.model import Accepted, Module, Tool

_KUBERNETES = Accepted(at_least=(1, 34), below=(1, 35))
# kubectl may be one minor version older or newer than the API server.
_KUBECTL = Accepted(at_least=(1, 33), below=(1, 36), command=("version", "--client"))
_KUBERNETES_VERSION = tuple(
    f"{package}.{variable}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for variable in ("gitVersion={version}", "gitMajor={major}", "gitMinor={minor}")
)


def _kubernetes(name: str, purpose: str, about_seconds: int, accepted: Accepted = _KUBERNETES) -> Tool:
    return Tool(
        name=name,
        purpose=purpose,
        about_seconds=about_seconds,
        source="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        variables=_KUBERNETES_VERSION,
        accepted=accepted,
    )


_CLUSTER = Module(
    folder="cluster",
    tools=(
        _kubernetes("kube-apiserver", "serves the Kubernetes API", 180),
        _kubernetes("kube-controller-manager", "runs Kubernetes' own controllers", 80),
        _kubernetes("kube-scheduler", "assigns pods to the node", 20),
        _kubernetes("kubelet", "runs the node's pods", 70),
        _kubernetes("kube-proxy", "routes the addresses of services", 20),
        _kubernetes("kubectl", "is Kubernetes' command line", 30, _KUBECTL),
        Tool(
            name="etcd",
            purpose="stores the cluster's objects",
            about_seconds=15,
            source="go.etcd.io/etcd/server/v3",
            package="go.etcd.io/etcd/server/v3",
            accepted=Accepted(at_least=(3, 6), below=(3, 7)),
        ),
        Tool(
            name="pause",
            purpose="holds the namespaces of a pod",
            about_seconds=2,
            package="aegis/toolchain/cluster/pause",
        ),
        Tool(
            name="coredns",
            purpose="resolves the names of services",
            about_seconds=10,
            source="github.com/coredns/coredns",
            package="aegis/toolchain/cluster/coredns",
        ),
        Tool(
            name="kube-router",
            purpose="enforces network policies",
            about_seconds=30,
            source="github.com/cloudnativelabs/kube-router/v2",
            package="github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
            variables=("github.com/cloudnativelabs/kube-router/v2/pkg/version.Version={version}",),
        ),
        Tool(
            name="local-path-provisioner",
            purpose="provides folders as persistent volumes",
            about_seconds=20,
            source="github.com/rancher/local-path-provisioner",
            package="github.com/rancher/local-path-provisioner",
            variables=("main.VERSION={version}",),
        ),
        Tool(
            name="metrics-server",
            purpose="measures pods for the autoscaler",
            about_seconds=25,
            source="sigs.k8s.io/metrics-server",
            package="sigs.k8s.io/metrics-server/cmd/metrics-server",
            variables=tuple(text for text in _KUBERNETES_VERSION if "{version}" in text),
        ),
    ),
)

_PULUMI = Module(
    folder="pulumi",
    tools=(
        Tool(
            name="pulumi",
            purpose="deploys a stack",
            about_seconds=130,
            source="github.com/pulumi/pulumi/pkg/v3",
            package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            variables=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",),
            accepted=Accepted(at_least=(3, 250), below=(4, 0), command=("version",)),
        ),
        Tool(
            name="pulumi-language-python-exec",
            purpose="starts a program for pulumi-language-python",
            about_seconds=1,
            source="github.com/pulumi/pulumi/sdk/v3",
            script="python/cmd/pulumi-language-python-exec",
            beside="pulumi",
        ),
    ),
)

# Since 3.79, the official language host is a separate Go module, which isn't available at the engine's version.
_PULUMI_LANGUAGE_PYTHON = Module(
    folder="pulumi-language-python",
    tools=(
        Tool(
            name="pulumi-language-python",
            purpose="runs Pulumi programs and policies in Python",
            about_seconds=40,
            source="github.com/pulumi/pulumi/sdk/v3",
            package="aegis/toolchain/pulumi-language-python/pulumi-language-python",
            variables=("main.version={version}",),
            beside="pulumi",
        ),
    ),
)

_VERSITYGW = Module(
    folder="versitygw",
    tools=(
        Tool(
            name="versitygw",
            purpose="serves a folder as S3",
            about_seconds=60,
            source="github.com/versity/versitygw",
            package="github.com/versity/versitygw/cmd/versitygw",
            variables=("main.Version={version}",),
        ),
    ),
)

_VAULT = Module(
    folder="vault",
    tags="minimal",
    tools=(
        Tool(
            name="vault",
            purpose="keeps the signing key",
            about_seconds=230,
            source="github.com/hashicorp/vault",
            package="github.com/hashicorp/vault",
        ),
        Tool(
            # The tag `minimal` leaves out this plugin, along with dozens that aren't needed.
            name="vault-plugin-auth-kubernetes",
            purpose="lets pods log in to Vault",
            about_seconds=15,
            source="github.com/hashicorp/vault-plugin-auth-kubernetes",
            package="github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes",
        ),
    ),
)

_KUBE_STATE_METRICS = Module(
    folder="kube-state-metrics",
    tools=(
        Tool(
            name="kube-state-metrics",
            purpose="tells Prometheus the states of the cluster's objects",
            about_seconds=120,
            source="k8s.io/kube-state-metrics/v2",
            package="k8s.io/kube-state-metrics/v2",
            variables=("github.com/prometheus/common/version.Version={version}",),
        ),
    ),
)

_COSIGN = Module(
    folder="cosign",
    tools=(
        Tool(
            name="cosign",
            purpose="verifies our signatures in the tests and the benchmark",
            about_seconds=150,
            source="github.com/sigstore/cosign/v2",
            package="github.com/sigstore/cosign/v2/cmd/cosign",
            variables=("sigs.k8s.io/release-utils/version.gitVersion={version}",),
            accepted=Accepted(at_least=(2, 6), below=(4, 0), command=("version",)),
        ),
    ),
)

_REGISTRY = Module(
    folder="registry",
    tools=(
        Tool(
            name="registry",
            purpose="is the image registry that the tests push to",
            about_seconds=100,
            source="github.com/distribution/distribution/v3",
            package="github.com/distribution/distribution/v3/cmd/registry",
            variables=("github.com/distribution/distribution/v3/version.version={version}",),
        ),
    ),
)

# A small module comes first, to keep the processors busy while the sources of a large one are downloaded.
MODULES = (_PULUMI_LANGUAGE_PYTHON, _PULUMI, _CLUSTER, _VERSITYGW, _VAULT, _KUBE_STATE_METRICS, _COSIGN, _REGISTRY)
TOOLS: Mapping[str, Tool] = {tool.name: tool for module in MODULES for tool in module.tools}


def module_of(tool: Tool) -> Module:
    """Return the module that `tool` is built from."""
    return next(module for module in MODULES if tool in module.tools)


def select(names: Iterable[str]) -> list[Tool]:
    """Return the tools with these names.

    Raises:
        LocalError: A name is unknown; lists the known ones.
    """
    chosen = list(names)
    if unknown := [name for name in chosen if name not in TOOLS]:
        raise LocalError(f"No such tool: {', '.join(unknown)}. The tools are {', '.join(TOOLS)}.")
    return [TOOLS[name] for name in chosen]
