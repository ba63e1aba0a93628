from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from secgroup.errors import InputError
from secgroup.model.interface import ConnectionTracking, NetworkInterface, PrivateIpv4
from secgroup.model.network_acl import NetworkAcl
from secgroup.model.vpc import Subnet, Vpc
from secgroup.sources.cfn_addresses import PUBLIC
from secgroup.sources.draft import Draft
from tests.support.templates import network_of, with_vpc

PUBLIC_SUBNET = """
Public:
  Type: AWS::EC2::Subnet
  Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, MapPublicIpOnLaunch: true}
"""
WITH_IPV6 = """
V6:
  Type: AWS::EC2::VPCCidrBlock
  Properties: {VpcId: !Ref Vpc, Ipv6CidrBlock: "2001:db8:1::/56"}
Six:
  Type: AWS::EC2::Subnet
  Properties:
    VpcId: !Ref Vpc
    CidrBlock: 10.0.6.0/24
    Ipv6CidrBlock: "2001:db8:1:6::/64"
    AssignIpv6AddressOnCreation: true
"""


def refusal(more: str, **given) -> str:
    with pytest.raises(InputError) as refused:
        with_vpc(more, **given)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# Instances


def test_an_instance_implies_its_primary_interface_under_its_logical_id():
    network = with_vpc(
        """
        Web:
          Type: AWS::EC2::Instance
          Properties:
            SubnetId: !Ref Subnet
            SecurityGroupIds: [!GetAtt Sg.GroupId]
            PrivateIpAddress: 10.0.1.10
            SourceDestCheck: "false"
            InstanceType: m8i.large
            Tags: [{Key: Name, Value: web-1}]
        """
    )
    assert network.interfaces["Web"] == NetworkInterface(
        interface_id="Web",
        vpc_id="Vpc",
        subnet_id="Subnet",
        owner_id="123456789012",
        instance_id="Web",
        device_index=0,
        ipv4=(PrivateIpv4(address=IPv4Address("10.0.1.10")),),
        group_ids=("Sg",),
        source_dest_check=False,
    )
    assert network.instances["Web"].names == ("web-1",)
    assert network.instances["Web"].instance_type == "m8i.large"
    assert network.warnings == ()


@pytest.mark.semantics("template-4")
def test_an_interface_without_groups_gets_its_vpcs_default_group():
    network = with_vpc(
        """
        Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
        Eni: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Subnet}}
        """
    )
    for interface_id in ("Web", "Eni"):
        assert network.interfaces[interface_id].group_ids == ("Vpc.DefaultSecurityGroup",)
    assert network.groups["Vpc.DefaultSecurityGroup"].name == "default"


def test_an_instance_with_several_interfaces_names_each_by_its_device():
    network = with_vpc(
        """
        Eni:
          Type: AWS::EC2::NetworkInterface
          Properties:
            SubnetId: !Ref Subnet
            GroupSet: [!Ref Sg]
            SourceDestCheck: false
            ConnectionTrackingSpecification: {TcpEstablishedTimeout: 60, UdpTimeout: "30"}
            PrivateIpAddresses:
              - {PrivateIpAddress: 10.0.1.22, Primary: false}
              - {PrivateIpAddress: 10.0.1.21, Primary: true}
        Web:
          Type: AWS::EC2::Instance
          Properties:
            NetworkInterfaces:
              - DeviceIndex: "1"
                SubnetId: !Ref Subnet
                GroupSet: [!Ref Sg]
                SecondaryPrivateIpAddressCount: 1
              - {DeviceIndex: "0", NetworkInterfaceId: !Ref Eni}
        Third: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Subnet}}
        Attach:
          Type: AWS::EC2::NetworkInterfaceAttachment
          Properties: {InstanceId: !Ref Web, NetworkInterfaceId: !Ref Third, DeviceIndex: 2}
        In:
          Type: AWS::EC2::SecurityGroupIngress
          Properties: {GroupId: !Ref Sg, IpProtocol: -1, CidrIp: !Sub "${Web.PrivateIp}/32"}
        """
    )
    found = {
        interface.interface_id: (interface.instance_id, interface.device_index)
        for interface in network.interfaces.values()
    }
    assert found == {"Web/eth1": ("Web", 1), "Eni": ("Web", 0), "Third": ("Web", 2)}
    eni = network.interfaces["Eni"]
    assert [str(each.address) for each in eni.ipv4] == ["10.0.1.21", "10.0.1.22"]
    assert not eni.source_dest_check
    assert eni.tracking == ConnectionTracking(tcp_established_timeout=60, udp_timeout=30)
    assert len(network.interfaces["Web/eth1"].ipv4) == 2
    assert network.groups["Sg"].rules[0].peer == IPv4Network("10.0.1.21/32")


