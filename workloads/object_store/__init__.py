"""The platform's own S3 server, for environments without AWS S3: its client, its buckets and their owners."""
