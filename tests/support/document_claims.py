"""How each command in the README and the guides is tested. Exactly one claim must match each command.

A claim is a pattern for whole commands, so only a new kind of command needs a new claim. Most commands are `Run` as
written by tests/platform/test_documented_commands.py, except for what differs by machine (`instead`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.support.documents import Command

# The platform from `make up`, with its `make env`, or the empty AWS account of `make preview`.
World = Literal["platform", "account"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A command that runs as written in `world`, with placeholders replaced by `instead`, between `before` and `after`.

    The output must match the patterns in `answers`. `before` and `after` find the repository at $CHECKOUT.
    """

    pattern: str
    world: World = "platform"
    instead: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """A command that `file` runs, either itself or the command behind its make target, as a Python list."""

    pattern: str
    file: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NotHere:
    """A command that test machines can't run. Its syntax is checked, and its arguments if the program is ours."""

    pattern: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A command that a sentence mentions. The program's help must list it and its options."""

    pattern: str


Claim = Run | Elsewhere | NotHere | Name

_TRAINED = "test -d out/model || python -m workloads.training.train_deepspeed --out-dir out --max-epochs 1"
_SIGNED = f"{_TRAINED}; test -f model.tar.gz || python -m workloads.signing package-and-sign out/model model.tar.gz"
_BACKUP = "python -m workloads.backup.create"
_PROD = (
    "pulumi stack select prod || pulumi stack init prod --secrets-provider awskms://alias/aegis-prod?region=us-west-2"
)
_CLUSTER = "needs a cluster of kind, k3d or minikube, or one with a registry"
# Nobody is there to answer Pulumi's confirmation prompts.
_YES, _ASK = "export PULUMI_SKIP_CONFIRMATIONS=true", "unset PULUMI_SKIP_CONFIRMATIONS"
_DOCKER = "builds from images of public registries with Docker's BuildKit"