def test_an_interface_cannot_be_attached_twice():
    attach = (
        "{Type: AWS::EC2::NetworkInterfaceAttachment, Properties: "
        "{InstanceId: !Ref %s, NetworkInterfaceId: !Ref Eni, DeviceIndex: 1}}"
    )
    assert "Eni is attached to A" in refusal(
        f"""
        Eni: {{Type: AWS::EC2::NetworkInterface, Properties: {{SubnetId: !Ref Subnet}}}}
        A: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref Subnet}}}}
        B: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref Subnet}}}}
        One: {attach % "A"}
        Two: {attach % "B"}
        """
    )


@pytest.mark.semantics("template-13")
def test_a_group_of_another_vpc_is_refused():
    assert "Resources.Web.Properties: is in Vpc, its group Far in Other" in refusal(
        """
        Other: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}
        Far: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: x, VpcId: !Ref Other}}
        Web:
          Type: AWS::EC2::Instance
          Properties: {SubnetId: !Ref Subnet, SecurityGroupIds: [!Ref Far]}
        """
    )


@pytest.mark.parametrize("second", ["SubnetId: !Ref Subnet", "NetworkInterfaceId: !Ref Eni"])
def test_an_instance_cannot_have_two_primary_interfaces(second):
    found = refusal(
        f"""
        Eni: {{Type: AWS::EC2::NetworkInterface, Properties: {{SubnetId: !Ref Subnet}}}}
        Web:
          Type: AWS::EC2::Instance
          Properties:
            NetworkInterfaces:
              - {{DeviceIndex: 0, SubnetId: !Ref Subnet}}
              - {{DeviceIndex: 0, {second}}}
        """
    )
    assert "Web stands twice" in found or "two interfaces with the device index 0" in found


# The default VPC


@pytest.mark.semantics("template-5")
def test_a_template_without_a_vpc_uses_the_default_one():
    network = network_of(
        """
        Resources:
          Sg:
            Type: AWS::EC2::SecurityGroup
            Properties:
              GroupDescription: ssh
              SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}]
          Web: {Type: AWS::EC2::Instance, Properties: {SecurityGroups: [!Ref Sg]}}
          There: {Type: AWS::EC2::Instance, Properties: {AvailabilityZone: us-east-1b}}
        """
    )
    vpc = network.vpcs["default-vpc"]
    assert (vpc.is_default, vpc.ipv4_blocks) == (True, (IPv4Network("172.31.0.0/16"),))
    web, there = network.interfaces["Web"], network.interfaces["There"]
    assert web.group_ids == ("Sg",)
    assert web.ipv4[0].address in IPv4Network("172.31.0.0/20")
    assert web.ipv4[0].public is not None
    assert there.group_ids == ("default-vpc.DefaultSecurityGroup",)
    assert there.ipv4[0].address in IPv4Network("172.31.16.0/20")
    table = network.route_table_of(web.subnet_id)
    assert table is not None
    assert [str(route.destination) for route in table.routes] == ["172.31.0.0/16", "0.0.0.0/0"]
    assert network.warnings == ()


# Public addresses


@pytest.mark.semantics("template-6")
def test_an_instance_in_a_subnet_that_maps_gets_a_public_address():
    network = with_vpc(
        PUBLIC_SUBNET
        + """
Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Public}}
Not:
  Type: AWS::EC2::Instance
  Properties:
    NetworkInterfaces: [{DeviceIndex: 0, SubnetId: !Ref Public, AssociatePublicIpAddress: false}]
Yes:
  Type: AWS::EC2::Instance
  Properties:
    NetworkInterfaces: [{DeviceIndex: 0, SubnetId: !Ref Subnet, AssociatePublicIpAddress: true}]
Eni: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Public}}
"""
    )
    public = {key: each.ipv4[0].public for key, each in network.interfaces.items()}
    assert public["Not"] is None
    assert public["Eni"] is None
    assert public["Web"] in PUBLIC
    assert public["Yes"] in PUBLIC
    assert public["Web"] != public["Yes"]


