import json
from ipaddress import IPv4Network, IPv6Network

import pytest

from secgroup.errors import InputError
from secgroup.model.defaults import default_acl
from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroup
from secgroup.model.network import Network
from secgroup.model.vpc import Vpc
from secgroup.sources.draft import Draft
from secgroup.sources.load import load
from tests.support.templates import network_of, with_vpc


def refusal(more: str, **given) -> str:
    with pytest.raises(InputError) as refused:
        with_vpc(more, **given)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def rules_of(network: Network, group_id: str) -> list[str]:
    return [
        f"{rule.rule_id} {'out' if rule.is_egress else 'in'} {rule.traffic} {rule.peer}"
        for rule in network.groups[group_id].rules
    ]


# Groups and rules


@pytest.mark.semantics("template-1")
def test_a_group_without_egress_rules_lets_everything_out_and_nothing_in():
    assert rules_of(with_vpc(""), "Sg") == ["Sg/egress/0 out all 0.0.0.0/0"]


@pytest.mark.semantics("template-1")
def test_a_group_in_a_vpc_with_ipv6_lets_everything_out_over_ipv6_too():
    network = with_vpc(
        """
        V6:
          Type: AWS::EC2::VPCCidrBlock
          Properties: {VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true}
        """
    )
    assert rules_of(network, "Sg") == [
        "Sg/egress/0 out all 0.0.0.0/0",
        "Sg/egress/1 out all ::/0",
    ]


@pytest.mark.semantics("template-2")
def test_inline_egress_rules_take_the_place_of_the_default_one():
    network = with_vpc(
        """
        Web:
          Type: AWS::EC2::SecurityGroup
          Properties:
            GroupDescription: web
            VpcId: !Ref Vpc
            SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0}]
        """
    )
    assert rules_of(network, "Web") == ["Web/egress/0 out tcp/443 0.0.0.0/0"]


@pytest.mark.semantics("template-2")
def test_an_empty_list_of_egress_rules_leaves_the_default_one():
    network = with_vpc(
        """
        Web:
          Type: AWS::EC2::SecurityGroup
          Properties: {GroupDescription: web, VpcId: !Ref Vpc, SecurityGroupEgress: []}
        """
    )
    assert rules_of(network, "Web") == ["Web/egress/0 out all 0.0.0.0/0"]


def test_egress_rules_that_cannot_be_read_do_not_bring_the_default_ones_back():
    network = with_vpc(
        """
        Web:
          Type: AWS::EC2::SecurityGroup
          Properties:
            GroupDescription: web
            VpcId: !Ref Vpc
            SecurityGroupEgress: [Fn::Transform: {Name: AWS::Include}]
        """
    )
    assert rules_of(network, "Web") == []
    assert any("SecurityGroupEgress.0: left out" in warning for warning in network.warnings)


