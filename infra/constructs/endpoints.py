"""How functions in a VPC without a way to the internet reach AWS."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.stage import Network, Stage

_HTTPS = 443


class AwsEndpoints(Construct):
    """A gateway endpoint for DynamoDB, and an interface endpoint in each subnet for each other
    service that a delivery calls. All of the VPC uses them: a VPC has one of a kind at most, else
    CloudFormation says so, and `aws_by = "existing"` is the setting."""

    def __init__(self, scope: Construct, id_: str, *, network: Network, stage: Stage) -> None:
        super().__init__(scope, id_)
        self._stack, self._vpc_id = Stack.of(self), str(network.vpc_id)
        ec2.CfnVPCEndpoint(
            self,
            "Dynamodb",
            vpc_endpoint_type="Gateway",
            service_name=self._service("dynamodb"),
            vpc_id=self._vpc_id,
            route_table_ids=list(network.route_table_ids),
        )
        callers = self._callers(network, stage)
        for service in stage.interface_endpoints:
            ec2.CfnVPCEndpoint(
                self,
                service.capitalize(),
                vpc_endpoint_type="Interface",
                service_name=self._service(service),
                vpc_id=self._vpc_id,
                subnet_ids=list(network.subnet_ids),
                security_group_ids=[callers.attr_group_id],
                # The SDK's usual addresses lead here.
                private_dns_enabled=True,
            )

    def _service(self, name: str) -> str:
        return f"com.amazonaws.{self._stack.region}.{name}"

    def _callers(self, network: Network, stage: Stage) -> ec2.CfnSecurityGroup:
        """Admits the deliveries, and nobody else."""
        return ec2.CfnSecurityGroup(
            self,
            "Callers",
            group_description=f"Who may use the endpoints of {stage.resource_name('deliver')}",
            vpc_id=self._vpc_id,
            security_group_ingress=[
                ec2.CfnSecurityGroup.IngressProperty(
                    ip_protocol="tcp",
                    from_port=_HTTPS,
                    to_port=_HTTPS,
                    source_security_group_id=group,
                    description="Deliveries",
                )
                for group in network.security_group_ids
            ],
        )
