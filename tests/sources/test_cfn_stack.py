import json
from itertools import pairwise

import pytest

from secgroup.errors import InputError
from tests.support.templates import network_of, with_vpc


def refusal(text: str, **given) -> str:
    with pytest.raises(InputError) as refused:
        network_of(text, **given)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Resources: []", "net.yaml: expected a CloudFormation template, with a mapping Resources"),
        ("a: b", "expected a CloudFormation template"),
        ("[]", "expected a CloudFormation template"),
        ("Resources: {A: text}", "Resources.A: expected a resource with a Type"),
        ("Resources: {A: {Properties: {}}}", "Resources.A: expected a resource with a Type"),
        (
            "Resources: {A: {Type: AWS::EC2::VPC, Properties: x}}",
            "Resources.A.Properties: expected",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc}}}",
            "Resources.A.Properties.VpcId.Ref: there is no parameter or resource Vpc",
        ),
        (
            "Resources: {B: {Type: X::Y::Z, Properties: {C: [!GetAtt D.E]}}}",
            "Resources.B.Properties.C.0.Fn::GetAtt: there is no resource D",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC}}\nOutputs: {O: {Value: !Sub '${A} ${Nope}'}}",
            "Outputs.O.Value.Fn::Sub: there is no parameter or resource Nope",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC}}\nOutputs: {O: {Value: !GetAtt A.Nope}}",
            "Outputs.O.Value.Fn::GetAtt: AWS::EC2::VPC has no attribute Nope (it has CidrBlock",
        ),
        (
            "Conditions: {C: !Equals [!Ref A, a]}\n"
            "Resources: {A: {Type: AWS::EC2::VPC, Condition: C}}",
            "Conditions.C.Fn::Equals.0.Ref: there is no parameter A, as a condition needs",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC, DependsOn: [B]}}",
            "Resources.A.DependsOn: there is no resource B",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC, Condition: C}}",
            "Resources.A.Condition: there is no condition C",
        ),
        (
            "Conditions: {Never: !Equals [a, b]}\n"
            "Resources:\n"
            "  V: {Type: AWS::EC2::VPC, Condition: Never, Properties: {CidrBlock: 10.0.0.0/16}}\n"
            "  S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.0.0/24}}",
            "V is not created: its condition does not hold",
        ),
        (
            "Resources:\n"
            "  A: {Type: X::Y::Z, DependsOn: B}\n"
            "  B: {Type: X::Y::Z, Properties: {P: !Sub '${C.D}'}}\n"
            "  C: {Type: X::Y::Z, Properties: {P: !Ref A}}",
            "resources that wait for one another: ",
        ),
        (
            "Resources:\n"
            "  A:\n"
            "    Type: AWS::EC2::SecurityGroup\n"
            "    Properties:\n"
            "      GroupDescription: x\n"
            "      SecurityGroupIngress:\n"
            "        [{IpProtocol: -1, SourceSecurityGroupId: !GetAtt A.GroupId}]",
            "resources that wait for one another: A -> A",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC, Properties: {CidrBlock: nonsense}}}",
            "Resources.A.Properties.CidrBlock: 'nonsense' is not a CIDR block",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC, Properties: {CidrBlock: '2001:db8::/56'}}}",
            "2001:db8::/56 is not an IPv4 block",
        ),
        (
            "Resources: {A: {Type: AWS::EC2::VPC, Properties: {EnableDnsSupport: maybe}}}",
            "EnableDnsSupport: expected true or false, not maybe",
        ),
        (
            "Parameters: {Cidr: {Type: String}}\n"
            "Resources: {A: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}}",
            "Parameters.Cidr: the parameter has no value and no default; give it by "
            "--parameter Cidr=VALUE",
        ),
    ],
)
def test_a_template_that_cannot_be_is_refused_with_its_place(text, says):
    found = refusal(text)
    assert says in found
    assert found.startswith("net.yaml: ")


