"""An emulated AWS for tests: moto's server on loopback, with a network and a cluster in the account."""

import logging
from dataclasses import dataclass
from typing import Any

import botocore.session
import requests
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ISSUER = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
SERVICES = ("cloudwatch", "ec2", "ecr", "eks", "iam", "kms", "logs", "rds", "s3", "sns", "sts")


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A VPC and its subnets in the account."""

    vpc: str
    subnets: tuple[str, ...]


class Aws:
    """The emulated AWS. `reset` empties it."""

    def __init__(self) -> None:
        # Don't log each request, which would bury a test's output.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()

    def reset(self) -> None:
        """Delete everything."""
        requests.post(f"{self.url}/moto-api/reset", timeout=30).raise_for_status()

    def client(self, service: str) -> Any:
        """Return a client of a service."""
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def network(self) -> Network:
        """Create a VPC with a subnet in each of two zones."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for number, zone in enumerate("ab")
        ]
        return Network(vpc=vpc, subnets=tuple(each["Subnet"]["SubnetId"] for each in subnets))

    def cluster(self, name: str, network: Network) -> None:
        """Create an EKS cluster and its identity provider."""
        self.client("eks").create_cluster(
            name=name,
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks",
            resourcesVpcConfig={"subnetIds": list(network.subnets)},
        )
        self.client("iam").create_open_id_connect_provider(
            Url=ISSUER, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
        )