@pytest.mark.semantics("template-3")
def test_a_standalone_egress_rule_takes_the_place_of_the_default_one_and_has_its_logical_id():
    network = with_vpc(
        """
        Out:
          Type: AWS::EC2::SecurityGroupEgress
          Properties: {GroupId: !GetAtt Sg.GroupId, IpProtocol: "-1", CidrIp: 127.0.0.1/32}
        In:
          Type: AWS::EC2::SecurityGroupIngress
          Properties:
            GroupId: !Ref Sg
            IpProtocol: TCP
            FromPort: "22"
            ToPort: 22
            SourceSecurityGroupId: !Ref Sg
        """
    )
    assert rules_of(network, "Sg") == ["In in tcp/22 Sg", "Out out all 127.0.0.1/32"]
    assert network.groups["Sg"].rules[0].peer == GroupReference(group_id="Sg")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{IpProtocol: '6', FromPort: 1, ToPort: 9, CidrIp: 10.1.2.3/8}", "tcp/1-9 10.0.0.0/8"),
        ("{IpProtocol: UDP, FromPort: 53, ToPort: '53', CidrIpv6: '::/0'}", "udp/53 ::/0"),
        ("{IpProtocol: icmp, FromPort: 8, ToPort: -1, CidrIp: 0.0.0.0/0}", "icmp/8 0.0.0.0/0"),
        ("{IpProtocol: icmp, FromPort: -1, ToPort: -1, CidrIp: 0.0.0.0/0}", "icmp 0.0.0.0/0"),
        ("{IpProtocol: icmpv6, CidrIpv6: '::/0'}", "icmpv6 ::/0"),
        ("{IpProtocol: -1, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}", "all 0.0.0.0/0"),
        ("{IpProtocol: 50, CidrIp: 0.0.0.0/0}", "50 0.0.0.0/0"),
        ("{IpProtocol: tcp, FromPort: 1, ToPort: 1, SourcePrefixListId: pl-1}", "tcp/1 pl-1"),
        ("{IpProtocol: tcp, FromPort: 1, ToPort: 1, SourceSecurityGroupId: !Ref Sg}", "tcp/1 Sg"),
        (
            "{IpProtocol: tcp, FromPort: 1, ToPort: 1, SourceSecurityGroupName: other}",
            "tcp/1 Other",
        ),
        (
            "{IpProtocol: -1, SourceSecurityGroupId: !GetAtt Vpc.DefaultSecurityGroup}",
            "all Vpc.DefaultSecurityGroup",
        ),
    ],
)
def test_a_rule_reads_as_ec2_reads_it(rule, expected):
    network = with_vpc(
        f"""
        Other:
          Type: AWS::EC2::SecurityGroup
          Properties: {{GroupDescription: x, GroupName: other, VpcId: !Ref Vpc}}
        Web:
          Type: AWS::EC2::SecurityGroup
          Properties: {{GroupDescription: x, VpcId: !Ref Vpc, SecurityGroupIngress: [{rule}]}}
        """
    )
    assert rules_of(network, "Web")[0] == f"Web/ingress/0 in {expected}"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "{IpProtocol: tcp, FromPort: 22, CidrIp: 0.0.0.0/0}",
            "tcp needs both FromPort and ToPort",
        ),
        (
            "{IpProtocol: tcp, FromPort: 9, ToPort: 1, CidrIp: 0.0.0.0/0}",
            "ports 9-1 are not a range",
        ),
        ("{IpProtocol: tcp, FromPort: -1, ToPort: -1, CidrIp: 0.0.0.0/0}", "ports -1--1 are not"),
        (
            "{IpProtocol: tcp, FromPort: http, ToPort: 80, CidrIp: 0.0.0.0/0}",
            "FromPort: expected a",
        ),
        ("{IpProtocol: icmp, FromPort: 8, CidrIp: 0.0.0.0/0}", "icmp needs FromPort"),
        ("{IpProtocol: icmp, FromPort: -1, ToPort: 4, CidrIp: 0.0.0.0/0}", "a code needs"),
        ("{IpProtocol: all, CidrIp: 0.0.0.0/0}", "IpProtocol: 'all' is not a protocol"),
        ("{CidrIp: 0.0.0.0/0}", "AWS::EC2::SecurityGroup needs IpProtocol"),
        ("{IpProtocol: -1, CidrIp: 10.0.0.0}", "CidrIp: '10.0.0.0' is not a CIDR block"),
        ("{IpProtocol: -1, CidrIp: '::/0'}", "CidrIp: ::/0 is not an IPv4 block"),
        ("{IpProtocol: -1, CidrIpv6: 10.0.0.0/8}", "10.0.0.0/8 is not an IPv6 block"),
        ("{IpProtocol: -1}", "expected one of CidrIp, CidrIpv6"),
        ("{IpProtocol: -1, CidrIp: 0.0.0.0/0, CidrIpv6: '::/0'}", "not CidrIp and CidrIpv6"),
        (
            "{IpProtocol: -1, SourceSecurityGroupId: !Ref Vpc}",
            "SecurityGroupIngress.0.SourceSecurityGroupId: Vpc is",
        ),
        ("text", "expected a mapping of properties"),
    ],
)
def test_a_rule_that_ec2_refuses_is_refused_with_its_place(rule, says):
    says = says.replace("a code needs", "an ICMP code needs an ICMP type")
    found = refusal(
        f"""
        Web:
          Type: AWS::EC2::SecurityGroup
          Properties: {{GroupDescription: x, VpcId: !Ref Vpc, SecurityGroupIngress: [{rule}]}}
        """
    )
    assert says in found
    assert found.startswith("net.yaml: Resources.")