def test_an_attribute_that_depends_on_itself_is_refused():
    found = refusal(
        """
        Resources:
          Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
          V6:
            Type: AWS::EC2::VPCCidrBlock
            Properties: {VpcId: !Ref Vpc, Ipv6CidrBlock: !Select [0, !GetAtt Vpc.Ipv6CidrBlocks]}
        """
    )
    assert found == "net.yaml: Resources.Vpc: the attribute Ipv6CidrBlocks depends on itself"


def test_conditions_over_thousands_of_steps_are_refused():
    lines = ["Conditions:", "  C0: !Equals [a, a]"]
    lines += [f"  C{i}: !Not [!Condition C{i - 1}]" for i in range(1, 3000)]
    lines += ["Resources:", "  A: {Type: X::Y::Z, Condition: C2999}"]
    assert refusal("\n".join(lines)) == "net.yaml: names that refer to names over too many steps"


def test_a_circle_of_resources_is_named_as_it_goes():
    found = refusal(
        """
        Resources:
          A: {Type: X::Y::Z, DependsOn: B}
          B: {Type: X::Y::Z, Properties: {P: !Sub '${C.D}'}}
          C: {Type: X::Y::Z, Properties: {P: !Ref A}}
        """
    )
    circle = found.rsplit(": ", 1)[1].split(" -> ")
    assert circle[0] == circle[-1]
    assert sorted(circle[1:]) == ["A", "B", "C"]
    waits = {"A": "B", "B": "C", "C": "A"}
    assert all(waits[each] == after for each, after in pairwise(circle))


def test_a_parameter_that_nothing_modelled_needs_may_stay_without_a_value():
    network = network_of(
        """
        Parameters: {Password: {Type: String, NoEcho: true}}
        Resources:
          Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
          Db: {Type: AWS::SecretsManager::Secret, Properties: {SecretString: !Ref Password}}
        """
    )
    assert network.warnings == ()


def test_resources_whose_condition_does_not_hold_are_not_there():
    text = """
        Parameters: {Env: {Type: String, Default: dev}}
        Conditions: {Prod: !Equals [!Ref Env, prod]}
        Resources:
          Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
          Sg:
            Type: AWS::EC2::SecurityGroup
            Condition: Prod
            Properties: {GroupDescription: x, VpcId: !Ref Vpc}
        """
    assert set(network_of(text).groups) == {"Vpc.DefaultSecurityGroup"}
    assert "Sg" in network_of(text, parameters={"Env": "prod"}).groups


def test_a_circle_through_a_branch_that_is_not_taken_is_none():
    network_of(
        """
        Conditions: {Never: !Equals [a, b]}
        Resources:
          A: {Type: X::Y::Z, Properties: {P: !If [Never, !Ref B, nothing]}}
          B: {Type: X::Y::Z, Properties: {P: !Ref A}}
        """
    )


def test_a_property_that_is_not_modelled_is_named_once_with_its_places():
    network = with_vpc(
        """
        A:
          Type: AWS::EC2::Instance
          Properties:
            SubnetId: !Ref Subnet
            SecurityGroupIds: [!Ref Sg]
            LaunchTemplate: {Version: 1}
        B:
          Type: AWS::EC2::Instance
          Properties:
            SubnetId: !Ref Subnet
            SecurityGroupIds: [!Ref Sg]
            LaunchTemplate: {Version: 1}
        C:
          Type: AWS::EC2::SecurityGroup
          Properties:
            GroupDescription: x
            VpcId: !Ref Vpc
            Colour: blue
            SecurityGroupIngress:
              - {IpProtocol: -1, CidrIp: 10.0.0.0/8, Priority: 5}
        D:
          Type: AWS::EC2::NetworkInterface
          Properties: {SubnetId: !Ref Subnet, Ipv4PrefixCount: !Ref AWS::NoValue}
        """
    )
    assert network.warnings == (
        "net.yaml: AWS::EC2::Instance LaunchTemplate is not modelled: "
        "Resources.A.Properties.LaunchTemplate, Resources.B.Properties.LaunchTemplate",
        "net.yaml: AWS::EC2::SecurityGroup Colour is not modelled: Resources.C.Properties.Colour",
        "net.yaml: AWS::EC2::SecurityGroup SecurityGroupIngress[].Priority is not modelled: "
        "Resources.C.Properties.SecurityGroupIngress.0.Priority",
    )


