"""Backups of MLflow's database that are proven to restore: create, list, verify, restore and prune.

A backup is a folder of objects, `<prefix>/<UTC start>-<random>/`, and what is in it tells its state:

- `database.dump`: the output of `pg_dump --format=custom`, streamed while it is made;
- `manifest.json`: written last, so a backup without it never counts;
- `verified.json` or `failed.json`: the result of the latest verification.

The artifacts of the runs lie in their own bucket and are not copied: versioning and replication of that bucket are
the stack's. A run logged after a backup keeps its artifacts there, with no row that names them after a restore.
"""
