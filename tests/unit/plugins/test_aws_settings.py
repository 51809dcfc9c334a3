"""Settings that the plugin reads from the provider resource, whose inputs arrive as JSON texts."""

import pytest

from local.plugins.aws.settings import read
from local.plugins.provider import PluginError
from local.plugins.values import Bag

CONFIG: Bag = {
    "region": "eu-central-1",
    "accessKey": "key",
    "secretKey": "secret",
    "endpoints": '[{"s3":"http://127.0.0.1:1","rds":"http://127.0.0.1:2"}]',
    "allowedAccountIds": '["123456789012"]',
    "s3UsePathStyle": "true",
    "skipMetadataApiCheck": "true",
}


def test_lists_and_flags_are_parsed_from_json() -> None:
    settings = read(CONFIG, {})
    assert settings.endpoints == {"s3": "http://127.0.0.1:1", "rds": "http://127.0.0.1:2"}
    assert settings.allowed_accounts == ("123456789012",)
    assert settings.path_style is True


def test_region_and_keys_default_to_awss_environment_variables() -> None:
    environment = {"AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    settings = read({"endpoints": CONFIG["endpoints"]}, environment)
    assert (settings.region, settings.access_key, settings.secret_key) == ("us-west-2", "k", "s")


def test_the_session_token_in_the_environment_isnt_used_with_the_providers_keys() -> None:
    assert read(CONFIG, {"AWS_SESSION_TOKEN": "of other keys"}).token is None


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("region", "no region"), ("secretKey", "no credentials"), ("endpoints", "talks to an emulated AWS only")],
)
def test_a_missing_setting_is_named(missing: str, expected: str) -> None:
    with pytest.raises(PluginError, match=expected):
        read({name: value for name, value in CONFIG.items() if name != missing}, {})


def test_an_input_that_only_the_official_plugin_supports_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="but not assumeRoles, profile"):
        read(CONFIG | {"profile": "prod", "assumeRoles": '[{"roleArn":"x"}]'}, {})