def test_harmless_properties_are_not_even_evaluated():
    network = with_vpc(
        """
        Web:
          Type: AWS::EC2::Instance
          Properties:
            SubnetId: !Ref Subnet
            UserData: !Base64 {"Fn::Sub": "${Web2.PrivateIp} ${AWS::Region}"}
            ImageId: !ImportValue ami
        Web2: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
        """
    )
    assert network.warnings == ()


def test_nested_stacks_transforms_and_makers_of_interfaces_are_named():
    network = network_of(
        """
        Transform: [AWS::Serverless-2016-10-31, MyMacro]
        Resources:
          Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
          Child: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: x}}
          Lb: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer}
          In: {Type: AWS::Lambda::Function, Properties: {VpcConfig: {SubnetIds: [a]}}}
          Out: {Type: AWS::Lambda::Function}
          Topic: {Type: AWS::SNS::Topic, Properties: {Role: !Ref MadeByTheTransform}}
          Block: {Type: AWS::EC2::VPCBlockPublicAccessOptions}
          Fn::ForEach::Sgs:
            - Name
            - [a, b]
            - "Sg${Name}": {Type: AWS::EC2::SecurityGroup}
        """
    )
    assert network.warnings == (
        "net.yaml: not expanded, what it would add is missing: "
        "Transform AWS::Serverless-2016-10-31, Transform MyMacro, Fn::ForEach::Sgs",
        "net.yaml: nested stacks are not read: Child",
        "net.yaml: these change what passes and are not modelled: "
        "Block (AWS::EC2::VPCBlockPublicAccessOptions)",
        "net.yaml: these make network interfaces that the template does not describe: "
        "Lb (AWS::ElasticLoadBalancingV2::LoadBalancer), In (AWS::Lambda::Function) "
        "(add each with --host NAME=ADDRESS,Group)",
    )


def test_an_included_part_of_a_group_is_left_out_and_named():
    network = with_vpc(
        """
        Web:
          Type: AWS::EC2::SecurityGroup
          Properties:
            GroupDescription: x
            VpcId: !Ref Vpc
            SecurityGroupIngress:
              - Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://rules}}
              - {IpProtocol: -1, CidrIp: 10.0.0.0/8}
        """
    )
    assert [rule.rule_id for rule in network.groups["Web"].rules] == [
        *("Web/ingress/0", "Web/egress/0"),
    ]
    assert any("SecurityGroupIngress.0: left out" in warning for warning in network.warnings)


def test_an_output_of_a_nested_stack_is_an_external():
    network = network_of(
        """
        Resources:
          Net: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: x}}
          Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
          Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
          Web:
            Type: AWS::EC2::Instance
            Properties: {SubnetId: !Ref Subnet, SecurityGroupIds: [!GetAtt Net.Outputs.WebSg]}
        """
    )
    assert network.interfaces["Web"].group_ids == ("Net.Outputs.WebSg",)
    assert any("security group Net.Outputs.WebSg" in warning for warning in network.warnings)


def test_json_is_read_as_yaml_is():
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            "Vpc": {
                "Type": "AWS::EC2::VPC",
                "Properties": {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True},
            },
            "Sg": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {
                    "GroupDescription": "x",
                    "VpcId": {"Ref": "Vpc"},
                    "SecurityGroupIngress": [
                        {
                            "IpProtocol": "tcp",
                            "FromPort": 443,
                            "ToPort": "443",
                            "CidrIp": {"Fn::GetAtt": ["Vpc", "CidrBlock"]},
                        }
                    ],
                },
            },
        },
    }
    network = network_of(json.dumps(document))
    assert str(network.groups["Sg"].rules[0].peer) == "10.0.0.0/16"


