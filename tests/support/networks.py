"""Networks as describe output: a small one that has every noun, and large ones by seed."""

import random
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

Json = dict[str, Any]


def every_noun() -> Json:
    """A network with every noun that is read, as the AWS CLI prints it. A new one each time."""
    return {
        "Vpcs": [
            {
                "VpcId": "vpc-0a",
                "OwnerId": "123456789012",
                "State": "available",
                "CidrBlock": "10.0.0.0/16",
                "InstanceTenancy": "default",
                "DhcpOptionsId": "dopt-0a",
                "IsDefault": False,
                "CidrBlockAssociationSet": [
                    {
                        "AssociationId": "vpc-cidr-assoc-0a",
                        "CidrBlock": "10.0.0.0/16",
                        "CidrBlockState": {"State": "associated"},
                    },
                    {
                        "AssociationId": "vpc-cidr-assoc-0b",
                        "CidrBlock": "100.64.0.0/16",
                        "CidrBlockState": {"State": "associated"},
                    },
                    {
                        "AssociationId": "vpc-cidr-assoc-0c",
                        "CidrBlock": "100.65.0.0/16",
                        "CidrBlockState": {"State": "disassociated"},
                    },
                ],
                "Ipv6CidrBlockAssociationSet": [
                    {
                        "AssociationId": "vpc-cidr-assoc-0d",
                        "Ipv6CidrBlock": "2001:db8:1::/56",
                        "Ipv6CidrBlockState": {"State": "associated"},
                        "Ipv6Pool": "Amazon",
                    }
                ],
                "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
                "Tags": [{"Key": "Name", "Value": "main"}, {"Key": "team", "Value": "net"}],
            }
        ],
        "Subnets": [
            _subnet("subnet-0a", "10.0.1.0/24", "2001:db8:1:1::/64"),
            _subnet("subnet-0b", "10.0.2.0/24"),
        ],
        "SecurityGroups": [
            {
                "GroupId": "sg-0a",
                "GroupName": "web",
                "Description": "the web",
                "OwnerId": "123456789012",
                "VpcId": "vpc-0a",
                "SecurityGroupArn": "arn:aws:ec2:eu-west-1:123456789012:security-group/sg-0a",
                "IpPermissions": [
                    {
                        "IpProtocol": "tcp",
                        "FromPort": 443,
                        "ToPort": 443,
                        "IpRanges": [
                            {"CidrIp": "0.0.0.0/0", "Description": "anyone"},
                            {"CidrIp": "192.0.2.0/24"},
                        ],
                        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
                        "PrefixListIds": [{"PrefixListId": "pl-0000000a"}],
                        "UserIdGroupPairs": [
                            {
                                "GroupId": "sg-0f",
                                "UserId": "999999999999",
                                "VpcId": "vpc-0f",
                                "VpcPeeringConnectionId": "pcx-0a",
                                "PeeringStatus": "active",
                            }
                        ],
                    },
                    {
                        "IpProtocol": "icmp",
                        "FromPort": 3,
                        "ToPort": 4,
                        "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
                        "Ipv6Ranges": [],
                        "PrefixListIds": [],
                        "UserIdGroupPairs": [],
                    },
                ],
                "IpPermissionsEgress": [
                    {
                        "IpProtocol": "-1",
                        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                        "Ipv6Ranges": [],
                        "PrefixListIds": [],
                        "UserIdGroupPairs": [],
                    }
                ],
            },
            {
                "GroupId": "sg-0b",
                "GroupName": "default",
                "OwnerId": "123456789012",
                "VpcId": "vpc-0a",
                "IpPermissions": [
                    {
                        "IpProtocol": "-1",
                        "UserIdGroupPairs": [{"GroupId": "sg-0b", "UserId": "123456789012"}],
                    }
                ],
                "IpPermissionsEgress": [],
            },
        ],
        "SecurityGroupVpcAssociations": [
            {"GroupId": "sg-0a", "VpcId": "vpc-0b", "State": "associated"}
        ],
        "NetworkAcls": [
            {
                "NetworkAclId": "acl-0a",
                "VpcId": "vpc-0a",
                "IsDefault": True,
                "OwnerId": "123456789012",
                "Associations": [
                    {
                        "NetworkAclAssociationId": "aclassoc-0a",
                        "NetworkAclId": "acl-0a",
                        "SubnetId": "subnet-0a",
                    },
                    {
                        "NetworkAclAssociationId": "aclassoc-0b",
                        "NetworkAclId": "acl-0a",
                        "SubnetId": "subnet-0b",
                    },
                ],
                "Entries": [
                    _entry(32767, False, "deny", CidrBlock="0.0.0.0/0"),
                    _entry(32768, False, "deny", Ipv6CidrBlock="::/0"),
                    _entry(
                        110,
                        False,
                        "allow",
                        Protocol="6",
                        PortRange={"From": 80, "To": 90},
                        CidrBlock="0.0.0.0/0",
                    ),
                    _entry(100, False, "deny", CidrBlock="198.51.100.0/24"),
                    _entry(
                        120,
                        False,
                        "allow",
                        Protocol="58",
                        IcmpTypeCode={"Type": 128, "Code": -1},
                        Ipv6CidrBlock="::/0",
                    ),
                    _entry(100, True, "allow", CidrBlock="0.0.0.0/0"),
                    _entry(32767, True, "deny", CidrBlock="0.0.0.0/0"),
                    _entry(32768, True, "deny", Ipv6CidrBlock="::/0"),
                ],
            }
        ],
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": "eni-0a",
                "VpcId": "vpc-0a",
                "SubnetId": "subnet-0a",
                "InterfaceType": "interface",
                "OwnerId": "123456789012",
                "MacAddress": "02:00:5e:10:00:01",
                "SourceDestCheck": False,
                "Status": "in-use",
                "Description": "",
                "PrivateIpAddress": "10.0.1.5",
                "Attachment": {
                    "AttachmentId": "eni-attach-0a",
                    "InstanceId": "i-0a",
                    "DeviceIndex": 0,
                    "Status": "attached",
                },
                "Association": {"PublicIp": "203.0.113.5", "IpOwnerId": "amazon"},
                "PrivateIpAddresses": [
                    {"PrivateIpAddress": "10.0.1.6", "Primary": False},
                    {
                        "PrivateIpAddress": "10.0.1.5",
                        "Primary": True,
                        "Association": {"PublicIp": "203.0.113.5"},
                    },
                ],
                "Ipv6Addresses": [{"Ipv6Address": "2001:db8:1:1::5"}],
                "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.16/28"}],
                "Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:1:1:5::/80"}],
                "Groups": [{"GroupId": "sg-0a", "GroupName": "web"}],
                "ConnectionTrackingConfiguration": {
                    "TcpEstablishedTimeout": 3600,
                    "UdpTimeout": 45,
                },
                "DenyAllIgwTraffic": False,
                "TagSet": [{"Key": "Name", "Value": "web-1"}],
            }
        ],
        "ManagedPrefixLists": [
            {
                "PrefixListId": "pl-0000000a",
                "PrefixListName": "offices",
                "AddressFamily": "IPv4",
                "MaxEntries": 5,
                "Entries": [{"Cidr": "198.51.100.0/25"}, {"Cidr": "203.0.113.0/24"}],
            }
        ],
        "PrefixLists": [
            {
                "PrefixListId": "pl-0000000b",
                "PrefixListName": "com.amazonaws.eu-west-1.s3",
                "Cidrs": ["52.218.0.0/17", "3.5.64.0/21"],
            }
        ],
        "RouteTables": [
            {
                "RouteTableId": "rtb-0a",
                "VpcId": "vpc-0a",
                "Associations": [
                    {
                        "Main": True,
                        "RouteTableAssociationId": "rtbassoc-0a",
                        "RouteTableId": "rtb-0a",
                        "AssociationState": {"State": "associated"},
                    }
                ],
                "PropagatingVgws": [],
                "Routes": [
                    _route("local", DestinationCidrBlock="10.0.0.0/16"),
                    _route("igw-0a", DestinationCidrBlock="0.0.0.0/0"),
                    _route("vpce-0a", DestinationPrefixListId="pl-0000000b"),
                    {
                        "DestinationIpv6CidrBlock": "::/0",
                        "EgressOnlyInternetGatewayId": "eigw-0a",
                        "State": "active",
                    },
                    {
                        "DestinationCidrBlock": "10.9.0.0/16",
                        "VpcPeeringConnectionId": "pcx-0a",
                        "State": "active",
                    },
                ],
            },
            {
                "RouteTableId": "rtb-0b",
                "VpcId": "vpc-0a",
                "Associations": [{"Main": False, "SubnetId": "subnet-0b"}],
                "Routes": [
                    _route("local", DestinationCidrBlock="10.0.0.0/16"),
                    _route("vgw-0a", DestinationCidrBlock="172.16.0.0/12"),
                    _route("vpce-0c", DestinationCidrBlock="192.0.2.0/24"),
                    {
                        "DestinationCidrBlock": "0.0.0.0/0",
                        "NatGatewayId": "nat-0a",
                        "State": "active",
                    },
                    {
                        "DestinationCidrBlock": "10.7.0.0/16",
                        "InstanceId": "i-0a",
                        "NetworkInterfaceId": "eni-0a",
                        "State": "active",
                    },
                    {
                        "DestinationCidrBlock": "10.8.0.0/16",
                        "NetworkInterfaceId": "eni-0z",
                        "State": "blackhole",
                    },
                    {
                        "DestinationCidrBlock": "10.6.0.0/16",
                        "TransitGatewayId": "tgw-0a",
                        "State": "active",
                    },
                ],
            },
        ],
        "InternetGateways": [
            {
                "InternetGatewayId": "igw-0a",
                "Attachments": [{"State": "available", "VpcId": "vpc-0a"}],
            }
        ],
        "EgressOnlyInternetGateways": [
            {
                "EgressOnlyInternetGatewayId": "eigw-0a",
                "Attachments": [{"State": "attached", "VpcId": "vpc-0a"}],
            }
        ],
        "NatGateways": [
            {
                "NatGatewayId": "nat-0a",
                "VpcId": "vpc-0a",
                "SubnetId": "subnet-0a",
                "State": "available",
                "ConnectivityType": "public",
                "NatGatewayAddresses": [
                    {
                        "AllocationId": "eipalloc-0b",
                        "NetworkInterfaceId": "eni-0n",
                        "PrivateIp": "10.0.1.200",
                        "PublicIp": "203.0.113.200",
                        "IsPrimary": True,
                        "Status": "succeeded",
                    }
                ],
            },
            {"NatGatewayId": "nat-0z", "State": "deleted", "VpcId": "vpc-0a"},
        ],
        "Addresses": [
            {
                "AllocationId": "eipalloc-0b",
                "PublicIp": "203.0.113.200",
                "Domain": "vpc",
                "NetworkInterfaceId": "eni-0n",
                "PrivateIpAddress": "10.0.1.200",
            }
        ],
        "VpcPeeringConnections": [
            {
                "VpcPeeringConnectionId": "pcx-0a",
                "Status": {"Code": "active", "Message": "Active"},
                "RequesterVpcInfo": {
                    "VpcId": "vpc-0a",
                    "OwnerId": "123456789012",
                    "Region": "eu-west-1",
                    "CidrBlock": "10.0.0.0/16",
                    "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}],
                },
                "AccepterVpcInfo": {
                    "VpcId": "vpc-0f",
                    "OwnerId": "999999999999",
                    "Region": "eu-west-1",
                    "CidrBlock": "10.9.0.0/16",
                    "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": "2001:db8:9::/56"}],
                },
            }
        ],
        "VpcEndpoints": [
            {
                "VpcEndpointId": "vpce-0a",
                "VpcEndpointType": "Gateway",
                "VpcId": "vpc-0a",
                "ServiceName": "com.amazonaws.eu-west-1.s3",
                "State": "available",
                "RouteTableIds": ["rtb-0a"],
                "NetworkInterfaceIds": [],
            }
        ],
        "Reservations": [
            {
                "ReservationId": "r-0a",
                "Instances": [
                    {
                        "InstanceId": "i-0a",
                        "InstanceType": "m8i.large",
                        "State": {"Code": 16, "Name": "running"},
                        "NetworkInterfaces": [
                            {
                                "NetworkInterfaceId": "eni-0a",
                                "VpcId": "vpc-0a",
                                "SubnetId": "subnet-0a",
                                "PrivateIpAddress": "10.0.1.5",
                                "Attachment": {"DeviceIndex": 0},
                                "Groups": [{"GroupId": "sg-0a"}],
                            }
                        ],
                        "Tags": [{"Key": "Name", "Value": "web"}],
                    }
                ],
            }
        ],
    }