@pytest.mark.semantics("template-7")
def test_elastic_addresses_go_where_they_are_associated():
    network = with_vpc(
        PUBLIC_SUBNET
        + """
Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Public}}
Eni:
  Type: AWS::EC2::NetworkInterface
  Properties:
    SubnetId: !Ref Subnet
    PrivateIpAddresses:
      - {PrivateIpAddress: 10.0.1.20, Primary: true}
      - {PrivateIpAddress: 10.0.1.21, Primary: false}
A: {Type: AWS::EC2::EIP, Properties: {Domain: vpc, InstanceId: !Ref Web}}
B: {Type: AWS::EC2::EIP}
C: {Type: AWS::EC2::EIP}
UseB:
  Type: AWS::EC2::EIPAssociation
  Properties:
    AllocationId: !GetAtt B.AllocationId
    NetworkInterfaceId: !Ref Eni
    PrivateIpAddress: 10.0.1.21
UseC: {Type: AWS::EC2::EIPAssociation, Properties: {EIP: !Ref C, NetworkInterfaceId: !Ref Eni}}
In:
  Type: AWS::EC2::SecurityGroupIngress
  Properties: {GroupId: !Ref Sg, IpProtocol: -1, CidrIp: !Join ["/", [!Ref A, 32]]}
""",
        addresses={"A": "198.51.100.7"},
    )
    assert network.interfaces["Web"].ipv4[0].public == IPv4Address("198.51.100.7")
    assert network.addresses["A"].interface_id == "Web"
    primary, secondary = network.interfaces["Eni"].ipv4
    assert primary.public == network.addresses["C"].public_ip
    assert secondary.public == network.addresses["B"].public_ip
    assert network.addresses["B"].private_ip == IPv4Address("10.0.1.21")
    assert network.groups["Sg"].rules[0].peer == IPv4Network("198.51.100.7/32")


# IPv6


@pytest.mark.semantics("template-8")
def test_a_subnet_that_assigns_ipv6_addresses_gives_one_and_a_count_gives_as_many():
    network = with_vpc(
        WITH_IPV6
        + """
One: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Six}}
None: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Six, Ipv6AddressCount: 0}}
Three: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Six, Ipv6AddressCount: 3}}
Said:
  Type: AWS::EC2::Instance
  Properties: {SubnetId: !Ref Six, Ipv6Addresses: [{Ipv6Address: "2001:db8:1:6::a"}]}
Old: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
"""
    )
    counts = {key: len(each.ipv6) for key, each in network.interfaces.items()}
    assert counts == {"One": 1, "None": 0, "Three": 3, "Said": 1, "Old": 0}
    assert network.interfaces["Said"].ipv6 == (IPv6Address("2001:db8:1:6::a"),)
    block = network.subnets["Six"].ipv6_blocks[0]
    every = [each for interface in network.interfaces.values() for each in interface.ipv6]
    assert all(each in block for each in every)
    assert len(set(every)) == len(every)


def test_an_ipv6_only_subnet_gives_no_ipv4_address():
    network = with_vpc(
        """
V6:
  Type: AWS::EC2::VPCCidrBlock
  Properties: {VpcId: !Ref Vpc, Ipv6CidrBlock: "2001:db8:1::/56"}
Only:
  Type: AWS::EC2::Subnet
  Properties: {VpcId: !Ref Vpc, Ipv6Native: true, Ipv6CidrBlock: "2001:db8:1:7::/64"}
Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Only}}
"""
    )
    web = network.interfaces["Web"]
    assert (web.ipv4, len(web.ipv6)) == ((), 1)


# NAT gateways and endpoints


