"""An environment's AWS account for the tests of its roles, and the policy of each role."""

import contracts
from infra.capabilities.backup.grants import WORKLOAD as BACKUP
from infra.capabilities.database.settings import SETUP_WORKLOAD
from infra.capabilities.monitoring.grants import WORKLOAD as EXPORTER
from infra.capabilities.serving.grants import DELIVERY_WORKLOAD, RECONCILER_WORKLOAD
from infra.capabilities.signing.grants import WORKLOAD as SIGNER
from infra.capabilities.tracking.grants import MIGRATION_WORKLOAD, SERVER_WORKLOAD
from infra.capabilities.training.grants import trainer
from infra.limits.account import Account
from infra.limits.grants import Stores, policy
from infra.limits.statements import AdminSecret, DatabaseUser, Document, EncryptedBucket

ACCOUNT_ID = "123456789012"
OTHER_ACCOUNT_ID = "999999999999"
REGION = "eu-west-1"
ACCOUNT = Account(
    project="aegis",
    environment="prod",
    account_id=ACCOUNT_ID,
    region=REGION,
    tags={"Environment": "prod", "Project": "aegis"},
    permissions_boundary=f"arn:aws:iam::{ACCOUNT_ID}:policy/boundary",
)
ISSUER = f"https://oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
OIDC_PROVIDER_ARN = f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{ISSUER.removeprefix('https://')}"


def key_arn(letter: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{letter * 8}-0000-4000-8000-000000000000"


# One key for all buckets, as in the stack. The encryption context distinguishes them.
BUCKET_KEY = key_arn("a")
DATABASE_KEY = key_arn("d")
OTHER_KEY = key_arn("f")
ARTIFACTS = EncryptedBucket(name=ACCOUNT.bucket_name("artifacts"), key_arn=BUCKET_KEY)
BACKUPS = EncryptedBucket(name=ACCOUNT.bucket_name("backups"), key_arn=BUCKET_KEY)
RELEASES = EncryptedBucket(name=ACCOUNT.bucket_name("releases"), key_arn=BUCKET_KEY)
DATABASE = DatabaseUser(resource_id="db-ABCDEFGHIJKLMNOPQRSTUVWXYZ", user="mlflow")
ADMIN_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:rds!db-11111111-2222-a1b2c3"
TEAM = "team-vision"

STORES = Stores(
    account=ACCOUNT,
    buckets={
        contracts.ARTIFACTS_BUCKET: ARTIFACTS,
        contracts.BACKUPS_BUCKET: BACKUPS,
        contracts.RELEASES_BUCKET: RELEASES,
    },
    login=DATABASE,
    secret=AdminSecret(arn=ADMIN_SECRET, key_arn=DATABASE_KEY),
)
POLICIES: dict[str, Document] = {
    "mlflow": policy(SERVER_WORKLOAD.grants, STORES),
    "backup": policy(BACKUP.grants, STORES),
    "exporter": policy(EXPORTER.grants, STORES),
    "migration": policy(MIGRATION_WORKLOAD.grants, STORES),
    "trainer": policy(trainer(TEAM).grants, STORES),
    "signer": policy(SIGNER.grants, STORES),
    "reconciler": policy(RECONCILER_WORKLOAD.grants, STORES),
    "delivery": policy(DELIVERY_WORKLOAD.grants, STORES),
    "database-setup": policy(SETUP_WORKLOAD.grants, STORES),
}
