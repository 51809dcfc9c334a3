"""Conversion between Pulumi's names and AWS's, and comparison of policies by meaning."""

import json

from local.plugins.aws.documents import equivalent, from_aws, text, to_aws
from local.plugins.values import UNKNOWN, Secret

NAMES = {"id": "ID", "kmsMasterKeyId": "KMSMasterKeyID"}
PULUMI = {"rules": [{"id": "a", "kmsMasterKeyId": "k", "filter": {"and": {"prefix": "", "tags": {"my-tag": "1"}}}}]}
AWS = {
    "Rules": [
        {
            "ID": "a",
            "KMSMasterKeyID": "k",
            "Filter": {"And": {"Prefix": "", "Tags": [{"Key": "my-tag", "Value": "1"}]}},
        }
    ]
}


def test_names_and_tags_are_translated_both_ways() -> None:
    assert to_aws(PULUMI, NAMES) == AWS
    assert from_aws(AWS, NAMES) == PULUMI


def test_none_is_left_out() -> None:
    assert to_aws({"prefix": None, "days": 0}, NAMES) == {"Days": 0}


def test_order_and_lists_of_one_dont_matter_in_a_policy() -> None:
    one = {"Statement": [{"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*", "Effect": "Allow"}]}
    other = {"Statement": {"Effect": "Allow", "Resource": ["*"], "Action": ["s3:PutObject", "s3:GetObject"]}}
    assert equivalent(json.dumps(one), json.dumps(other, indent=2))


def test_a_different_action_is_a_different_policy() -> None:
    one = '{"Statement": [{"Action": "s3:GetObject"}]}'
    assert not equivalent(one, one.replace("Get", "Put"))


def test_a_document_may_be_an_object_and_keeps_its_secret_marks() -> None:
    assert text({"a": 1}) == '{"a":1}'
    assert text({"a": UNKNOWN}) is UNKNOWN
    assert text({"a": Secret("s")}) == Secret('{"a":"s"}')
    assert text('{"a": 1}') == '{"a": 1}', "a text stays as the program wrote it"
