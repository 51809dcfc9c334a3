"""What lives in AWS: keys, buckets, the database, image repositories, and the roles of service accounts."""
