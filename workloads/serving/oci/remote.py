"""A repository of a registry: read and write its blobs and manifests (distribution-spec 1.1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.oci import answers
from workloads.serving.oci.blob import Blob, digest_of, verified
from workloads.serving.oci.connection import Connection
from workloads.serving.oci.image import INDEXES, LARGEST_JSON, MANIFESTS, Descriptor, Image
from workloads.serving.oci.upload import Upload

_ACCEPT: Final = {"Accept": ", ".join(MANIFESTS + INDEXES)}
_OK, _CREATED, _ACCEPTED, _NOT_FOUND = 200, 201, 202, 404
_DIGEST_HEADER: Final = "docker-content-digest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """The repository `path` of the registry at the other end of `connection`."""

    connection: Connection
    path: str

    def manifest(self, digest: str) -> tuple[bytes, str]:
        """Return the content of a manifest or index, and its media type.

        Raises:
            WorkloadError: It is missing, too large, or not the content of `digest`.
        """

        def get() -> tuple[bytes, str]:
            with self.connection.answer(
                "GET", self._url(f"manifests/{digest}"), accepted=(_OK,), headers=_ACCEPT
            ) as answer:
                return answers.read(answer, LARGEST_JSON), answer.headers.get("content-type", "").partition(";")[0]

        content, media_type = self.connection.retried(get)
        if digest_of(content) != digest:
            raise WorkloadError(f"The registry's content of {digest} is not that content: refused.", Exit.NOT_VERIFIED)
        return content, media_type

    def has_manifest(self, digest: str) -> bool:
        """Return whether the repository has a manifest."""
        return self.connection.retried(lambda: self._has(f"manifests/{digest}"))

    def small_blob(self, descriptor: Descriptor) -> bytes:
        """Return a blob, such as a config, at once.

        Raises:
            WorkloadError: It is missing, too large, or not the content of its digest.
        """
        if descriptor.size > LARGEST_JSON:
            raise WorkloadError(
                f"{descriptor.digest} has {descriptor.size} bytes, and at most {LARGEST_JSON} are read: refused.",
                Exit.NOT_VERIFIED,
            )
        return self.connection.retried(lambda: b"".join(self.blocks(descriptor)))

    def blocks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield the content of a blob, and raise before its end if it isn't the content of its digest."""
        url = self._url(f"blobs/{descriptor.digest}")
        with self.connection.answer("GET", url, accepted=(_OK,)) as answer:
            yield from verified(answer.iter_raw(), descriptor.digest, descriptor.size)

    def push_blob(self, blob: Blob, mounted_from: str | None = None) -> None:
        """Store a blob, unless it is there; `mounted_from` is a repository of the same registry that has it."""
        upload = Upload(self.connection, blob, lambda: self._begin(blob, mounted_from))
        self.connection.retried(upload.attempt)

    def push_manifest(self, image: Image, tag: str) -> None:
        """Store a manifest under a tag and its digest, after all blobs that it names.

        Raises:
            WorkloadError: The registry refuses, or says that it stored something else.
        """

        def put() -> str | None:
            with self.connection.answer(
                "PUT",
                self._url(f"manifests/{tag}"),
                accepted=(_CREATED,),
                headers={"Content-Type": image.media_type, "Content-Length": str(image.manifest.size)},
                content=image.manifest.read,
            ) as answer:
                return answer.headers.get(_DIGEST_HEADER)

        digest = self.connection.retried(put)
        if digest not in (None, image.manifest.digest):
            raise WorkloadError(
                f"The registry {self.connection.host} stored {digest} in place of {image.manifest.digest}.",
                Exit.NOT_VERIFIED,
            )

    def _begin(self, blob: Blob, mounted_from: str | None) -> httpx.URL | None:
        """Open an upload session, or return None if the repository has the blob, perhaps from the other one."""
        if self._has(f"blobs/{blob.digest}"):
            return None
        mount = f"?mount={quote(blob.digest)}&from={quote(mounted_from, safe='')}" if mounted_from else ""
        url = self._url(f"blobs/uploads/{mount}")
        with self.connection.answer("POST", url, accepted=(_ACCEPTED, _CREATED)) as answer:
            if answer.status_code == _CREATED:
                return None
            return self.connection.next_url(url, answer.headers.get("location"))

    def _has(self, path: str) -> bool:
        with self.connection.answer("HEAD", self._url(path), accepted=(_OK, _NOT_FOUND), headers=_ACCEPT) as answer:
            return answer.status_code == _OK

    def _url(self, path: str) -> httpx.URL:
        return self.connection.url(f"{self.path}/{path}")
