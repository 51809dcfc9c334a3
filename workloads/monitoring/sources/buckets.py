"""The sizes of the buckets."""

from collections.abc import Iterator

from workloads.monitoring import stores
from workloads.monitoring.samples import Sample
from workloads.monitoring.stores import Store
from workloads.object_store import s3


def read() -> Iterator[Sample]:
    """Yield the size of each bucket, with all versions of its objects, as they all take space."""
    for store in stores.from_env():
        size = _size(store)
        yield Sample(name="aegis_bucket_bytes", value=size, labels=(store.name,))
        if store.name == "artifacts":
            yield Sample(name="aegis_artifact_bytes", value=size)


def _size(store: Store) -> int:
    with store.keys():
        client = s3.connect()
    # A role may list a folder only under its name with the slash.
    folder = f"{store.prefix}/" if store.prefix else ""
    try:
        pages = client.get_paginator("list_object_versions").paginate(Bucket=store.bucket, Prefix=folder)
        return sum(entry["Size"] for page in pages for entry in page.get("Versions", ()))
    except s3.ERRORS as error:
        raise s3.failure(store.bucket, error) from error
