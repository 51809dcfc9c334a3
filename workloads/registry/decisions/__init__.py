"""Signed decisions about a registered model: nominate, promote, roll back, and their history.

The decisions are a chain of records in the place of the releases. A record is created under the next number only if no
other process created one, and names its predecessor's digest, so that the chain decides which of two decisions made at
the same time counts. MLflow's aliases can't decide that: they are set without a condition. They follow the chain's last
record.
"""
