"""Downstreams that are not on the public internet: only the deliveries move into a VPC."""

from __future__ import annotations

from msgspec.structs import replace

from infra.stage import load
from orders.domain.saga import DOWNSTREAMS
from tests.infra.conftest import private
from tests.infra.templates import Templates

DELIVERIES = {f"deliver-{downstream}" for downstream in DOWNSTREAMS}
INTERFACES = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


def test_without_a_network_no_template_has_anything_of_a_vpc(
    local: Templates, dev: Templates, prod: Templates
) -> None:
    for templates in (local, dev, prod):
        assert "ec2:" not in str(templates.by_stack)
        assert not {type_ for type_ in templates.types() if type_.startswith("AWS::EC2")}
        assert not [one for one in templates.functions().values() if "VpcConfig" in one]


def test_the_three_deliveries_run_in_the_subnets_and_nothing_else(in_vpc: Templates) -> None:
    network = in_vpc.stage.network
    assert network is not None
    inside = {
        name: found["VpcConfig"]
        for name, found in in_vpc.functions().items()
        if "VpcConfig" in found
    }
    assert inside.keys() == DELIVERIES
    for config in inside.values():
        assert tuple(config["SubnetIds"]) == network.subnet_ids
        assert tuple(config["SecurityGroupIds"]) == network.security_group_ids


def test_lambda_may_make_network_interfaces_and_the_code_may_not(in_vpc: Templates) -> None:
    for name in in_vpc.functions():
        permissions = in_vpc.permissions_of(name)
        assert permissions.get("*", set()) == (INTERFACES if name in DELIVERIES else set())
    for name in DELIVERIES:
        [denied] = [one for one in in_vpc.statements_of(name) if one["Effect"] == "Deny"]
        assert set(denied["Action"]) == INTERFACES
        itself = denied["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
        assert in_vpc.named(itself) == f"spillway-private-{name}"


def test_a_delivery_is_made_after_the_permissions_that_its_making_needs(in_vpc: Templates) -> None:
    for name in DELIVERIES:
        function = in_vpc.resource("AWS::Lambda::Function", FunctionName=f"spillway-private-{name}")
        [role, policy] = sorted(function["DependsOn"], key=lambda id_: "Policy" in id_)
        assert function["Properties"]["Role"]["Fn::GetAtt"][0] == role
        assert policy.startswith(role.rstrip("0123456789ABCDEF"))


def test_what_a_delivery_calls_has_an_endpoint(in_vpc: Templates) -> None:
    endpoints = {
        found["ServiceName"]["Fn::Join"][1][-1]: found
        for found in in_vpc.resources("AWS::EC2::VPCEndpoint")
    }
    called = {
        action.partition(":")[0]
        for name in DELIVERIES
        for actions in in_vpc.permissions_of(name).values()
        for action in actions
    }
    # Lambda ships the logs, makes the interfaces and polls; a Lattice service is in the VPC.
    assert endpoints.keys() == {
        f".{service}" for service in called - {"logs", "ec2", "vpc-lattice-svcs"}
    }
    assert endpoints[".dynamodb"]["VpcEndpointType"] == "Gateway"
    assert endpoints[".dynamodb"]["RouteTableIds"] == ["rtb-0123456789abcdef0"]
    for service in (".sqs", ".ssm"):
        assert endpoints[service]["VpcEndpointType"] == "Interface"
        assert endpoints[service]["PrivateDnsEnabled"] is True
        assert len(endpoints[service]["SubnetIds"]) == 2


def test_the_endpoints_admit_the_deliveries_and_nobody_else(in_vpc: Templates) -> None:
    [group] = in_vpc.resources("AWS::EC2::SecurityGroup")
    [rule] = group["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (443, 443, "tcp")
    assert rule["SourceSecurityGroupId"] == "sg-0123456789abcdef0"
    assert "CidrIp" not in rule


def test_parameter_store_has_an_endpoint_only_where_a_key_is_read() -> None:
    stage = private()
    assert stage.interface_endpoints == ("sqs", "ssm")
    signed = stage.downstreams.inventory
    all_signed = replace(stage.downstreams, fulfilment=signed, accounting=signed)
    assert replace(stage, downstreams=all_signed).interface_endpoints == ("sqs",)
    assert load("prod").interface_endpoints == ()