def test_a_rule_whose_block_only_a_deployment_knows_is_kept_as_external_and_named():
    network = with_vpc(
        """
        Lookup: {Type: Custom::Lookup}
        In:
          Type: AWS::EC2::SecurityGroupIngress
          Properties:
            {GroupId: !Ref Sg, IpProtocol: -1, CidrIp: !Sub "${Lookup.Address}/32"}
        """
    )
    assert network.groups["Sg"].rules[0].peer == External("Lookup.Address/32")
    assert any("Lookup.Address/32" in warning for warning in network.warnings)


def test_rules_of_a_group_outside_of_the_template_are_left_out_and_named():
    network = with_vpc(
        """
        In:
          Type: AWS::EC2::SecurityGroupIngress
          Properties: {GroupId: sg-123, IpProtocol: -1, CidrIp: 0.0.0.0/0}
        """
    )
    assert network.warnings == (
        "net.yaml: security group sg-123 is not in the files; left out: In",
    )


def test_rules_join_the_default_group_of_a_vpc():
    network = with_vpc(
        """
        In:
          Type: AWS::EC2::SecurityGroupIngress
          Properties:
            GroupId: !GetAtt Vpc.DefaultSecurityGroup
            IpProtocol: tcp
            FromPort: 22
            ToPort: 22
            CidrIp: 10.0.0.0/8
        """
    )
    assert rules_of(network, "Vpc.DefaultSecurityGroup") == [
        "Vpc.DefaultSecurityGroup/ingress/0 in all Vpc.DefaultSecurityGroup",
        "In in tcp/22 10.0.0.0/8",
        "Vpc.DefaultSecurityGroup/egress/0 out all 0.0.0.0/0",
    ]


@pytest.mark.semantics("template-14")
def test_a_standalone_egress_rule_takes_the_place_of_the_default_groups_too():
    network = with_vpc(
        """
        Out:
          Type: AWS::EC2::SecurityGroupEgress
          Properties:
            GroupId: !GetAtt Vpc.DefaultSecurityGroup
            IpProtocol: tcp
            FromPort: 443
            ToPort: 443
            CidrIp: 0.0.0.0/0
        """
    )
    assert rules_of(network, "Vpc.DefaultSecurityGroup") == [
        "Vpc.DefaultSecurityGroup/ingress/0 in all Vpc.DefaultSecurityGroup",
        "Out out tcp/443 0.0.0.0/0",
    ]


def test_a_group_is_associated_with_further_vpcs():
    network = with_vpc(
        """
        Other: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}
        Both:
          Type: AWS::EC2::SecurityGroupVpcAssociation
          Properties: {GroupId: !Ref Sg, VpcId: !Ref Other}
        """
    )
    assert network.groups["Sg"].vpc_ids == ("Vpc", "Other")


def test_a_prefix_list_has_its_entries():
    network = with_vpc(
        """
        Offices:
          Type: AWS::EC2::PrefixList
          Properties:
            PrefixListName: offices
            AddressFamily: IPv4
            MaxEntries: 5
            Entries: [{Cidr: 192.0.2.0/24, Description: a}, {Cidr: 198.51.100.1/32}]
        In:
          Type: AWS::EC2::SecurityGroupIngress
          Properties: {GroupId: !Ref Sg, IpProtocol: -1, SourcePrefixListId: !Ref Offices}
        """
    )
    assert network.groups["Sg"].rules[0].peer == PrefixListReference(prefix_list_id="Offices")
    assert network.prefix_lists["Offices"].entries == (
        IPv4Network("192.0.2.0/24"),
        IPv4Network("198.51.100.1/32"),
    )
    assert network.warnings == ()


# Network ACLs


@pytest.mark.semantics("template-11")
def test_a_subnet_without_an_association_has_its_vpcs_default_acl():
    network = with_vpc("")
    acl = network.acls[network.subnets["Subnet"].network_acl_id]
    assert acl.is_default
    assert [(e.rule_number, e.is_egress, e.is_allow, str(e.cidr)) for e in acl.entries] == [
        (100, False, True, "0.0.0.0/0"),
        (100, True, True, "0.0.0.0/0"),
    ]


