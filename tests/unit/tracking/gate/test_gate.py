"""Every way to a guarded alias or stage, with models that verify and with models that don't."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from mlflow.exceptions import MlflowException
from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR

from tests.support.gated_server import FILES, Answer, GatedServer, Models, Version, gated_store, tags
from tests.support.local_signer import LocalSigner
from workloads.tracking.gate.bucket_folder import BucketFolder
from workloads.tracking.gate.store import GatedStore

ALTERED = FILES["data/weights.bin"][:-1] + b"\0"
PERMISSION_DENIED = "PERMISSION_DENIED"


def alias(
    server: GatedServer, version: Version, api: str = "api/2.0", alias: str = "champion", method: str = "POST"
) -> Answer:
    path = f"{api}/mlflow/registered-models/alias"
    return server.call(method, path, name=version.name, alias=alias, version=version.number)


def stage(server: GatedServer, version: Version, api: str = "api/2.0", stage: str = "Production") -> Answer:
    path = f"{api}/mlflow/model-versions/transition-stage"
    return server.call(
        "POST", path, name=version.name, version=version.number, stage=stage, archive_existing_versions=False
    )


def refused_everywhere(server: GatedServer, version: Version) -> str:
    """Try every way, check that each is refused and that nothing moved, and return the reason."""
    answers = [alias(server, version, api) for api in ("api/2.0", "ajax-api/2.0")]
    answers += [stage(server, version, api) for api in ("api/2.0", "ajax-api/2.0")]
    answers += [alias(server, version, alias=name) for name in ("Champion", "CANDIDATE", "production")]
    answers.append(stage(server, version, stage="staging"))
    for answer in answers:
        assert (answer.status, answer.body["error_code"]) == (403, PERMISSION_DENIED)
        assert "\n" not in answer.message
    with pytest.raises(MlflowException) as by_client:
        server.client.set_registered_model_alias(version.name, "champion", version.number)
    with pytest.raises(MlflowException) as by_stage:
        server.client.transition_model_version_stage(version.name, version.number, "Production")
    assert {by_client.value.error_code, by_stage.value.error_code} == {PERMISSION_DENIED}
    assert unmoved(server, version)
    return answers[0].message


def refused(server: GatedServer, version: Version) -> str:
    """Try an alias and a stage, check that both are refused, and return the reason."""
    answers = [alias(server, version), stage(server, version)]
    assert [(answer.status, answer.body["error_code"]) for answer in answers] == [(403, PERMISSION_DENIED)] * 2
    return answers[0].message


def unmoved(server: GatedServer, version: Version) -> bool:
    found = server.client.get_model_version(version.name, version.number)
    return (found.aliases, found.current_stage) == ([], "None")


def test_a_signed_version_gets_every_alias_and_stage(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    version = models.signed(signer)
    for name in ("champion", "Champion", "candidate", "production"):
        assert alias(server, version, alias=name).status == 200
    assert alias(server, version, "ajax-api/2.0").status == 200
    for name in ("Staging", "production", "Archived", "None", "Production"):
        assert stage(server, version, stage=name).status == 200
    found = models.read(version)
    assert (sorted(found.aliases), found.current_stage) == (
        ["Champion", "candidate", "champion", "production"],
        "Production",
    )


def test_an_unsigned_version_gets_none(server: GatedServer, models: Models) -> None:
    version = models.version()
    message = refused_everywhere(server, version)
    assert message == (
        f"{version.name} version 1 can't get the guarded alias 'champion': it is not signed. Release the model with "
        "`python -m workloads.release.run`, or promote a signed version with `python -m workloads.registry promote`."
    )


def test_what_is_not_guarded_stays_free(server: GatedServer, models: Models) -> None:
    version = models.version()
    assert alias(server, version, alias="shadow").status == 200
    assert stage(server, version, stage="Archived").status == 200
    assert alias(server, version, alias="shadow", method="DELETE").status == 200
    server.client.rename_registered_model(version.name, f"{version.name}-renamed")
    assert server.client.get_registered_model(f"{version.name}-renamed").aliases == {}


def test_a_guarded_alias_can_be_deleted(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    version = models.signed(signer)
    assert alias(server, version).status == 200
    server.trust(LocalSigner(), 1)
    assert alias(server, version, method="DELETE").status == 200
    assert unmoved(server, version)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda put, folder: put(f"{folder}/data/weights.bin", ALTERED), "its file data/weights.bin was changed"),
        (lambda put, folder: put(f"{folder}/data/weights.bin", b"short"), "its size differs"),
        (lambda put, folder: put(f"{folder}/data/evil.py", b"print()"), "the file 'data/evil.py' was added"),
        (lambda put, folder: put(f"{folder}/two\nlines", b""), r"the file 'two\nlines' was added"),
        (None, "its file MLmodel is missing"),
    ],
    ids=["one byte", "size", "added", "added with a line break", "removed"],
)
@pytest.mark.parametrize("moved_before", [False, True])
def test_altered_files_are_found(
    server: GatedServer,
    models: Models,
    signer: LocalSigner,
    root: Path,
    change: Callable[..., None] | None,
    reason: str,
    moved_before: bool,
) -> None:
    version = models.signed(signer)
    if moved_before:
        assert alias(server, version).status == alias(server, version, method="DELETE").status == 200
    if change is None:
        (root / version.folder / "MLmodel").unlink()
    else:
        change(models.put, version.folder)
    message = refused_everywhere(server, version) if reason.endswith("bin was changed") else refused(server, version)
    assert reason in message
    assert "Restore the files as they were signed" in message
    models.put(f"{version.folder}/MLmodel", FILES["MLmodel"])
    models.put(f"{version.folder}/data/weights.bin", FILES["data/weights.bin"])
    for extra in ("data/evil.py", "two\nlines"):
        (root / version.folder / extra).unlink(missing_ok=True)
    assert alias(server, version).status == 200


def test_one_byte_altered_in_the_bucket_is_found(
    server: GatedServer, bucket: str, in_bucket: Models, signer: LocalSigner
) -> None:
    version = in_bucket.signed(signer)
    assert alias(server, version).status == 200
    seal = in_bucket.read(version).tags["aegis.gate.seal"]
    assert alias(server, version).status == alias(server, version, method="DELETE").status == 200
    assert in_bucket.read(version).tags["aegis.gate.seal"] == seal
    in_bucket.put(f"{version.folder}/data/weights.bin", ALTERED)
    assert "its file data/weights.bin was changed" in refused_everywhere(server, version)
    in_bucket.put(f"{version.folder}/extra", b"x")
    assert "the file 'extra' was added" in refused(server, version)
    for removed in ("extra", "MLmodel"):
        boto3.client("s3").delete_object(Bucket=bucket, Key=f"mlflow/{version.folder}/{removed}")
    assert "its file MLmodel is missing" in refused(server, version)


def registered_at(server: GatedServer, plain: Version, source: str) -> Version:
    """Register the files of a version under another address, in the store: MLflow's handlers refuse some addresses."""
    made = gated_store().create_model_version(plain.name, source, plain.run_id)
    return Version(name=plain.name, number=str(made.version), run_id=plain.run_id, folder=plain.folder)


