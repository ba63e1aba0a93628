"""A walk through the operations that change something: requests that could be meant, from a seed.

Ids are mostly those that are there, so that many requests are done and many are refused.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv6Network
from random import Random
from typing import Any

from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION, Client

#: An id of no resource, behind its prefix.
_NOTHING = "00000000000000fff"
_PORTS = (22, 80, 443)
_CIDRS = ("0.0.0.0/0", "10.0.0.0/16", "192.0.2.7/24", "10.0.1.7/32")
_CIDRS6 = ("::/0", "2001:db8::/32", "2600:1f00::/24")
_NAMES = ("web", "db", "Web", "cache", "lb")

#: Where is walked: two accounts in a region, and one of them in another region.
PLACES = ((ACCOUNT, REGION), (OTHER_ACCOUNT, REGION), (ACCOUNT, "us-east-1"))

Request = dict[str, Any]


class Walk:
    """The next request of a caller, out of what a state has.

    Parameters
    ----------
    client : Client
    random : Random

    """

    def __init__(self, client: Client, random: Random) -> None:
        self.client = client
        self.random = random

    # What requests are made of

    def one(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)

    def often(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def rows(self, kind: str) -> list[Any]:
        """The resources of a kind of this caller; sometimes those of everybody."""
        state = self.client.endpoint.state
        if self.often(0.1):
            return sorted((row.resource for row in state.rows(kind)), key=str)
        return list(self.client.world.every(kind))

    def resource(self, kind: str, has: str = "") -> Any:
        """A resource of a kind; one that has something at a member, if there is one."""
        found = self.rows(kind)
        found = [each for each in found if each.get(has)] or found
        return self.one(found) if found else {}

    def an(self, kind: str) -> str:
        described = self.client.endpoint.state.kinds[kind]
        found = self.rows(kind)
        if not found or self.often(0.03):
            return f"{described.prefix}-{_NOTHING}"
        return described.id_of(self.one(found))

    def some(self, kind: str, most: int = 2) -> list[str]:
        return [self.an(kind) for _ in range(self.random.randint(1, most))]

    def part(self, kind: str, members: str, key: str) -> str:
        """A value within a list of a resource: the id of an association."""
        found = [
            each[key]
            for resource in self.rows(kind)
            for each in resource.get(members) or ()
            if key in each
        ]
        return str(self.one(found)) if found else "none-" + _NOTHING

    def maybe(self, chance: float = 0.5, **members: Any) -> Request:
        return members if self.often(chance) else {}

    def tags(self, resource_type: str) -> Request:
        tag = {"Key": self.one(_NAMES), "Value": self.one(_NAMES)}
        return self.maybe(0.2, TagSpecifications=[{"ResourceType": resource_type, "Tags": [tag]}])

    def traffic(self) -> Request:
        protocol = self.one(("tcp", "udp", "icmp", "-1", "50", "icmpv6"))
        if protocol in ("icmp", "icmpv6"):
            return {"IpProtocol": protocol, "FromPort": self.one((-1, 8)), "ToPort": -1}
        if protocol in ("-1", "50"):
            return {"IpProtocol": protocol}
        first, last = sorted((self.one(_PORTS), self.one(_PORTS)))
        return {"IpProtocol": protocol, "FromPort": first, "ToPort": last}

    def permission(self) -> Request:
        peers: Request = self.one(
            (
                {"IpRanges": [{"CidrIp": self.one(_CIDRS)}]},
                {"Ipv6Ranges": [{"CidrIpv6": self.one(_CIDRS6), "Description": "six"}]},
                {"PrefixListIds": [{"PrefixListId": self.an("ManagedPrefixList")}]},
                {"UserIdGroupPairs": [self.pair()]},
                {"IpRanges": [{"CidrIp": each} for each in _CIDRS[:2]]},
            )
        )
        return {**self.traffic(), **peers}

    def pair(self) -> Request:
        rows = list(self.client.endpoint.state.rows("SecurityGroup"))
        row = self.one(sorted(rows, key=lambda each: each.resource_id))
        return {"GroupId": row.resource_id, "UserId": row.account_id}

    def rules(self) -> Request:
        return {
            "GroupId": self.an("SecurityGroup"),
            "IpPermissions": [self.permission() for _ in range(self.random.randint(1, 3))],
        }

    def known_rules(self) -> Request:
        """Rules of a group that are there."""
        rule = self.resource("SecurityGroupRule")
        if not rule:
            return self.rules()
        ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort")}
        if "CidrIpv4" in rule and self.often():
            ranges = [{"CidrIp": rule["CidrIpv4"]}]
            return {
                "GroupId": rule["GroupId"],
                "IpPermissions": [{**ports, "IpRanges": ranges}],
            }
        return {
            "GroupId": rule["GroupId"],
            "SecurityGroupRuleIds": [rule["SecurityGroupRuleId"]],
        }

    def modified_rules(self) -> Request:
        rule = self.resource("SecurityGroupRule")
        if not rule:
            return {"GroupId": "sg-" + _NOTHING, "SecurityGroupRules": []}
        new: Request = self.traffic()
        for key, choices in (("CidrIpv4", _CIDRS), ("CidrIpv6", _CIDRS6)):
            if key in rule:
                new[key] = self.one(choices)
        if "PrefixListId" in rule:
            new["PrefixListId"] = self.an("ManagedPrefixList")
        if "ReferencedGroupInfo" in rule:
            new["ReferencedGroupId"] = self.pair()["GroupId"]
        update = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": new}
        return {"GroupId": rule["GroupId"], "SecurityGroupRules": [update]}

    def descriptions(self) -> Request:
        rule = self.resource("SecurityGroupRule")
        if not rule:
            return self.rules()
        told = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "Description": "told"}
        return {"GroupId": rule["GroupId"], "SecurityGroupRuleDescriptions": [told]}

    def block_of(self, vpc: Request) -> str:
        """A /24 of a VPC."""
        first = vpc.get("CidrBlock", "10.0.0.0/16").split(".")
        return f"{first[0]}.{first[1]}.{self.random.randrange(6)}.0/24"

    def block6_of(self, vpc: Request) -> str:
        for each in vpc.get("Ipv6CidrBlockAssociationSet") or ():
            network = int(IPv6Network(each["Ipv6CidrBlock"]).network_address)
            return str(IPv6Network((network + (self.random.randrange(3) << 64), 64)))
        return "2001:db8::/64"

    def subnet(self) -> Request:
        vpc = self.resource("Vpc")
        return {
            "VpcId": vpc.get("VpcId", "vpc-" + _NOTHING),
            "CidrBlock": self.block_of(vpc),
            **self.maybe(0.3, AvailabilityZone=f"{self.client.region}b"),
            **self.maybe(0.4, Ipv6CidrBlock=self.block6_of(vpc)),
            **self.tags("subnet"),
        }

    def subnet_block(self) -> Request:
        subnet = self.resource("Subnet")
        vpc = self.client.world.get("Vpc", subnet.get("VpcId", "")) or {}
        return {
            "SubnetId": subnet.get("SubnetId", "subnet-" + _NOTHING),
            "Ipv6CidrBlock": self.block6_of(dict(vpc)),
        }

    def entry(self) -> Request:
        protocol = self.one(("6", "17", "-1", "1"))
        return {
            "NetworkAclId": self.an("NetworkAcl"),
            "RuleNumber": self.one((10, 20, 100)),
            "Protocol": protocol,
            "RuleAction": self.one(("allow", "deny")),
            "Egress": self.often(),
            **({"PortRange": {"From": 1, "To": 80}} if protocol in ("6", "17") else {}),
            **({"IcmpTypeCode": {"Type": 8, "Code": -1}} if protocol == "1" else {}),
            **self.one(({"CidrBlock": self.one(_CIDRS)}, {"Ipv6CidrBlock": self.one(_CIDRS6)})),
        }

    def route(self) -> Request:
        table = self.resource("RouteTable")
        targets = (
            ("GatewayId", "InternetGateway"),
            ("EgressOnlyInternetGatewayId", "EgressOnlyInternetGateway"),
            ("NetworkInterfaceId", "NetworkInterface"),
            ("NatGatewayId", "NatGateway"),
            ("VpcPeeringConnectionId", "VpcPeeringConnection"),
        )
        key, kind = self.one(targets)
        near = [
            self.client.endpoint.state.kinds[kind].id_of(each)
            for each in self.rows(kind)
            if table.get("VpcId") in str(each)
        ]
        return {
            **self.destination(),
            "RouteTableId": table.get("RouteTableId", "rtb-" + _NOTHING),
            key: self.one(near) if near else self.an(kind),
        }

    def destination(self) -> Request:
        return dict(
            self.one(
                (
                    {"DestinationCidrBlock": self.one(("0.0.0.0/0", "203.0.113.0/24"))},
                    {"DestinationIpv6CidrBlock": "::/0"},
                    {"DestinationPrefixListId": self.an("ManagedPrefixList")},
                )
            )
        )

    def known_route(self) -> Request:
        table = self.resource("RouteTable")
        found = [each for each in table.get("Routes") or () if each["Origin"] == "CreateRoute"]
        keys = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
        if not found:
            return {**self.destination(), "RouteTableId": self.an("RouteTable")}
        route = self.one(found)
        return {
            "RouteTableId": table["RouteTableId"],
            **{key: route[key] for key in keys if key in route},
        }

    def prefix_list(self) -> Request:
        is_ipv4 = self.often(0.8)
        entries = [{"Cidr": each} for each in (_CIDRS if is_ipv4 else _CIDRS6)[1:3]]
        return {
            "PrefixListName": self.one(_NAMES),
            "AddressFamily": "IPv4" if is_ipv4 else "IPv6",
            "MaxEntries": self.one((2, 5, 30)),
            "Entries": entries[: self.random.randrange(3)],
        }

    def list_change(self) -> Request:
        found = self.resource("ManagedPrefixList")
        known = {"PrefixListId": found.get("PrefixListId", "pl-" + _NOTHING)}
        if self.often(0.3):
            return {**known, "MaxEntries": self.one((2, 5, 30, 70))}
        version = {"CurrentVersion": found.get("Version", 1)}
        cidr = {"Cidr": self.one(("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24"))}
        return {
            **known,
            **version,
            **self.one(({"AddEntries": [cidr]}, {"RemoveEntries": [cidr]})),
        }

    def list_version(self) -> Request:
        found = self.resource("ManagedPrefixList")
        version = found.get("Version", 1)
        return {
            "PrefixListId": found.get("PrefixListId", "pl-" + _NOTHING),
            "PreviousVersion": max(1, version - 1),
            "CurrentVersion": version,
        }

    def interface(self) -> Request:
        subnet = self.resource("Subnet", self.one(("", "Ipv6CidrBlockAssociationSet")))
        return {
            "SubnetId": subnet.get("SubnetId", "subnet-" + _NOTHING),
            **self.maybe(0.5, Groups=self.groups_in(subnet.get("VpcId"))),
            **self.maybe(0.3, SecondaryPrivateIpAddressCount=2),
            **self.maybe(0.2, Ipv6AddressCount=1),
            **self.maybe(0.1, Ipv4PrefixCount=1),
            **self.maybe(
                0.2, ConnectionTrackingSpecification={"TcpEstablishedTimeout": self.one((60, 99))}
            ),
            **self.tags("network-interface"),
        }

    def groups_in(self, vpc_id: str | None) -> list[str]:
        found = [each["GroupId"] for each in self.rows("SecurityGroup") if each["VpcId"] == vpc_id]
        if not found or self.often(0.2):
            return self.some("SecurityGroup")
        return self.random.sample(found, min(len(found), 2))

    def interface_change(self) -> Request:
        found = self.resource("NetworkInterface")
        change = self.one(
            (
                {"Groups": self.groups_in(found.get("VpcId"))},
                {"SourceDestCheck": {"Value": self.often()}},
                {"Description": {"Value": "told"}},
                {"ConnectionTrackingSpecification": {"UdpTimeout": self.one((30, 60))}},
            )
        )
        return {"NetworkInterfaceId": found.get("NetworkInterfaceId", "eni-" + _NOTHING), **change}

    def attachment_change(self) -> Request:
        found = self.resource("NetworkInterface", "Attachment")
        attachment = found.get("Attachment") or {"AttachmentId": "eni-attach-" + _NOTHING}
        ends = {"AttachmentId": attachment["AttachmentId"], "DeleteOnTermination": self.often()}
        return {
            "NetworkInterfaceId": found.get("NetworkInterfaceId", "eni-" + _NOTHING),
            "Attachment": ends,
        }

    def secondary(self) -> Request:
        """Secondary addresses of an interface that go, or come to another one."""
        found = self.resource("NetworkInterface")
        addresses = [
            each["PrivateIpAddress"]
            for each in found.get("PrivateIpAddresses") or ()
            if not each["Primary"]
        ]
        return {
            "NetworkInterfaceId": found.get("NetworkInterfaceId", "eni-" + _NOTHING),
            "PrivateIpAddresses": addresses[:1] or ["10.0.0.77"],
        }

    def moved(self) -> Request:
        asked = self.secondary()
        return {
            **asked,
            "NetworkInterfaceId": self.an("NetworkInterface"),
            "AllowReassignment": True,
        }

    def ipv6_of(self) -> Request:
        found = self.resource("NetworkInterface", "Ipv6Addresses")
        addresses = [each["Ipv6Address"] for each in found.get("Ipv6Addresses") or ()]
        return {
            "NetworkInterfaceId": found.get("NetworkInterfaceId", "eni-" + _NOTHING),
            "Ipv6Addresses": addresses[:1] or ["2001:db8::7"],
        }

    def launch(self) -> Request:
        subnet = self.resource("Subnet")
        return {
            "ImageId": "ami-00000001",
            "InstanceType": self.one(("t3.micro", "m5.large")),
            "MinCount": 1,
            "MaxCount": self.one((1, 2)),
            **self.maybe(
                0.8,
                SubnetId=subnet.get("SubnetId", "subnet-" + _NOTHING),
                **self.maybe(0.5, SecurityGroupIds=self.groups_in(subnet.get("VpcId"))),
            ),
            **self.tags("instance"),
        }

    def association(self) -> Request:
        found = self.resource("NetworkInterface")
        addresses = found.get("PrivateIpAddresses") or [{"PrivateIpAddress": "10.0.0.7"}]
        return {
            "AllocationId": self.an("Address"),
            "NetworkInterfaceId": found.get("NetworkInterfaceId", "eni-" + _NOTHING),
            **self.maybe(0.6, PrivateIpAddress=self.one(addresses)["PrivateIpAddress"]),
        }

    def peering(self) -> Request:
        row = self.one(
            sorted(self.client.endpoint.state.rows("Vpc"), key=lambda row: row.resource_id)
        )
        return {
            "VpcId": self.an("Vpc"),
            "PeerVpcId": row.resource_id,
            "PeerOwnerId": row.account_id,
            "PeerRegion": row.region,
        }

    def endpoint(self) -> Request:
        vpc_id = self.an("Vpc")
        if self.often(0.7):
            return {
                "VpcId": vpc_id,
                "ServiceName": f"com.amazonaws.{self.client.region}.s3",
                "RouteTableIds": self.some("RouteTable"),
            }
        subnet = self.resource("Subnet")
        return {
            "VpcId": subnet.get("VpcId", vpc_id),
            "VpcEndpointType": "Interface",
            "ServiceName": f"com.amazonaws.{self.client.region}.ec2",
            "SubnetIds": [subnet.get("SubnetId", "subnet-" + _NOTHING)],
        }

    def tagged(self) -> Request:
        kind = self.one([k for k in self.client.endpoint.state.kinds.values() if k.resource_type])
        return {
            "Resources": self.some(kind.shape),
            "Tags": [{"Key": self.one(_NAMES), "Value": self.one(_NAMES)}],
        }

    def vpc_attribute(self) -> Request:
        name = self.one(("EnableDnsSupport", "EnableDnsHostnames"))
        return {"VpcId": self.an("Vpc"), name: {"Value": self.often()}}

    def flow_log(self) -> Request:
        kind, name = self.one(
            (("Vpc", "VPC"), ("Subnet", "Subnet"), ("NetworkInterface", "NetworkInterface"))
        )
        return {
            "ResourceType": name,
            "ResourceIds": self.some(kind),
            "TrafficType": "ALL",
            "LogDestinationType": "s3",
            "LogDestination": f"arn:aws:s3:::bucket-{self.random.randrange(9)}",
        }


#: The request of each operation that changes something.
REQUESTS: dict[str, Callable[[Walk], Request]] = {
    "AcceptVpcPeeringConnection": lambda walk: {
        "VpcPeeringConnectionId": walk.an("VpcPeeringConnection")
    },
    "AllocateAddress": lambda walk: {"Domain": "vpc", **walk.tags("elastic-ip")},
    "AssignIpv6Addresses": lambda walk: {
        "NetworkInterfaceId": walk.an("NetworkInterface"),
        **walk.one(({"Ipv6AddressCount": 1}, {"Ipv6PrefixCount": 1})),
    },
    "AssignPrivateIpAddresses": lambda walk: walk.one(
        (
            walk.moved(),
            {
                "NetworkInterfaceId": walk.an("NetworkInterface"),
                **walk.one(({"SecondaryPrivateIpAddressCount": 1}, {"Ipv4PrefixCount": 1})),
            },
        )
    ),
    "AssociateAddress": Walk.association,
    "AssociateDhcpOptions": lambda walk: {
        "VpcId": walk.an("Vpc"),
        "DhcpOptionsId": walk.one(("default", walk.an("DhcpOptions"))),
    },
    "AssociateRouteTable": lambda walk: {
        "RouteTableId": walk.an("RouteTable"),
        **walk.one(
            (
                {"SubnetId": walk.an("Subnet")},
                {"SubnetId": walk.an("Subnet")},
                {"GatewayId": walk.an("InternetGateway")},
            )
        ),
    },
    "AssociateSecurityGroupVpc": lambda walk: {
        "GroupId": walk.an("SecurityGroup"),
        "VpcId": walk.an("Vpc"),
    },
    "AssociateSubnetCidrBlock": Walk.subnet_block,
    "AssociateVpcCidrBlock": lambda walk: {
        "VpcId": walk.an("Vpc"),
        **walk.one(
            (
                {"AmazonProvidedIpv6CidrBlock": True},
                {"CidrBlock": walk.one(("10.2.0.0/16", "10.3.0.0/16", "100.64.0.0/16"))},
            )
        ),
    },
    "AttachInternetGateway": lambda walk: {
        "InternetGatewayId": walk.an("InternetGateway"),
        "VpcId": walk.an("Vpc"),
    },
    "AttachNetworkInterface": lambda walk: {
        "NetworkInterfaceId": walk.an("NetworkInterface"),
        "InstanceId": walk.an("Instance"),
        "DeviceIndex": walk.one((1, 2)),
    },
    "AuthorizeSecurityGroupEgress": Walk.rules,
    "AuthorizeSecurityGroupIngress": Walk.rules,
    "CreateDefaultSubnet": lambda walk: {
        "AvailabilityZone": walk.client.region + walk.one(("a", "b", "c"))
    },
    "CreateDefaultVpc": lambda _: {},
    "CreateDhcpOptions": lambda _: {
        "DhcpConfigurations": [{"Key": "domain-name", "Values": ["example.com"]}]
    },
    "CreateEgressOnlyInternetGateway": lambda walk: {"VpcId": walk.an("Vpc")},
    "CreateFlowLogs": Walk.flow_log,
    "CreateInternetGateway": lambda walk: walk.tags("internet-gateway"),
    "CreateManagedPrefixList": Walk.prefix_list,
    "CreateNatGateway": lambda walk: {
        "SubnetId": walk.an("Subnet"),
        **walk.one(({"ConnectivityType": "private"}, {"AllocationId": walk.an("Address")})),
    },
    "CreateNetworkAcl": lambda walk: {"VpcId": walk.an("Vpc"), **walk.tags("network-acl")},
    "CreateNetworkAclEntry": Walk.entry,
    "CreateNetworkInterface": Walk.interface,
    "CreateNetworkInterfacePermission": lambda walk: {
        "NetworkInterfaceId": walk.an("NetworkInterface"),
        "AwsAccountId": OTHER_ACCOUNT,
        "Permission": "INSTANCE-ATTACH",
    },
    "CreateRoute": Walk.route,
    "CreateRouteTable": lambda walk: {"VpcId": walk.an("Vpc"), **walk.tags("route-table")},
    "CreateSecurityGroup": lambda walk: {
        "GroupName": walk.one(_NAMES),
        "Description": "a group",
        **walk.maybe(0.9, VpcId=walk.an("Vpc")),
        **walk.tags("security-group"),
    },
    "CreateSubnet": Walk.subnet,
    "CreateTags": Walk.tagged,
    "CreateVpc": lambda walk: {
        "CidrBlock": walk.one(("10.0.0.0/16", "10.1.0.0/16", "172.16.0.0/16")),
        **walk.maybe(0.4, AmazonProvidedIpv6CidrBlock=True),
        **walk.tags("vpc"),
    },
    "CreateVpcEndpoint": Walk.endpoint,
    "CreateVpcPeeringConnection": Walk.peering,
    "DeleteDhcpOptions": lambda walk: {"DhcpOptionsId": walk.an("DhcpOptions")},
    "DeleteEgressOnlyInternetGateway": lambda walk: {
        "EgressOnlyInternetGatewayId": walk.an("EgressOnlyInternetGateway")
    },
    "DeleteFlowLogs": lambda walk: {"FlowLogIds": walk.some("FlowLog")},
    "DeleteInternetGateway": lambda walk: {"InternetGatewayId": walk.an("InternetGateway")},
    "DeleteManagedPrefixList": lambda walk: {"PrefixListId": walk.an("ManagedPrefixList")},
    "DeleteNatGateway": lambda walk: {"NatGatewayId": walk.an("NatGateway")},
    "DeleteNetworkAcl": lambda walk: {"NetworkAclId": walk.an("NetworkAcl")},
    "DeleteNetworkAclEntry": lambda walk: {
        key: value
        for key, value in walk.entry().items()
        if key in ("NetworkAclId", "RuleNumber", "Egress")
    },
    "DeleteNetworkInterface": lambda walk: {"NetworkInterfaceId": walk.an("NetworkInterface")},
    "DeleteNetworkInterfacePermission": lambda walk: {
        "NetworkInterfacePermissionId": walk.an("NetworkInterfacePermission")
    },
    "DeleteRoute": Walk.known_route,
    "DeleteRouteTable": lambda walk: {"RouteTableId": walk.an("RouteTable")},
    "DeleteSecurityGroup": lambda walk: {"GroupId": walk.an("SecurityGroup")},
    "DeleteSubnet": lambda walk: {"SubnetId": walk.an("Subnet")},
    "DeleteTags": Walk.tagged,
    "DeleteVpc": lambda walk: {"VpcId": walk.an("Vpc")},
    "DeleteVpcEndpoints": lambda walk: {"VpcEndpointIds": walk.some("VpcEndpoint")},
    "DeleteVpcPeeringConnection": lambda walk: {
        "VpcPeeringConnectionId": walk.an("VpcPeeringConnection")
    },
    "DetachInternetGateway": lambda walk: {
        "InternetGatewayId": walk.an("InternetGateway"),
        "VpcId": walk.an("Vpc"),
    },
    "DetachNetworkInterface": lambda walk: {
        "AttachmentId": (
            walk.resource("NetworkInterface", "Attachment").get("Attachment") or {}
        ).get("AttachmentId", "eni-attach-" + _NOTHING)
    },
    "DisassociateAddress": lambda walk: {
        "AssociationId": walk.resource("Address", "AssociationId").get(
            "AssociationId", "eipassoc-" + _NOTHING
        )
    },
    "DisassociateRouteTable": lambda walk: {
        "AssociationId": walk.part("RouteTable", "Associations", "RouteTableAssociationId")
    },
    "DisassociateSecurityGroupVpc": lambda walk: {
        key: walk.resource("SecurityGroupVpcAssociation").get(key, "none")
        for key in ("GroupId", "VpcId")
    },
    "DisassociateSubnetCidrBlock": lambda walk: {
        "AssociationId": walk.part("Subnet", "Ipv6CidrBlockAssociationSet", "AssociationId")
    },
    "DisassociateVpcCidrBlock": lambda walk: {
        "AssociationId": walk.part(
            "Vpc",
            walk.one(("CidrBlockAssociationSet", "Ipv6CidrBlockAssociationSet")),
            "AssociationId",
        )
    },
    "ModifyInstanceAttribute": lambda walk: {
        "InstanceId": walk.an("Instance"),
        **walk.one(({"SourceDestCheck": {"Value": False}}, {"Groups": walk.some("SecurityGroup")})),
    },
    "ModifyManagedPrefixList": Walk.list_change,
    "ModifyNetworkInterfaceAttribute": lambda walk: walk.one(
        (walk.interface_change(), walk.attachment_change())
    ),
    "ModifySecurityGroupRules": Walk.modified_rules,
    "ModifySubnetAttribute": lambda walk: {
        "SubnetId": walk.an("Subnet"),
        walk.one(("MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation")): {"Value": walk.often()},
    },
    "ModifyVpcAttribute": Walk.vpc_attribute,
    "ModifyVpcEndpoint": lambda walk: {
        "VpcEndpointId": walk.an("VpcEndpoint"),
        walk.one(("AddRouteTableIds", "RemoveRouteTableIds")): walk.some("RouteTable"),
    },
    "ModifyVpcPeeringConnectionOptions": lambda walk: {
        "VpcPeeringConnectionId": walk.an("VpcPeeringConnection"),
        walk.one(("RequesterPeeringConnectionOptions", "AccepterPeeringConnectionOptions")): {
            "AllowDnsResolutionFromRemoteVpc": walk.often()
        },
    },
    "RejectVpcPeeringConnection": lambda walk: {
        "VpcPeeringConnectionId": walk.an("VpcPeeringConnection")
    },
    "ReleaseAddress": lambda walk: {"AllocationId": walk.an("Address")},
    "ReplaceNetworkAclAssociation": lambda walk: {
        "AssociationId": walk.part("NetworkAcl", "Associations", "NetworkAclAssociationId"),
        "NetworkAclId": walk.an("NetworkAcl"),
    },
    "ReplaceNetworkAclEntry": Walk.entry,
    "ReplaceRoute": lambda walk: {
        **{key: value for key, value in walk.route().items() if not key.startswith("Dest")},
        **walk.known_route(),
    },
    "ReplaceRouteTableAssociation": lambda walk: {
        "AssociationId": walk.part("RouteTable", "Associations", "RouteTableAssociationId"),
        "RouteTableId": walk.an("RouteTable"),
    },
    "ResetNetworkInterfaceAttribute": lambda walk: {
        "NetworkInterfaceId": walk.an("NetworkInterface"),
        "SourceDestCheck": "true",
    },
    "RestoreManagedPrefixListVersion": Walk.list_version,
    "RevokeSecurityGroupEgress": Walk.known_rules,
    "RevokeSecurityGroupIngress": Walk.known_rules,
    "RunInstances": Walk.launch,
    "StartInstances": lambda walk: {"InstanceIds": walk.some("Instance")},
    "StopInstances": lambda walk: {"InstanceIds": walk.some("Instance")},
    "TerminateInstances": lambda walk: {"InstanceIds": walk.some("Instance")},
    "UnassignIpv6Addresses": Walk.ipv6_of,
    "UnassignPrivateIpAddresses": Walk.secondary,
    "UpdateSecurityGroupRuleDescriptionsEgress": Walk.descriptions,
    "UpdateSecurityGroupRuleDescriptionsIngress": Walk.descriptions,
}

#: What is asked for more often, so that there is something to change.
_OFTEN = (
    *("CreateVpc", "CreateSubnet", "CreateSecurityGroup", "AuthorizeSecurityGroupIngress"),
    *("CreateNetworkInterface", "RunInstances", "AllocateAddress", "AssociateAddress"),
    *("CreateManagedPrefixList", "CreateRoute", "AttachInternetGateway", "AttachNetworkInterface"),
)


def walks(client: Client, random: Random, places: Sequence[tuple[str, str]]) -> list[Walk]:
    """The callers of a walk; that of the first place asks most."""
    return [
        Walk(client.elsewhere(account_id=account_id, region=region), random)
        for account_id, region in (*places[:1] * 3, *places)
    ]


def next_name(random: Random, served: Sequence[str]) -> str:
    """The operation that is asked for next."""
    names = [name for name in REQUESTS if name in served]
    return random.choice([*names, *_OFTEN])