def test_an_acl_has_its_entries_by_direction_and_number():
    network = with_vpc(
        """
        Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
        Ssh:
          Type: AWS::EC2::NetworkAclEntry
          Properties:
            NetworkAclId: !Ref Acl
            RuleNumber: "200"
            Protocol: "6"
            RuleAction: DENY
            CidrBlock: 0.0.0.0/0
            PortRange: {From: "22", To: 22}
        All:
          Type: AWS::EC2::NetworkAclEntry
          Properties:
            {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: -1, Egress: "true",
             RuleAction: allow, Ipv6CidrBlock: "::/0"}
        Ping:
          Type: AWS::EC2::NetworkAclEntry
          Properties:
            {NetworkAclId: !Ref Acl, RuleNumber: 50, Protocol: 1,
             RuleAction: allow, CidrBlock: 10.0.0.0/8, Icmp: {Type: 8, Code: -1}}
        Use:
          Type: AWS::EC2::SubnetNetworkAclAssociation
          Properties: {NetworkAclId: !Ref Acl, SubnetId: !Ref Subnet}
        """
    )
    assert network.subnets["Subnet"].network_acl_id == "Acl"
    assert [
        (e.rule_number, e.is_egress, e.is_allow, str(e.traffic), str(e.cidr))
        for e in network.acls["Acl"].entries
    ] == [
        (50, False, True, "icmp/8", "10.0.0.0/8"),
        (200, False, False, "tcp/22", "0.0.0.0/0"),
        (100, True, True, "all", "::/0"),
    ]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            "RuleNumber: 0, Protocol: -1, RuleAction: allow, CidrBlock: 0.0.0.0/0",
            "within 1 and 32766",
        ),
        ("RuleNumber: 1, Protocol: -1, RuleAction: permit, CidrBlock: 0.0.0.0/0", "allow or deny"),
        ("RuleNumber: 1, Protocol: -1, RuleAction: allow", "one of CidrBlock and Ipv6CidrBlock"),
        ("RuleNumber: 1, Protocol: 6, RuleAction: allow, CidrBlock: 0.0.0.0/0", "a PortRange"),
        ("RuleNumber: 1, Protocol: 1, RuleAction: allow, CidrBlock: 0.0.0.0/0", "needs Icmp"),
    ],
)
def test_an_acl_entry_that_ec2_refuses_is_refused(entry, says):
    found = refusal(
        f"""
        Acl: {{Type: AWS::EC2::NetworkAcl, Properties: {{VpcId: !Ref Vpc}}}}
        E: {{Type: AWS::EC2::NetworkAclEntry, Properties: {{NetworkAclId: !Ref Acl, {entry}}}}}
        """
    )
    assert says in found
    assert found.startswith("net.yaml: Resources.E.Properties")


def test_two_entries_of_one_number_and_direction_are_refused():
    entry = (
        "{Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 1, "
        "Protocol: -1, RuleAction: allow, CidrBlock: 0.0.0.0/0}}"
    )
    assert "entry 1 stands twice in one direction of Acl" in refusal(
        f"""
        Acl: {{Type: AWS::EC2::NetworkAcl, Properties: {{VpcId: !Ref Vpc}}}}
        A: {entry}
        B: {entry}
        """
    )


def test_an_acl_entry_that_cannot_be_resolved_keeps_its_action_with_an_external():
    network = with_vpc(
        """
        Lookup: {Type: Custom::Lookup}
        Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
        E:
          Type: AWS::EC2::NetworkAclEntry
          Properties:
            {NetworkAclId: !Ref Acl, RuleNumber: 1, Protocol: -1,
             RuleAction: deny, CidrBlock: !GetAtt Lookup.Block}
        """
    )
    entry = network.acls["Acl"].entries[0]
    assert (entry.is_allow, entry.cidr) == (False, External("Lookup.Block"))


def test_a_subnet_with_two_acls_is_refused():
    use = "{Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: %s}"
    assert "Subnet has two network ACLs" in refusal(
        f"""
        A: {{Type: AWS::EC2::NetworkAcl, Properties: {{VpcId: !Ref Vpc}}}}
        B: {{Type: AWS::EC2::NetworkAcl, Properties: {{VpcId: !Ref Vpc}}}}
        UseA: {use % "{NetworkAclId: !Ref A, SubnetId: !Ref Subnet}"}
        UseB: {use % "{NetworkAclId: !Ref B, SubnetId: !Ref Subnet}"}
        """
    )


# VPCs and subnets


