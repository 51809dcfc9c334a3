"""Invalid environment variables: one line, a specific exit code, and no key."""

import json
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import Env, Exit
from workloads import cli, retry
from workloads.object_store import prepare

SECRET = "Wq8-sEcReT-7Zk2"
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
key = text | st.sampled_from([SECRET, f"{SECRET}\n", f"{SECRET}é"])
owner = st.fixed_dictionaries({"bucket": text | st.just("mlflow"), "access_key": text, "secret_key": key | st.none()})
owners = st.lists(owner, max_size=2).map(json.dumps) | text | st.sampled_from(["[" * 100_000, "9" * 5000])


@given(owners, key, text | st.sampled_from(["http://127.0.0.1:1", f"http://u:{SECRET}@127.0.0.1:1"]), text)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_variable_breaks_the_command_or_shows_a_key(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    listed: str,
    secret: str,
    endpoint: str,
    region: str,
) -> None:
    capsys.readouterr()
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    for name, value in {
        Env.BUCKET_OWNERS: listed,
        Env.S3_ENDPOINT: endpoint,
        "AWS_ACCESS_KEY_ID": "root",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": region,
    }.items():
        monkeypatch.setenv(name, value)
    try:
        cli.run(prepare.main, [])
    except SystemExit as stop:
        code = stop.code
    except Exception:  # noqa: BLE001 - any exception would be a traceback for the user
        pytest.fail(traceback.format_exc())
    printed = capsys.readouterr()
    assert code in (Exit.USAGE, Exit.OBJECT_STORE)
    assert SECRET not in printed.out + printed.err
    assert printed.err.splitlines()[-1].startswith("error: ")