def test_a_nat_gateway_is_an_interface_without_groups():
    network = with_vpc(
        """
        Ip: {Type: AWS::EC2::EIP, Properties: {Domain: vpc}}
        Nat:
          Type: AWS::EC2::NatGateway
          Properties: {SubnetId: !Ref Subnet, AllocationId: !GetAtt Ip.AllocationId}
        Inner:
          Type: AWS::EC2::NatGateway
          Properties: {SubnetId: !Ref Subnet, ConnectivityType: private, PrivateIpAddress: 10.0.1.9}
        """
    )
    nat = network.interfaces["Nat"]
    assert (nat.interface_type, nat.group_ids, nat.source_dest_check) == ("natGateway", (), False)
    assert nat.ipv4[0].public == network.addresses["Ip"].public_ip
    assert network.nat_gateways["Nat"].interface_ids == ("Nat",)
    assert network.nat_gateways["Nat"].is_public
    assert not network.nat_gateways["Inner"].is_public
    assert network.interfaces["Inner"].ipv4 == (PrivateIpv4(address=IPv4Address("10.0.1.9")),)


@pytest.mark.semantics("template-10")
def test_an_interface_endpoint_has_an_interface_in_each_of_its_subnets():
    network = with_vpc(
        PUBLIC_SUBNET
        + """
Ssm:
  Type: AWS::EC2::VPCEndpoint
  Properties:
    VpcId: !Ref Vpc
    VpcEndpointType: Interface
    ServiceName: !Sub com.amazonaws.${AWS::Region}.ssm
    SubnetIds: [!Ref Subnet, !Ref Public]
    SecurityGroupIds: [!Ref Sg]
Bare:
  Type: AWS::EC2::VPCEndpoint
  Properties:
    {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: x, SubnetIds: [!Ref Subnet]}
""",
        addresses={"Ssm": "10.0.2.77,10.0.1.77"},
    )
    assert network.endpoints["Ssm"].interface_ids == ("Ssm/Subnet", "Ssm/Public")
    for subnet, address in (("Subnet", "10.0.1.77"), ("Public", "10.0.2.77")):
        interface = network.interfaces[f"Ssm/{subnet}"]
        assert interface.interface_type == "vpc_endpoint"
        assert interface.group_ids == ("Sg",)
        assert interface.names == ("Ssm",)
        assert str(interface.ipv4[0].address) == address
    assert network.interfaces["Bare/Subnet"].group_ids == ("Vpc.DefaultSecurityGroup",)


# Addresses that people say


def test_addresses_that_a_person_says_fill_the_open_places():
    network = with_vpc(
        WITH_IPV6
        + """
Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Six}}
Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Subnet}}
""",
        addresses={"Web": "10.0.6.50,10.0.6.51, 2001:db8:1:6::50", "Nat": "10.0.1.99"},
    )
    web = network.interfaces["Web"]
    assert [str(each) for each in web.addresses] == ["10.0.6.50", "10.0.6.51", "2001:db8:1:6::50"]
    assert str(network.interfaces["Nat"].ipv4[0].address) == "10.0.1.99"


@pytest.mark.parametrize(
    ("addresses", "says"),
    [
        ({"Nobody": "10.0.1.9"}, "--address Nobody: there is no interface, instance, NAT gateway"),
        ({"Web": "nonsense"}, "--address Web=nonsense: 'nonsense' is not an IPv4 or IPv6 address"),
        ({"Web": "192.168.0.1"}, "--address Web=192.168.0.1: is not in Subnet"),
        ({"Web": "10.0.1.2"}, "10.0.1.2 is not one that interfaces in Subnet may have"),
        ({"Web": "10.0.1.255"}, "10.0.1.255 is not one that interfaces in Subnet may have"),
        ({"Web": "10.0.1.10"}, "10.0.1.10 is the address of another interface"),
        ({"Eni": "10.0.1.11"}, "--address Eni=10.0.1.11: the template says 10.0.1.10"),
    ],
)
def test_an_address_that_cannot_be_is_refused(addresses, says):
    assert says in refusal(
        """
        Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
        Eni:
          Type: AWS::EC2::NetworkInterface
          Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10}
        """,
        addresses=addresses,
    )


def test_a_full_subnet_is_refused():
    more = "\n".join(
        f"E{i}: {{Type: AWS::EC2::NetworkInterface, Properties: {{SubnetId: !Ref Small}}}}"
        for i in range(12)
    )
    assert "there is no free address in 10.0.9.0/28" in refusal(
        "Small: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.9.0/28}}\n"
        + more
    )


# What is outside of the template


