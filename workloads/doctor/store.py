"""Print what MLflow's server sees of its artifacts bucket: the clock, an object, and a presigned address to test."""

import json
import os
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from contracts import Env

# Of an object that nobody stores: whoever reaches the store is told so.
_KEY = "aegis-doctor"
_SECONDS = 60


def facts(client: BaseClient, bucket: str, prefix: str) -> dict[str, Any]:
    """Return the facts of a bucket; the clocks are in seconds since 1970."""
    before = time.time()
    answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    after = time.time()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    key = f"{prefix}/{_KEY}".lstrip("/")
    return {
        "bucket": bucket,
        "object": next((item["Key"] for item in answer.get("Contents", ())), None),
        "store_clock": parsedate_to_datetime(date).timestamp() if date else None,
        "pod_clock": (before + after) / 2,
        "direct": os.environ.get(Env.DIRECT_TRANSFERS) == "true",
        "presigned": client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=_SECONDS
        ),
    }


def main() -> None:
    """Print the facts."""
    place = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"])
    client = boto3.client("s3", config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2}))
    print(json.dumps(facts(client, place.netloc, place.path.strip("/"))))


if __name__ == "__main__":
    main()