@pytest.mark.parametrize(
    ("root", "address", "status"),
    [
        ("s3://artifacts/mlflow", "s3://artifacts/mlflow/{folder}", 200),
        ("s3://artifacts/mlflow/", "s3://artifacts/mlflow/{folder}", 200),
        ("s3://artifacts/mlflow", "s3://artifacts/{folder}", 403),
        ("s3://artifacts/mlflow", "s3://artifacts/mlflow-old/{folder}", 403),
        ("s3://artifacts/mlflow", "s3://elsewhere/mlflow/{folder}", 403),
        ("s3://artifacts/mlflow", "S3://artifacts/mlflow/{folder}", 403),
        ("s3://artifacts/mlflow", "s3://artifacts/mlflow//{folder}", 403),
        # The clients of a server with a proxy may have another S3 under the same names.
        ("mlflow-artifacts:/", "s3://artifacts/mlflow/{folder}", 403),
    ],
)
def test_only_the_bucket_that_clients_share_counts(
    server: GatedServer,
    in_bucket: Models,
    signer: LocalSigner,
    monkeypatch: pytest.MonkeyPatch,
    root: str,
    address: str,
    status: int,
) -> None:
    boto3.client("s3").create_bucket(Bucket="elsewhere")
    monkeypatch.setenv(ARTIFACT_ROOT_ENV_VAR, root)
    plain = in_bucket.version()
    source = address.format(folder=plain.folder)
    bucket, _, prefix = source[len("s3://") :].partition("/")
    for path, content in FILES.items():
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=content)
    version = registered_at(server, plain, source)
    in_bucket.sign(version, signer)
    answer = alias(server, version)
    assert answer.status == status
    assert ("can't be checked" in answer.message) == (status == 403)