def test_an_interface_in_a_subnet_of_a_parameter_is_left_out_and_named():
    text = """
        Parameters:
          SubnetId: {Type: AWS::EC2::Subnet::Id}
          Groups: {Type: List<AWS::EC2::SecurityGroup::Id>, Default: "sg-1,sg-2"}
        Resources:
          Web:
            Type: AWS::EC2::Instance
            Properties: {SubnetId: !Ref SubnetId, SecurityGroupIds: !Ref Groups}
        """
    network = network_of(text)
    assert network.interfaces == {}
    assert network.warnings == (
        "net.yaml: Web is left out: its subnet SubnetId is not in the files (bring it with --with)",
        "net.yaml: parameters without a value, for something outside: SubnetId "
        "(say them with --parameter NAME=VALUE)",
    )
    draft = Draft()
    draft.add(Vpc(vpc_id="vpc-1", ipv4_blocks=(IPv4Network("10.0.0.0/16"),)), source="d.json")
    draft.add(NetworkAcl(network_acl_id="acl-1", vpc_id="vpc-1"), source="d.json")
    subnet = Subnet(
        subnet_id="subnet-1",
        vpc_id="vpc-1",
        network_acl_id="acl-1",
        ipv4_block=IPv4Network("10.0.0.0/24"),
    )
    draft.add(subnet, source="d.json")
    network = network_of(text, draft=draft, parameters={"SubnetId": "subnet-1"})
    web = network.interfaces["Web"]
    assert (web.vpc_id, web.subnet_id, web.group_ids) == ("vpc-1", "subnet-1", ("sg-1", "sg-2"))
    assert web.ipv4[0].address in IPv4Network("10.0.0.0/24")
    assert any("security group sg-1, sg-2" in warning for warning in network.warnings)


def test_a_vpc_outside_of_the_template_stands_in_and_its_acl_refuses_everything():
    network = network_of(
        """
        Parameters: {Net: {Type: AWS::EC2::VPC::Id}}
        Resources:
          Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Net, CidrBlock: 10.0.1.0/24}}
          Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
        """
    )
    assert network.interfaces["Web"].vpc_id == "Net"
    acl = network.acls[network.subnets["Subnet"].network_acl_id]
    assert acl.entries == ()
    assert any("refuses everything" in warning for warning in network.warnings)


def test_a_default_vpc_that_the_files_describe_takes_what_names_no_subnet():
    draft = Draft()
    block = IPv4Network("172.31.0.0/16")
    draft.add(Vpc(vpc_id="vpc-1", ipv4_blocks=(block,), is_default=True), source="d.json")
    draft.add(NetworkAcl(network_acl_id="acl-1", vpc_id="vpc-1"), source="d.json")
    for zone, part in zip("ab", block.subnets(new_prefix=20), strict=False):
        subnet = Subnet(
            subnet_id=f"subnet-{zone}",
            vpc_id="vpc-1",
            network_acl_id="acl-1",
            ipv4_block=part,
            availability_zone=f"us-east-1{zone}",
        )
        draft.add(subnet, source="d.json")
    network = network_of(
        """
        Resources:
          Web: {Type: AWS::EC2::Instance, Properties: {AvailabilityZone: us-east-1b}}
        """,
        draft=draft,
    )
    assert network.interfaces["Web"].subnet_id == "subnet-b"
    assert "default-vpc" not in network.vpcs


def test_timeout_out_of_its_bounds_is_refused():
    with pytest.raises(InputError, match="UdpTimeout: 61 is not within 30-60 seconds"):
        with_vpc("""
            Eni:
              Type: AWS::EC2::NetworkInterface
              Properties:
                SubnetId: !Ref Subnet
                ConnectionTrackingSpecification: {UdpTimeout: 61}
        """)


@pytest.mark.semantics("template-16")
def test_instance_of_a_launch_template_gets_no_default_group_by_a_guess():
    network = with_vpc("""
        Web:
          Type: AWS::EC2::Instance
          Properties: {SubnetId: !Ref Subnet, LaunchTemplate: {Version: 1}}
    """)
    assert network.interfaces["Web"].group_ids == ("Web.LaunchTemplate",)
    assert any("security group Web.LaunchTemplate: mentioned" in each for each in network.warnings)
