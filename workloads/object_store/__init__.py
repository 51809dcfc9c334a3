"""The S3 server of an environment without S3: its buckets and their owners."""