def test_language_extensions_are_read_but_for_their_loops():
    network = network_of(
        """
        Transform: AWS::LanguageExtensions
        Mappings: {Blocks: {prod: {Cidr: 10.1.0.0/16}}}
        Resources:
          Vpc:
            Type: AWS::EC2::VPC
            Properties:
              CidrBlock: !FindInMap [Blocks, dev, Cidr, {DefaultValue: 10.2.0.0/16}]
        """
    )
    assert str(network.vpcs["Vpc"].ipv4_blocks[0]) == "10.2.0.0/16"
    assert network.warnings == ()


def test_a_template_as_the_cdk_writes_it_is_read():
    group = {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "App/Web",
            "SecurityGroupEgress": [
                {
                    "CidrIp": "255.255.255.255/32",
                    "Description": "Disallow all traffic",
                    "FromPort": 252,
                    "IpProtocol": "icmp",
                    "ToPort": 86,
                }
            ],
            "VpcId": {"Ref": "Vpc8378EB38"},
        },
        "Metadata": {"aws:cdk:path": "App/Web/Resource"},
    }
    document = {
        "Resources": {
            "Vpc8378EB38": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Subnet1": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {
                    "AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
                    "CidrBlock": "10.0.0.0/18",
                    "VpcId": {"Ref": "Vpc8378EB38"},
                },
            },
            "Restrict": {
                "Type": "Custom::VpcRestrictDefaultSG",
                "Properties": {
                    "DefaultSecurityGroupId": {
                        "Fn::GetAtt": ["Vpc8378EB38", "DefaultSecurityGroup"]
                    },
                    "Account": {"Ref": "AWS::AccountId"},
                },
            },
            "Web": group,
            "WebfromLb443": {
                "Type": "AWS::EC2::SecurityGroupIngress",
                "Properties": {
                    "Description": {
                        "Fn::Join": ["", ["from ", {"Fn::GetAtt": ["Web", "GroupId"]}, ":443"]]
                    },
                    "FromPort": 443,
                    "GroupId": {"Fn::GetAtt": ["Web", "GroupId"]},
                    "IpProtocol": "tcp",
                    "SourceSecurityGroupId": {"Fn::GetAtt": ["Web", "GroupId"]},
                    "ToPort": 443,
                },
            },
            "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Condition": "CDKMetadataAvailable"},
        },
        "Conditions": {
            "CDKMetadataAvailable": {
                "Fn::Or": [
                    {"Fn::Equals": [{"Ref": "AWS::Region"}, "af-south-1"]},
                    {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
                ]
            }
        },
        "Parameters": {
            "BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/cdk-bootstrap/hnb659fds/version",
            }
        },
        "Rules": {
            "CheckBootstrapVersion": {
                "Assertions": [
                    {
                        "Assert": {
                            "Fn::Not": [{"Fn::Contains": [["1", "2"], {"Ref": "BootstrapVersion"}]}]
                        },
                        "AssertDescription": "too old",
                    }
                ]
            }
        },
    }
    network = network_of(json.dumps(document))
    assert [
        (rule.rule_id, str(rule.traffic), str(rule.peer)) for rule in network.groups["Web"].rules
    ] == [
        ("WebfromLb443", "tcp/443", "Web"),
        ("Web/egress/0", "icmp/252/86", "255.255.255.255/32"),
    ]
    assert network.groups["Web"].rules[0].description == "from Web:443"
    assert network.warnings == (
        "net.yaml: these change what passes and are not modelled: "
        "Restrict (Custom::VpcRestrictDefaultSG)",
    )
