"""Templates for tests: a VPC with a subnet and a group, and what a test adds to it."""

import textwrap

from secgroup.model.network import Network
from secgroup.sources import cloudformation
from secgroup.sources.draft import Draft

VPC = """Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Sg: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: x, VpcId: !Ref Vpc}}
"""


def network_of(text: str, *, draft: Draft | None = None, **given) -> Network:
    draft = Draft() if draft is None else draft
    cloudformation.read(textwrap.dedent(text), draft, source="net.yaml", **given)
    return draft.network()


def with_vpc(more: str, **given) -> Network:
    """A VPC, a subnet, and `more` resources."""
    text = textwrap.indent(textwrap.dedent(more).strip("\n"), "  ")
    return network_of(f"{VPC}{text}\n", **given)
