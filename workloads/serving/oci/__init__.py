"""The image of a model version: the files of the version as one more layer on the image `serving`, without a builder.

Each version is served from an image of its own, so that nothing is downloaded or installed when a server starts. There
are two ways to make one inside a cluster:

- **buildah, rootless**, runs a `Containerfile`. It needs a user namespace with subordinate ids, the setuid helpers
  `newuidmap` and `newgidmap`, and either fuse-overlayfs with /dev/fuse or the driver `vfs`, which copies every layer.
  The Pod Security Standard "restricted" forbids privilege escalation, which setuid helpers need, and the seccomp
  profile and the capabilities that this takes. It also downloads and unpacks the whole base image, gigabytes with
  PyTorch, to add a few files.
- **Appending a layer**, as `crane append` does, runs nothing: it writes a tar, a config and a manifest, and sends them
  over HTTP. The base image's layers stay where they are.

We append. It works in a restricted pod as any user without any capability, takes seconds and constant memory, and
gives the same digest for the same version and base. It can't install packages, which the image `serving` has already.

Sources:
- https://github.com/containers/buildah/blob/main/docs/tutorials/05-openshift-rootless-build.md
- https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
- https://github.com/google/go-containerregistry/blob/main/cmd/crane/doc/crane_append.md
- https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
- https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""