def _subnet(subnet_id: str, cidr: str, ipv6: str | None = None) -> Json:
    blocks = [] if ipv6 is None else [ipv6]
    return {
        "SubnetId": subnet_id,
        "SubnetArn": f"arn:aws:ec2:eu-west-1:123456789012:subnet/{subnet_id}",
        "VpcId": "vpc-0a",
        "State": "available",
        "CidrBlock": cidr,
        "AvailabilityZone": "eu-west-1a",
        "AvailabilityZoneId": "euw1-az1",
        "AvailableIpAddressCount": 200,
        "MapPublicIpOnLaunch": False,
        "Ipv6CidrBlockAssociationSet": [
            {
                "AssociationId": f"subnet-cidr-assoc-{subnet_id}",
                "Ipv6CidrBlock": block,
                "Ipv6CidrBlockState": {"State": "associated"},
            }
            for block in blocks
        ],
    }


def _entry(number: int, is_egress: bool, action: str, **fields: Any) -> Json:
    entry = {"RuleNumber": number, "Egress": is_egress, "RuleAction": action, "Protocol": "-1"}
    return entry | fields


def _route(gateway_id: str, **destination: str) -> Json:
    return {"GatewayId": gateway_id, "State": "active", "Origin": "CreateRoute", **destination}


def large(*, groups: int = 2_000, rules: int = 15, interfaces: int = 5_000, seed: int = 0) -> Json:
    """A network of one VPC with as much of everything; the same for the same numbers.

    Parameters
    ----------
    groups, interfaces : int
        How many; each interface carries one to five groups.
    rules : int
        Of each group, a third of them egress; blocks, references and prefix lists.
    seed : int
        Another network of the same size.

    """
    chance = random.Random(seed)
    subnets = list(IPv4Network("10.0.0.0/12").subnets(new_prefix=20))[:32]
    peers: list[tuple[str, Callable[[], Json]]] = [
        ("IpRanges", lambda: {"CidrIp": str(_block(chance)), "Description": "a network"}),
        ("UserIdGroupPairs", lambda: {"GroupId": _id("sg", chance.randrange(groups))}),
        ("PrefixListIds", lambda: {"PrefixListId": _id("pl", chance.randrange(20))}),
        ("Ipv6Ranges", lambda: {"CidrIpv6": f"2001:db8:{chance.randrange(65536):x}::/48"}),
    ]

    def permission() -> Json:
        first = chance.randrange(1, 65000)
        kind, peer = chance.choices(peers, weights=(6, 5, 1, 2))[0]
        lists: Json = {name: [] for name, _ in peers}
        return {
            "IpProtocol": chance.choice(("tcp", "tcp", "tcp", "udp")),
            "FromPort": first,
            "ToPort": first + chance.choice((0, 0, 0, 100)),
            **lists,
            kind: [peer()],
        }

    def interface(number: int) -> Json:
        subnet = number % len(subnets)
        address = str(subnets[subnet][4 + number // len(subnets)])
        return {
            "NetworkInterfaceId": _id("eni", number),
            "VpcId": "vpc-00000001",
            "SubnetId": _id("subnet", subnet),
            "InterfaceType": "interface",
            "MacAddress": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
            "SourceDestCheck": True,
            "Status": "in-use",
            "PrivateIpAddress": address,
            "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}],
            "Ipv6Addresses": [],
            "Attachment": {"InstanceId": _id("i", number), "DeviceIndex": 0},
            "Groups": [
                {"GroupId": _id("sg", each), "GroupName": f"group-{each}"}
                for each in chance.sample(range(groups), chance.randint(1, min(5, groups)))
            ],
            "TagSet": [{"Key": "Name", "Value": f"host-{number}"}],
        }

    ingress = rules - rules // 3
    return {
        "Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.0.0.0/12", "OwnerId": "123456789012"}],
        "Subnets": [
            {
                "SubnetId": _id("subnet", number),
                "VpcId": "vpc-00000001",
                "CidrBlock": str(block),
                "AvailabilityZone": "eu-west-1a",
            }
            for number, block in enumerate(subnets)
        ],
        "SecurityGroups": [
            {
                "GroupId": _id("sg", number),
                "GroupName": f"group-{number}",
                "VpcId": "vpc-00000001",
                "OwnerId": "123456789012",
                "IpPermissions": [permission() for _ in range(ingress)],
                "IpPermissionsEgress": [permission() for _ in range(rules - ingress)],
            }
            for number in range(groups)
        ],
        "NetworkAcls": [
            {
                "NetworkAclId": "acl-00000001",
                "VpcId": "vpc-00000001",
                "IsDefault": True,
                "Associations": [
                    {"SubnetId": _id("subnet", number)} for number in range(len(subnets))
                ],
                "Entries": [
                    _entry(number, is_egress, action, CidrBlock="0.0.0.0/0")
                    for is_egress in (False, True)
                    for number, action in ((100, "allow"), (32767, "deny"))
                ],
            }
        ],
        "RouteTables": [
            {
                "RouteTableId": "rtb-00000001",
                "VpcId": "vpc-00000001",
                "Associations": [{"Main": True}],
                "Routes": [_route("local", DestinationCidrBlock="10.0.0.0/12")],
            }
        ],
        "ManagedPrefixLists": [
            {
                "PrefixListId": _id("pl", number),
                "PrefixListName": f"list-{number}",
                "MaxEntries": 50,
                "Entries": [{"Cidr": str(_block(chance))} for _ in range(50)],
            }
            for number in range(20)
        ],
        "NetworkInterfaces": [interface(number) for number in range(interfaces)],
    }


def _id(kind: str, number: int) -> str:
    return f"{kind}-{number + 1:08x}"


def _block(chance: random.Random) -> IPv4Network:
    length = chance.randint(12, 32)
    return IPv4Network((chance.getrandbits(32), length), strict=False)
