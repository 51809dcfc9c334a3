"""What the plugin takes from the provider resource, whose inputs come as texts of JSON."""

import pytest

from local.plugins.aws.settings import read
from local.plugins.provider import PluginError
from local.plugins.values import Bag

GIVEN: Bag = {
    "region": "eu-central-1",
    "accessKey": "key",
    "secretKey": "secret",
    "endpoints": '[{"s3":"http://127.0.0.1:1","rds":"http://127.0.0.1:2"}]',
    "allowedAccountIds": '["123456789012"]',
    "s3UsePathStyle": "true",
    "skipMetadataApiCheck": "true",
}


def test_lists_and_flags_are_read_from_their_json() -> None:
    settings = read(GIVEN, {})
    assert settings.endpoints == {"s3": "http://127.0.0.1:1", "rds": "http://127.0.0.1:2"}
    assert settings.allowed_accounts == ("123456789012",)
    assert settings.path_style is True


def test_region_and_keys_come_from_awss_own_variables_where_the_provider_says_nothing() -> None:
    environment = {"AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    settings = read({"endpoints": GIVEN["endpoints"]}, environment)
    assert (settings.region, settings.access_key, settings.secret_key) == ("us-west-2", "k", "s")


def test_the_providers_keys_go_without_the_environments_token() -> None:
    assert read(GIVEN, {"AWS_SESSION_TOKEN": "of other keys"}).token is None


@pytest.mark.parametrize(
    ("without", "told"),
    [("region", "no region"), ("secretKey", "no credentials"), ("endpoints", "talks to an emulated AWS only")],
)
def test_what_is_missing_is_named(without: str, told: str) -> None:
    with pytest.raises(PluginError, match=told):
        read({name: value for name, value in GIVEN.items() if name != without}, {})


def test_what_only_the_official_plugin_can_do_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="but not assumeRoles, profile"):
        read(GIVEN | {"profile": "prod", "assumeRoles": '[{"roleArn":"x"}]'}, {})