def test_blocks_come_from_cidr_functions_and_association_resources():
    network = network_of(
        """
        Resources:
          Vpc:
            Type: AWS::EC2::VPC
            Properties:
              CidrBlock: 10.0.0.0/16
              EnableDnsSupport: "false"
              Tags: [{Key: Name, Value: !Sub "${AWS::StackName}-vpc"}]
          More:
            Type: AWS::EC2::VPCCidrBlock
            Properties: {VpcId: !Ref Vpc, CidrBlock: 10.8.0.0/16}
          V6:
            Type: AWS::EC2::VPCCidrBlock
            Properties: {VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true}
          A:
            Type: AWS::EC2::Subnet
            DependsOn: V6
            Properties:
              VpcId: !Ref Vpc
              CidrBlock: !Select [3, !Cidr [!GetAtt Vpc.CidrBlock, 6, 8]]
              Ipv6CidrBlock:
                !Select [1, !Cidr [!Select [0, !GetAtt Vpc.Ipv6CidrBlocks], 4, 64]]
              AvailabilityZone: !Select [1, !GetAZs {Ref: AWS::Region}]
          B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.8.1.0/24}}
          B6:
            Type: AWS::EC2::SubnetCidrBlock
            Properties:
              SubnetId: !Ref B
              Ipv6CidrBlock: !Select [2, !Cidr [!Select [0, !GetAtt Vpc.Ipv6CidrBlocks], 4, 64]]
        """,
        parameters={"AWS::Region": "eu-west-1", "AWS::StackName": "prod"},
    )
    vpc = network.vpcs["Vpc"]
    assert vpc.names == ("prod-vpc",)
    assert vpc.ipv4_blocks == (IPv4Network("10.0.0.0/16"), IPv4Network("10.8.0.0/16"))
    assert not vpc.enable_dns_support
    (whole,) = vpc.ipv6_blocks
    assert whole.prefixlen == 56
    assert whole.subnet_of(IPv6Network("2001:db8::/32"))
    parts = list(whole.subnets(new_prefix=64))
    assert network.subnets["A"].ipv4_block == IPv4Network("10.0.3.0/24")
    assert network.subnets["A"].ipv6_blocks == (parts[1],)
    assert network.subnets["A"].availability_zone == "eu-west-1b"
    assert network.subnets["B"].ipv6_blocks == (parts[2],)
    assert network.region == "eu-west-1"
    assert network.warnings == ()


def test_a_subnet_outside_of_its_vpc_is_refused():
    found = refusal(
        "Far: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 192.168.0.0/24}}"
    )
    assert found == (
        "net.yaml: Resources.Far.Properties: 192.168.0.0/24 is in no block of Vpc (10.0.0.0/16)"
    )


# By way of load


def test_load_reads_a_template_beside_the_describe_output_that_it_needs(tmp_path):
    template = tmp_path / "net.yaml"
    template.write_text(
        "Resources:\n"
        "  Web:\n"
        "    Type: AWS::EC2::Instance\n"
        "    Properties: {SubnetId: subnet-1, SecurityGroupIds: [sg-1]}\n"
    )
    described = tmp_path / "described.json"
    described.write_text(
        json.dumps(
            {
                "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
                "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}],
                "SecurityGroups": [
                    {"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": []}
                ],
            }
        )
    )
    network = load(template, also=[described], addresses={"Web": "10.0.1.7"})
    assert str(network.interfaces["Web"].ipv4[0].address) == "10.0.1.7"
    assert network.interfaces["Web"].group_ids == ("sg-1",)


@pytest.mark.parametrize("name", ["net.yaml", "net.json", "net.template"])
def test_load_tells_a_template_by_its_content(tmp_path, name):
    path = tmp_path / name
    document = {"Resources": {"Vpc": {"Type": "AWS::EC2::VPC"}}}
    path.write_text(json.dumps(document) if name == "net.json" else "Resources:\n  A: {Type: X}\n")
    assert load(path).region == "us-east-1"


DATABASE = """
    Db: {Type: AWS::RDS::DBInstance, Properties: {Engine: postgres}}
    DbSg: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: x, VpcId: !Ref Vpc}}
    FromSg:
      Type: AWS::EC2::SecurityGroupIngress
      Properties:
        GroupId: !GetAtt DbSg.GroupId
        SourceSecurityGroupId: !GetAtt Sg.GroupId
        IpProtocol: tcp
        FromPort: !GetAtt Db.Endpoint.Port
        ToPort: !GetAtt Db.Endpoint.Port
"""


