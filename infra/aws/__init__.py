"""Components in AWS: keys, buckets, databases, image repositories and the IAM roles of service accounts."""
