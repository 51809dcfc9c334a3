"""Create, list, verify, restore and prune backups of MLflow's database.

A backup is a folder of objects, `<prefix>/<UTC start>-<random>/`, whose content shows its state:

- `database.dump`: the output of `pg_dump --format=custom`, uploaded while pg_dump runs;
- `manifest.json`: written last, so a backup without it never counts;
- `verified.json` or `failed.json`: the result of the latest verification.

The artifacts of the runs are in a separate bucket and not copied: the stack sets up versioning and replication of that
bucket. After a restore, the artifacts of runs logged later than the backup are still there, but no row names them.
"""