CLAIMS: Sequence[Claim] = (
    # The platform, from its summary to its end.
    Elsewhere(pattern=r"make (up|destroy|clean)( STACK=\w+)?", file="tests/phases.py"),
    Elsewhere(pattern=r"make down", file="tests/platform/test_repairs.py"),
    Elsewhere(pattern=r"make test", file=".ci/run"),
    Run(pattern=r"make (help|status|env)( STACK=\w+)?"),
    Elsewhere(pattern=r"make doctor", file="tests/platform/test_doctor.py"),
    Name(pattern=r"python -m local\.doctor --list"),
    Name(pattern=r"make status ARGS=--watch"),
    Run(
        pattern=r"python -m infra\.capabilities\.monitoring\.dashboards dashboards", answers=(r"aegis-registry\.json",)
    ),
    Run(pattern=r'eval "\$\(make -s env\)"'),
    Run(pattern=r"make preview( STACK=\w+)?", answers=(r"Resources:",)),
    NotHere(
        pattern=r"make (lint|test-unit)",
        reason="the phases format, lint, types and unit of `make test` run the same commands",
    ),
    Elsewhere(
        pattern=r"make (setup-mlflow|train-model|compare-models|promote-model|serve-model|doctor-client|start-mlflow)",
        file="tests/platform/test_laptop.py",
    ),
    Name(pattern=r"make (start-mlflow|train-model) ARGS=.*"),
    Name(pattern=r"make doctor-client ENV=prod"),
    NotHere(pattern=r"make lock", reason="needs a package index, and would change requirements.txt"),
    Run(pattern=r"python -m pytest -q tests/unit/\w+", answers=(r"\d+ passed",)),
    Run(pattern=r"make settings", after="diff $CHECKOUT/docs/settings.md docs/settings.md"),
    NotHere(pattern=r"make bench-[\w-]+", reason="measures for minutes with the whole machine"),
    NotHere(pattern=r"AEGIS_CONTEXT=\S+ .*", reason=_CLUSTER),
    NotHere(
        pattern=r"(buildah unshare )?rm -r ~/\.cache/aegis",
        reason="would cost the tests' machine its tools: forty minutes of building",
    ),
    NotHere(pattern=r'kubectl --context "\$AEGIS_CONTEXT"', reason=_CLUSTER),
    NotHere(pattern=r"kind load|(docker|podman|buildah) login", reason=_CLUSTER),
    NotHere(pattern=r"apt-get install buildah uidmap", reason="would change the tests' machine"),
    Run(pattern=r"python -m local\.(toolchain|images) --(list|help)", answers=(r"vault",)),
    Run(pattern=r"python -m local\.toolchain [a-z]+"),
    # Pulumi, by hand.
    # No changes: nothing else is counted.
    Run(pattern=r"pulumi preview", answers=(r"Resources:\n +\d+ unchanged\n",)),
    Run(pattern=r"pulumi preview --stack local", answers=(r"\d+ unchanged",)),
    Run(pattern=r"pulumi refresh --preview-only --stack local", answers=(r"\d+ unchanged",)),
    Run(pattern=r"pulumi (config (set|rm|get)|stack output)( .*)? --stack local"),
    Run(
        pattern=r"pulumi up --refresh --stack local",
        # Undo the changes that the guide suggested before.
        before=f"cp $CHECKOUT/stacks/Pulumi.local.yaml stacks/; {_YES}",
        after=_ASK,
        answers=(r"\d+ unchanged",),
    ),
    Run(pattern=r"pulumi stack (output|export)( --show-secrets)?", answers=(r"mlflow_url",)),
    Run(pattern=r"pulumi stack init prod .*", world="account"),
    Run(pattern=r"pulumi config (set|rm) --stack prod .*", world="account"),
    Run(
        pattern=r"pulumi up --stack prod",
        world="account",
        # Without this setting, the update would use AWS itself.
        before=f"{_YES}; pulumi config set --stack prod --path aegis:aws.emulated true",
        after=f"{_ASK}; pulumi config rm --stack prod --path aegis:aws.emulated",
    ),
    NotHere(
        pattern=r"pulumi config set --path aegis:vault\.minKeyVersion 2 --stack prod|pulumi up --refresh --stack prod",
        reason="would take out the only version of the stack's signing key",
    ),
    Run(pattern=r"kubectl -n mlflow annotate pods --all --overwrite .*"),
    Run(pattern=r"pulumi stack output image_repositories", world="account", answers=("mlflow", "trainer", "workloads")),
    Run(pattern=r"python -m review (preview|drift) --stack prod( .*)?", world="account", before=_PROD),
    Run(pattern=r"python -m review comment \S+( --json)?", world="account", answers=("prod",)),
    NotHere(pattern=r"pulumi login s3://\S+", reason="needs a bucket of AWS"),
    Run(pattern=r"python -m infra\.alerts \w+ > alerts\.yaml", after="grep -q 'alert: ' alerts.yaml"),
    NotHere(pattern=r'pip install "aegis @ git\+https://\S+"', reason="needs a Git server"),
    # Workloads, by hand.
    Run(pattern=r"python -m workloads\.training\.train_deepspeed --out-dir out( .*)?", after="test -d out/model"),
    Elsewhere(
        pattern=r"python -m workloads\.training\.train_code_model .*",
        file="tests/unit/training/language/test_train_code_model.py",
    ),
    Run(pattern=r"python -m workloads\.registry\.select_best_run .*", answers=(r"^[0-9a-f]{32}$",)),
    Run(
        pattern=r"python -m workloads\.registry check-policy .*",
        instead={"check-policy FILE": "check-policy workloads/registry/examples/policy.yaml"},
        answers=(r"^digits \(\w{64}\): signature, ",),
    ),
    Run(pattern=r"python -m workloads\.registry compare .*", answers=(r"^(run_name|version) .*run_id",)),
    Run(pattern=r"python -m workloads\.registry best .*", answers=(r"^([0-9a-f]{32}|\d+)$",)),
    Run(
        pattern=r"MLFLOW_TRACKING_URI=file:\S+ python -m workloads\.(training|registry)\.\w+ .*",
        after="test -d mlruns",
    ),
    Run(
        pattern=r"python -m workloads\.registry nominate .*",
        instead={"classifier 3": "classifier 1"},
        answers=(r"^candidate of aegis-classifier is version 1",),
    ),
    NotHere(
        pattern=r"python -m workloads\.serving\.watching report .*|for pod in .*|kubectl -n serving exec .*|done",
        reason="needs a served model; tests/unit/serving/watching/test_report.py reports on answers of one",
    ),
    NotHere(
        pattern=r"python -m workloads\.release\.run .*",
        reason="each update of the platform runs it in the release Job",
    ),
    Run(
        pattern=r"python -m workloads\.registry history .*",
        before=f"{_SIGNED}; python -m workloads.registry nominate aegis-classifier 1",
        answers=(r"nominate +candidate",),
    ),
    NotHere(
        pattern=r"python -m workloads\.registry( (auto-)?promote| rollback|\.compare_and_promote_models) .*",
        reason="moves the champion of the platform's model; tests/platform/test_promotion.py does it to another one",
    ),
    Run(pattern=r"python -m workloads\.serving status", answers=(r"^aegis-classifier +\S+@champion ",)),
    Run(
        pattern=r"python -m workloads\.serving history (digits|MODEL|aegis-classifier)",
        instead={"digits": "aegis-classifier", "MODEL": "aegis-classifier"},
        # Records only once it is a champion, which the platform's tests may not have made it.
        answers=(r"^number +time +action ",),
    ),
    # MLflow has no such model, so that nothing is started.
    Run(
        pattern=r"python -m workloads\.serving deploy .* --no-wait",
        instead={"digits/3": "documented/3"},
        after="python -m workloads.serving remove documented",
        answers=(r"^documented/3 is asked for$",),
    ),
    Run(
        pattern=r"python -m workloads\.serving remove (digits|aegis-classifier)",
        instead={"digits": "documented", "aegis-classifier": "documented"},
        before="python -m workloads.serving deploy documented --no-wait",
        answers=(r"^documented is not asked for any more",),
    ),
    NotHere(
        pattern=r"python -m workloads\.serving (deploy (?!.*--no-wait)|rollback ).*",
        reason="needs another signed model; tests/platform/test_serving.py deploys one, and "
        "tests/unit/serving/test_commands.py takes a version back",
    ),
    Run(
        pattern=r"python -m workloads\.signing(\.package_and_sign| package-and-sign) .*",
        instead={"MODEL_DIR": "out/model"},
        before=_TRAINED,
        answers=(r"signed by \S+ version \d+",),
    ),
    NotHere(
        pattern=r"python -m workloads\.signing verify models:/\S+ .*",
        reason="needs a version with the alias and the keys in a file; tests/unit/client runs it",
    ),
    Run(
        pattern=r"python -m workloads\.serving\.delivery digits 3 .*",
        instead={"digits 3": "aegis-classifier 1"},
        after="test -f served/evidence/version.json",
    ),
    Run(
        pattern=r"python -m workloads\.serving\.server\.check \./served/model .*",
        instead={"digits": "aegis-classifier"},
        before="python -m workloads.serving.delivery aegis-classifier 1 --to ./served",
        answers=(r" is verified: \d+ files of aegis-classifier, ",),
    ),
    Run(pattern=r"python -m workloads\.serving\.server --help", answers=(r"--port",)),
    NotHere(
        pattern=r"curl http://127\.0\.0\.1:8080/v2/models/.*",
        reason="needs the server of a certain model; tests/unit/serving/server sends such requests",
    ),
    Name(pattern=r"mlflow models serve"),
    Run(pattern=r"python -m workloads\.signing[. ]verify (?!models:).*", before=_SIGNED, answers=(r"is verified",)),
    Run(pattern=r"cosign (trusted-root create|verify-blob --key) .*", before=_SIGNED),
    Run(pattern=r"base64 -d \S+ > \S+ && openssl dgst -sha256 -verify .*", before=_SIGNED, answers=("Verified OK",)),
    Run(
        pattern=r"python -m workloads\.conversion\.convert_to_onnx out/model .*",
        before=_TRAINED,
        answers=(r"fp32 .* same class 100\.00%",),
    ),
    Run(
        pattern=r"vault write -f transit/keys/aegis-cosign/rotate",
        # Don't rotate the platform's own key, because the commands above verify signatures of its first version.
        instead={"aegis-cosign": "documented"},
        before="vault write -f transit/keys/documented type=ecdsa-p256",
        after="vault write transit/keys/documented/config deletion_allowed=true &&"
        " vault delete transit/keys/documented",
    ),
    Run(pattern=r"python -m workloads\.gateway --help", answers=(r"--workers",)),
    # Backups, by hand and in the cluster.
    Run(pattern=r"python -m workloads\.backup\.create .*--verify.*", answers=(r"\bverified\b",)),
    Run(pattern=r"python -m workloads\.backup\.list( .*)?"),
    Run(
        pattern=r"PGDATABASE=drill python -m workloads\.backup\.restore",
        before=f"{_BACKUP}; psql --dbname postgres --command 'DROP DATABASE IF EXISTS drill'",
        after="psql --dbname postgres --command 'DROP DATABASE drill'",
    ),
    Run(
        pattern=r"kubectl -n mlflow create job by-hand --from=cronjob/backup",
        before="kubectl -n mlflow delete job by-hand --ignore-not-found",
        after="kubectl -n mlflow wait job/by-hand --for=condition=Complete --timeout=120s &&"
        " kubectl -n mlflow delete job by-hand",
    ),
    Run(
        pattern=r"kubectl -n mlflow create job restore --from=cronjob/backup .*",
        before="kubectl -n mlflow delete job restore --ignore-not-found",
    ),
    Run(pattern=r"until kubectl -n mlflow logs -f job/restore; do .*", answers=(r"restored \d+ tables",)),
    Run(
        pattern=r"kubectl -n mlflow rollout restart deployment/mlflow",
        after="kubectl -n mlflow rollout status deployment/mlflow --timeout=600s",
    ),
    Run(pattern=r"kubectl -n serving (logs -l aegis\.serving/part=server\S* --prefix --tail=100|get pods -L \S+)"),
    Run(pattern=r"kubectl -n mlflow delete job restore"),
    Run(pattern=r"kubectl -n mlflow get (pods|jobs|hpa|pvc|events --sort-by=\.lastTimestamp)"),
    Run(pattern=r"kubectl -n mlflow top pods"),
    NotHere(pattern=r"openssl s_client -connect HOST:443 .*", reason="asks a public host for its certificate"),
    Run(pattern=r"kubectl -n \w+ logs (deployment|statefulset)/[\w-]+ --tail=100"),
    Run(pattern=r"kubectl --namespace vault logs statefulset/vault \| grep '.*'"),
    Run(
        pattern=r"kubectl -n mlflow describe pod NAME",
        instead={"NAME": '"$(kubectl -n mlflow get pods --output name | head -1 | cut -d/ -f2)"'},
    ),
    # Images, with Docker.
    Run(pattern=r"uv=\$\(sed .* requirements\.txt\)", after='test -n "$uv"'),
    NotHere(pattern=r"image(\(\) \{.*| \S.*)", reason=_DOCKER),
    NotHere(
        pattern=r"python -m workloads\.serving\.oci .*",
        reason="needs a registry with the image `serving`; tests/platform/test_model_image.py has another base",
    ),
    # Commands that a sentence mentions.
    Name(pattern=r"pulumi (up|destroy|state unprotect)( --stack local)?"),
    Name(pattern=r"pulumi (up --refresh|preview --json|refresh --preview-only --expect-no-changes)"),
    Name(pattern=r"python -m (review|infra\.alerts \w+)"),
    Name(pattern=r"kubectl (patch|create -f \S+)"),
    Name(pattern=r"mlflow (gc|server)"),
    Name(pattern=r"cosign verify-blob --(bundle|signature)"),
    Name(pattern=r"openssl dgst -verify"),
    Name(pattern=r"model_signing verify key"),
)


def claims_on(command: Command) -> list[Claim]:
    """Return the claims that match a command. `Name` only matches commands in a sentence."""
    claims = (claim for claim in CLAIMS if command.in_text or not isinstance(claim, Name))
    return [claim for claim in claims if re.fullmatch(claim.pattern, command.key)]