def test_rule_whose_port_only_a_deployment_knows_matches_nothing_and_is_named():
    network = with_vpc(DATABASE)
    (rule,) = (each for each in network.groups["DbSg"].rules if not each.is_egress)
    assert rule.rule_id == "FromSg"
    assert rule.peer == External("Db.Endpoint.Port")
    assert any(
        "literal Db.Endpoint.Port: cannot be resolved" in each and "--parameter" in each
        for each in network.warnings
    )


def test_attribute_of_what_is_not_modelled_may_be_said_like_a_parameter():
    network = with_vpc(DATABASE, parameters={"Db.Endpoint.Port": "5432"})
    (rule,) = (each for each in network.groups["DbSg"].rules if not each.is_egress)
    assert str(rule.traffic) == "tcp/5432"
    assert rule.peer == GroupReference(group_id="Sg")


def test_egress_rule_with_an_unknown_port_takes_the_place_of_the_default_ones():
    network = with_vpc(
        DATABASE.replace("SecurityGroupIngress", "SecurityGroupEgress").replace(
            "SourceSec", "DestinationSec"
        )
    )
    (rule,) = (each for each in network.groups["DbSg"].rules if each.is_egress)
    assert rule.peer == External("Db.Endpoint.Port")


@pytest.mark.parametrize("name", ["Vpc.CidrBlock", "Db2.Endpoint.Port", "Db"])
def test_what_the_template_says_itself_cannot_be_said_again(name):
    with pytest.raises(InputError):
        with_vpc(DATABASE, parameters={name: "1"})


def test_acl_entry_with_an_unknown_port_denies_everything_or_allows_nothing():
    network = with_vpc("""
        Db: {Type: AWS::RDS::DBInstance, Properties: {Engine: postgres}}
        Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
        Entry:
          Type: AWS::EC2::NetworkAclEntry
          Properties:
            NetworkAclId: !Ref Acl
            RuleNumber: 10
            RuleAction: deny
            Protocol: 6
            CidrBlock: 10.0.0.0/8
            PortRange: {From: !GetAtt Db.Endpoint.Port, To: !GetAtt Db.Endpoint.Port}
    """)
    (entry,) = network.acls["Acl"].entries
    assert (entry.cidr, str(entry.traffic)) == (External("Db.Endpoint.Port"), "tcp")


def account() -> Draft:
    """What `--with` brings: a VPC with a group and an ACL."""
    draft = Draft()
    vpc = Vpc(vpc_id="vpc-1", ipv4_blocks=(IPv4Network("10.0.0.0/16"),))
    for noun in (
        vpc,
        SecurityGroup(group_id="sg-1", vpc_ids=("vpc-1",)),
        default_acl(vpc, network_acl_id="acl-1"),
    ):
        draft.add(noun, source="account.json")
    return draft


def test_standalone_rule_joins_a_group_from_outside():
    network = network_of(
        """
        Resources:
          In:
            Type: AWS::EC2::SecurityGroupIngress
            Properties: {GroupId: sg-1, IpProtocol: -1, CidrIp: 10.0.0.0/8}
        """,
        draft=account(),
    )
    assert [rule.rule_id for rule in network.groups["sg-1"].rules] == ["In"]


ENTRY = """
    Resources:
      Deny:
        Type: AWS::EC2::NetworkAclEntry
        Properties:
          NetworkAclId: acl-1
          RuleNumber: 50
          RuleAction: deny
          Protocol: -1
          CidrBlock: 10.9.0.0/16
"""


def test_entry_joins_an_acl_from_outside():
    network = network_of(ENTRY, draft=account())
    numbers = [
        (entry.rule_number, entry.is_allow)
        for entry in network.acls["acl-1"].entries
        if not entry.is_egress
    ]
    assert numbers == [(50, False), (100, True)]


def test_entry_that_an_acl_from_outside_has_already():
    draft = account()
    network_of(ENTRY, draft=draft)
    assert network_of(ENTRY, draft=draft) == draft.network()
    with pytest.raises(InputError, match="acl-1 has another entry 100 in that direction"):
        network_of(ENTRY.replace("50", "100"), draft=account())
