from ipaddress import IPv6Network

from secgroup.sources.cfn_addresses import derive_ipv6_block
from tests.support.templates import network_of

DOCUMENTATION = IPv6Network("2001:db8::/32")


def test_derived_ipv6_blocks_can_be_cut_where_templates_cut_them():
    blocks = [derive_ipv6_block(f"Block{i}", DOCUMENTATION, ()) for i in range(2000)]
    assert all(str(block).endswith("00::/56") for block in blocks)
    assert all(block.subnet_of(DOCUMENTATION) for block in blocks)


def test_subnet_block_that_is_cut_out_of_the_text_of_the_vpcs():
    # The form of the VPC samples of AWS, from before Fn::Cidr.
    for name in ("Ipv6Block", "Block17", "Block312"):
        network = network_of(f"""
            Resources:
              Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}
              {name}:
                Type: AWS::EC2::VPCCidrBlock
                Properties: {{VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true}}
              Subnet:
                Type: AWS::EC2::Subnet
                Properties:
                  VpcId: !Ref Vpc
                  CidrBlock: 10.0.1.0/24
                  Ipv6CidrBlock: !Join
                    - ""
                    - - !Select [0, !Split ["00::/56", !Select [0, !GetAtt Vpc.Ipv6CidrBlocks]]]
                      - "01::/64"
        """)
        (block,) = network.subnets["Subnet"].ipv6_blocks
        assert block.prefixlen == 64