def test_answers_without_a_date_are_never_settled(
    server: GatedServer, in_bucket: Models, signer: LocalSigner, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = BucketFolder._pages

    def undated(folder: BucketFolder) -> Iterator[dict[str, Any]]:
        for page in pages(folder):
            del page["ResponseMetadata"]["HTTPHeaders"]["date"]
            yield page

    monkeypatch.setattr(BucketFolder, "_pages", undated)
    version = in_bucket.signed(signer)
    assert alias(server, version).status == 200
    assert "aegis.gate.seal" not in in_bucket.read(version).tags


def test_all_pages_of_a_bucket_are_listed(
    server: GatedServer, in_bucket: Models, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    files = {f"part-{number}": b"x" for number in range(5)}
    version = in_bucket.version(files=files)
    in_bucket.sign(version, signer, files=files)
    assert alias(server, version).status == 200


def test_files_with_the_time_set_back_are_read_again(
    server: GatedServer, models: Models, signer: LocalSigner, root: Path
) -> None:
    version = models.signed(signer)
    assert alias(server, version).status == alias(server, version, method="DELETE").status == 200
    weights = root / version.folder / "data/weights.bin"
    before = weights.stat()
    with weights.open("r+b") as stream:
        stream.write(b"\1")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "its file data/weights.bin was changed" in refused(server, version)


def test_a_symbolic_link_is_refused(server: GatedServer, models: Models, signer: LocalSigner, root: Path) -> None:
    version = models.signed(signer)
    weights = root / version.folder / "data/weights.bin"
    weights.rename(root / "elsewhere.bin")
    weights.symlink_to(root / "elsewhere.bin")
    assert "data/weights.bin is not a regular file" in refused(server, version)


def test_a_foreign_key_is_refused(server: GatedServer, models: Models) -> None:
    assert "signed with a key that isn't trusted" in refused_everywhere(server, models.signed(LocalSigner()))


def test_a_key_version_that_is_taken_out_counts_no_more(
    server: GatedServer, models: Models, signer: LocalSigner
) -> None:
    signer.rotate()
    server.trust(signer, 1, 2)
    old, new = models.signed(signer), models.version()
    models.sign(new, signer, key=2)
    assert alias(server, old).status == alias(server, new).status == 200
    assert alias(server, old, method="DELETE").status == 200
    server.trust(signer, 2)
    assert "isn't trusted" in refused_everywhere(server, old)
    assert alias(server, new).status == 200
    server.trust(signer, 1, 2)
    assert alias(server, old).status == 200


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_without_trusted_keys_everything_is_refused(
    server: GatedServer, models: Models, signer: LocalSigner, content: bytes
) -> None:
    version = models.signed(signer)
    assert alias(server, version).status == alias(server, version, method="DELETE").status == 200
    (server.keys / "signing-keys.pem").write_bytes(content)
    assert "the tracking server has no trusted key" in refused(server, version)
    (server.keys / "signing-keys.pem").unlink()
    assert "the tracking server has no trusted key" in refused(server, version)
    server.trust(signer, 1)
    assert alias(server, version).status == 200


def test_evidence_for_something_else_is_refused(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    other = models.signed(signer)
    attempts: tuple[tuple[dict[str, Any], str], ...] = (
        ({"model": other.name}, f"it was signed as model '{other.name}'"),
        ({"run_id": other.run_id}, f"it was signed as run '{other.run_id}'"),
        ({"files": {**FILES, "MLmodel": b"flavors: {}#"}}, "its file MLmodel was changed"),
    )
    for claims, reason in attempts:
        version = models.version()
        models.sign(version, signer, **claims)
        assert reason in refused(server, version)


def test_copied_evidence_is_refused(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    good = models.signed(signer)
    assert alias(server, good).status == 200
    bad = models.version(good.name, {**FILES, "data/weights.bin": ALTERED})
    for name, value in models.read(good).tags.items():
        server.client.set_model_version_tag(bad.name, bad.number, name, value)
    assert "it was signed as run" in refused_everywhere(server, bad)


def test_a_copied_version_is_refused(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    good = models.signed(signer)
    copy = server.client.copy_model_version(f"models:/{good.name}/1", f"{good.name}-copy")
    version = Version(name=copy.name, number=str(copy.version), run_id=good.run_id, folder=good.folder)
    assert f"it was signed as model '{good.name}'" in refused_everywhere(server, version)


def test_a_cut_signature_is_refused(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    version = models.version()
    for name, value in tags(version, signer).items():
        server.client.set_model_version_tag(version.name, version.number, name, value[:-8])
    assert "Release the model" in refused(server, version)


def test_a_model_with_a_guarded_alias_or_stage_keeps_its_name(
    server: GatedServer, models: Models, signer: LocalSigner
) -> None:
    version = models.signed(signer)
    assert alias(server, version).status == 200
    rename = "ajax-api/2.0/mlflow/registered-models/rename"
    answer = server.call("POST", rename, name=version.name, new_name=f"{version.name}-new")
    assert answer.status == 403
    assert f"it was signed as model '{version.name}'" in answer.message
    assert alias(server, version, method="DELETE").status == stage(server, version).status == 200
    with pytest.raises(MlflowException, match="was signed as model"):
        server.client.rename_registered_model(version.name, f"{version.name}-new")
    # Signed for the new name, it may be renamed.
    models.sign(version, signer, model=f"{version.name}-new")
    server.client.rename_registered_model(version.name, f"{version.name}-new")
    assert server.client.get_model_version(f"{version.name}-new", version.number).current_stage == "Production"


def test_prompts_keep_their_aliases(server: GatedServer, models: Models) -> None:
    name = f"{models.version().name}-prompt"
    prompt = server.client.register_prompt(name, "Say {{word}}")
    server.client.set_prompt_alias(name, "production", prompt.version)
    found = server.client.get_prompt_version_by_alias(name, "production")
    assert found is not None
    assert found.version == prompt.version


def test_a_model_doesn_t_pass_as_a_prompt(server: GatedServer, models: Models) -> None:
    version = models.version()
    tag = {"name": version.name, "key": "mlflow.prompt.is_prompt", "value": "true"}
    server.call("POST", "api/2.0/mlflow/model-versions/set-tag", version=version.number, **tag)
    server.call("POST", "api/2.0/mlflow/registered-models/set-tag", **tag)
    for answer in (alias(server, version), stage(server, version)):
        assert (answer.status, "it is not signed" in answer.message) == (403, True)


def is_prompt(server: GatedServer, version: Version, *, of_model: bool, value: str | None = "true") -> Answer:
    """Set the tag that marks a prompt, or delete it."""
    resource, number = ("registered-models", {}) if of_model else ("model-versions", {"version": version.number})
    tag = {"name": version.name, "key": "mlflow.prompt.is_prompt", **number}
    if value is None:
        return server.call("DELETE", f"api/2.0/mlflow/{resource}/delete-tag", **tag)
    return server.call("POST", f"api/2.0/mlflow/{resource}/set-tag", value=value, **tag)


def placeholder(server: GatedServer, name: str) -> Version:
    """Add a version without files, as MLflow's client does for a prompt."""
    tag = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    path = "api/2.0/mlflow/model-versions/create"
    answer = server.call("POST", path, name=name, source="dummy-source", tags=[tag])
    return Version(name=name, number=str(answer.body["model_version"]["version"]), run_id="", folder="")


def prompt(server: GatedServer, name: str) -> Version:
    server.client.register_prompt(name, "Say {{word}}")
    return Version(name=name, number="1", run_id="", folder="")


def test_a_version_without_files_passes_only_in_a_prompt(server: GatedServer, models: Models) -> None:
    unmarked = f"{models.version().name}-unmarked"
    server.client.create_registered_model(unmarked)
    assert "it is not signed" in refused(server, placeholder(server, unmarked))
    model = models.version()
    version = placeholder(server, model.name)
    assert is_prompt(server, model, of_model=True).status == 200
    assert "it is not signed" in refused(server, version)
    gated_store().delete_model_version(model.name, model.number)
    assert alias(server, version).status == 200


@pytest.mark.parametrize("give", [alias, stage])
def test_a_prompt_with_a_guarded_alias_or_stage_stays_a_prompt(
    server: GatedServer, models: Models, give: Callable[..., Answer]
) -> None:
    plain = models.version()
    version = prompt(server, f"{plain.name}-prompt")
    assert give(server, version).status == 200
    answers = [
        is_prompt(server, version, of_model=of_model, value=value)
        for of_model in (True, False)
        for value in (None, "false", "")
    ]
    assert [answer.status for answer in answers] == [403] * 6
    with pytest.raises(MlflowException, match="holds a guarded alias or stage"):
        server.client.create_model_version(version.name, f"mlflow-artifacts:/{plain.folder}", plain.run_id)
    assert all(is_prompt(server, version, of_model=of_model).status == 200 for of_model in (True, False))
    newer = placeholder(server, version.name)
    assert is_prompt(server, newer, of_model=False, value=None).status == 200
    gated_store().delete_model_version(newer.name, newer.number)
    gated_store().rename_registered_model(version.name, f"{version.name}-new")
    gated_store().delete_registered_model(f"{version.name}-new")


def test_a_model_with_a_guarded_alias_doesn_t_become_a_prompt(
    server: GatedServer, models: Models, signer: LocalSigner
) -> None:
    version = models.signed(signer)
    assert alias(server, version).status == 200
    for of_model in (True, False):
        answer = is_prompt(server, version, of_model=of_model)
        assert (answer.status, answer.body["error_code"]) == (403, PERMISSION_DENIED)
    models.version(version.name)
    assert alias(server, version, method="DELETE").status == 200
    assert is_prompt(server, version, of_model=True).status == 200


@pytest.mark.parametrize(
    "name", ["\uff43hampion", "\N{MATHEMATICAL BOLD SMALL C}hampion", "ch\u0430mpion", "champ\u0131on"]
)
def test_an_alias_that_looks_like_a_guarded_one_is_guarded(server: GatedServer, models: Models, name: str) -> None:
    version = models.version()
    answer = alias(server, version, alias=name)
    assert (answer.status, "it is not signed" in answer.message) == (403, True)
    assert unmoved(server, version)


def test_while_a_file_is_uploaded_clients_are_told_to_try_again(
    server: GatedServer, models: Models, signer: LocalSigner, root: Path
) -> None:
    version = models.signed(signer)
    for name in ("data/.weights.bin.sgwtmp.123", ".MLmodel.sgwtmp.7"):
        models.put(f"{version.folder}/{name}", b"half")
        answer = alias(server, version)
        assert (answer.status, "is being uploaded" in answer.message) == (503, True)
        (root / version.folder / name).unlink()
    models.put(f"{version.folder}/x.sgwtmp.1", b"whole")
    assert "was added" in refused(server, version)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("mlflow-artifacts://evil.example:80/{folder}", "it names a server"),
        ("mlflow-artifacts:///{folder}", "it names a server"),
        ("mlflow-artifacts:/{folder}%2f..%2fmodel", "its path is not plain"),
        ("mlflow-artifacts:/{folder}/../model", "its path is not plain"),
        ("mlflow-artifacts:/{folder}/./", "its path is not plain"),
        ("mlflow-artifacts:/{folder}/", "its path is not plain"),
        ("mlflow-artifacts:/{folder}?a=b", "its path is not plain"),
        ("mlflow-artifacts:/{folder};", "its path is not plain"),
        ("mlflow-artifacts:/ATT:/{folder}", "its path is not plain"),
        ("mlflow-artifacts:/att:/{folder}", "its path is not plain"),
        ("mlflow-artifacts:/api/2.0/mlflow-artifacts/artifacts", "its path is not plain"),
        ("mlflow-artifacts:{folder}", "of the kind 'mlflow-artifacts'"),
        ("MLFLOW-ARTIFACTS:/{folder}", "of the kind 'MLFLOW-ARTIFACTS'"),
        ("Mlflow-artifacts:/{folder}", "of the kind 'Mlflow-artifacts'"),
        (" mlflow-artifacts:/{folder}", "a blank at an end"),
        ("\u2003mlflow-artifacts:/{folder}", "it holds a control character"),
        ("mlflow-artifacts:/{folder} ", "a blank at an end"),
        ("mlflow-artifacts:/{folder}\n", "it holds a control character"),
        ("gs://bucket/{folder}", "can't list a store of the kind 'gs'"),
        ("http://evil.example/api/2.0/mlflow-artifacts/artifacts/{folder}", "of the kind 'http'"),
    ],
)
def test_files_that_clients_could_find_elsewhere_are_refused(
    server: GatedServer, models: Models, signer: LocalSigner, root: Path, source: str, reason: str
) -> None:
    plain = models.version()
    address = source.format(folder=plain.folder)
    # Where a server that takes the address literally would find good files.
    if address.isprintable():
        for path, content in FILES.items():
            models.put(f"{address.removeprefix('mlflow-artifacts:/').lstrip('/')}/{path}", content)
    version = registered_at(server, plain, address)
    models.sign(version, signer)
    assert reason in refused(server, version)


@pytest.mark.parametrize("path", ["ATT:/x", "data/ATT:x", "a%41", "a#b", "a?b", "a;", "att:/x"])
def test_files_that_clients_could_get_under_another_name_are_refused(
    server: GatedServer, models: Models, signer: LocalSigner, path: str
) -> None:
    files = {**FILES, path: b"x"}
    version = models.version(files=files)
    models.sign(version, signer, files=files)
    assert f"its file {path!r} has a name" in refused(server, version)


@pytest.mark.parametrize(
    ("place", "source", "status"),
    [
        ("file://{root}", "file://{root}/{folder}", 200),
        ("{root}", "{root}/{folder}", 200),
        ("file://{root}/", "file://{root}/{folder}", 200),
        # A blank in the root's path, which is the operator's, is escaped in every address.
        ("file://{root}/%2e", "file://{root}/%2e/{folder}", 200),
        ("file://{root}", "{root}/{folder}", 403),
        ("file://{root}", "FILE://{root}/{folder}", 403),
        ("file://{root}", "file://localhost{root}/{folder}", 403),
        ("file://{root}", "file://{root}//{folder}", 403),
        ("file://{root}", "file://{root}/{folder}%2e", 403),
        ("{root}/elsewhere", "file://{root}/{folder}", 403),
        ("mlflow-artifacts:/", "file://{root}/{folder}", 403),
        ("s3://artifacts/mlflow", "file://{root}/{folder}", 403),
    ],
)
def test_local_folders_count_only_where_clients_keep_artifacts_there(
    server: GatedServer,
    models: Models,
    signer: LocalSigner,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    source: str,
    status: int,
) -> None:
    monkeypatch.setenv(ARTIFACT_ROOT_ENV_VAR, place.format(root=root))
    plain = models.version()
    version = registered_at(server, plain, source.format(root=root, folder=plain.folder))
    models.sign(version, signer)
    answer = alias(server, version)
    assert answer.status == status
    assert ("can't be checked" in answer.message) == (status == 403)


def sign_and_alter(models: Models, version: Version, signer: LocalSigner) -> None:
    models.sign(version, signer, key=2)
    models.put(f"{version.folder}/data/weights.bin", ALTERED)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda models, version, signer: None,
        sign_and_alter,
        lambda models, version, signer: models.sign(version, LocalSigner()),
        lambda models, version, signer: models.sign(version, signer, key=1),
    ],
    ids=["unsigned", "altered", "foreign key", "revoked key version"],
)
def test_of_two_clients_at_once_only_the_version_that_verifies_wins(
    server: GatedServer, models: Models, signer: LocalSigner, spoil: Callable[[Models, Version, LocalSigner], None]
) -> None:
    signer.rotate()
    good = models.version()
    bad = models.version(good.name)
    models.sign(good, signer, key=2)
    spoil(models, bad, signer)
    server.trust(signer, 2)
    answers: dict[str, list[int]] = {good.number: [], bad.number: []}

    def move(version: Version) -> None:
        for _ in range(10):
            answers[version.number] += [alias(server, version).status, stage(server, version).status]

    # One client per version: MLflow itself refuses one of two clients that create the same alias at once.
    threads = [threading.Thread(target=move, args=(version,)) for version in (good, bad)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {good.number: [200] * 20, bad.number: [403] * 20}
    assert models.read(good).aliases == ["champion"]
    assert unmoved(server, bad)


def test_two_clients_that_create_an_alias_at_once_both_succeed(
    server: GatedServer, models: Models, signer: LocalSigner
) -> None:
    for _ in range(5):
        version = models.signed(signer)
        with ThreadPoolExecutor(4) as clients:
            answers = list(clients.map(lambda _, version=version: alias(server, version), range(4)))
        assert [answer.status for answer in answers] == [200] * 4


def test_a_version_replaced_during_the_check_gets_nothing(
    server: GatedServer, models: Models, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = models.signed(signer)
    store = gated_store()
    check = store._gate.check

    def slow(*args: object) -> None:
        check(*args)  # type: ignore[arg-type] - passed on unchanged
        store.delete_registered_model(version.name)
        store.create_registered_model(version.name)
        store.create_model_version(version.name, "mlflow-artifacts:/evil", version.run_id)

    monkeypatch.setattr(store._gate, "check", slow)
    answer = alias(server, version)
    assert (answer.status, answer.body["error_code"]) == (403, PERMISSION_DENIED)
    assert "was replaced during the check" in answer.message
    assert unmoved(server, version)
    assert stage(server, version).status == 403


def test_a_prompt_that_becomes_a_model_during_the_check_gets_nothing(
    server: GatedServer, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = prompt(server, f"{models.version().name}-prompt")
    store = gated_store()
    verified = store._verified

    def slow(*args: str) -> object:
        allowed = verified(*args)
        store.delete_registered_model_tag(version.name, "mlflow.prompt.is_prompt")
        return allowed

    monkeypatch.setattr(store, "_verified", slow)
    answer = alias(server, version)
    assert (answer.status, "was replaced during the check" in answer.message) == (403, True)
    assert store.get_registered_model(version.name).aliases == {}


def test_a_way_that_the_gate_doesn_t_know_is_refused(models: Models) -> None:
    """MLflow may get new ways to write an alias; the rows give them away."""
    version = models.version()
    store = gated_store()
    with pytest.raises(MlflowException, match="was not checked"):
        super(GatedStore, store).set_registered_model_alias(version.name, "champion", version.number)
    with pytest.raises(MlflowException, match="was not checked"):
        super(GatedStore, store).transition_model_version_stage(
            version.name, version.number, "Production", archive_existing_versions=False
        )


def test_a_version_that_doesn_t_exist_is_answered_as_by_mlflow(server: GatedServer, models: Models) -> None:
    version = models.version()
    missing = Version(name=version.name, number="7", run_id="", folder="")
    assert alias(server, missing).status == stage(server, missing).status == 404
