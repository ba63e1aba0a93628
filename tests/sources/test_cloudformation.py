import textwrap

import pytest

from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.sources import cloudformation
from secgroup.sources.draft import Draft


def network_of(text: str, **given) -> Network:
    draft = Draft()
    cloudformation.read(textwrap.dedent(text), draft, source="net.yaml", **given)
    return draft.network()


VPC = """
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
"""


def test_an_instance_without_groups_gets_its_vpcs_default_group():
    network = network_of(
        VPC + "  Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}"
    )
    assert network.interfaces["Web"].group_ids == ("Vpc.DefaultSecurityGroup",)
    assert network.interfaces["Web"].instance_id == "Web"
    assert network.warnings == ()


def test_a_ref_that_names_nothing_is_refused_with_its_path():
    with pytest.raises(InputError) as refused:
        network_of("Resources: {S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpx}}}")
    assert str(refused.value) == (
        "net.yaml: Resources.S.Properties.VpcId.Ref: there is no parameter or resource Vpx"
    )
