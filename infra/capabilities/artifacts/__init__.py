"""The buckets of artifacts, backups and releases: on an S3 server in the cluster or in Amazon S3."""
