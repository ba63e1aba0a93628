"""Which properties of a template's resources count: used, harmless, or not modelled.

Owns one table for each resource type that is modelled, and the attributes that `Fn::GetAtt`
may ask of it. A property that is in no table is unknown, and is named like one that is not
modelled; what stands below a harmless or an unmodelled property is not looked at.
Compared with CloudFormation's resource schemas by the tests.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

EC2: Final = "AWS::EC2::"


class Use(Enum):
    """What becomes of a property."""

    #: It shapes the network.
    USED = "used"
    #: No packet can feel it.
    HARMLESS = "harmless"
    #: A packet may feel it, and the model has no place for it: it is named in a warning.
    NOT_MODELLED = "not modelled"


_TAGS: Final = "Tags Tags[].Key Tags[].Value"

_TABLES: Final = f"""
VPC
  used      CidrBlock EnableDnsSupport {_TAGS}
  harmless  EnableDnsHostnames InstanceTenancy
  absent    Ipv4IpamPoolId Ipv4NetmaskLength VpcEncryptionControl
  getatt    CidrBlock CidrBlockAssociations DefaultNetworkAcl DefaultSecurityGroup
  getatt    Ipv6CidrBlocks VpcId
VPCCidrBlock
  used      AmazonProvidedIpv6CidrBlock CidrBlock Ipv6CidrBlock VpcId
  harmless  Ipv6CidrBlockNetworkBorderGroup Ipv6Pool
  absent    Ipv4IpamPoolId Ipv4NetmaskLength Ipv6IpamPoolId Ipv6NetmaskLength
  getatt    Id IpSource Ipv6AddressAttribute
Subnet
  used      AssignIpv6AddressOnCreation AvailabilityZone AvailabilityZoneId CidrBlock
  used      Ipv6CidrBlock Ipv6Native MapPublicIpOnLaunch VpcId {_TAGS}
  harmless  EnableDns64 PrivateDnsNameOptionsOnLaunch
  absent    EnableLniAtDeviceIndex Ipv4IpamPoolId Ipv4NetmaskLength Ipv6IpamPoolId
  absent    Ipv6NetmaskLength OutpostArn
  getatt    AvailabilityZone AvailabilityZoneId BlockPublicAccessStates CidrBlock
  getatt    Ipv6CidrBlocks NetworkAclAssociationId OutpostArn SubnetId VpcId
SubnetCidrBlock
  used      Ipv6CidrBlock SubnetId
  absent    Ipv6IpamPoolId Ipv6NetmaskLength
  getatt    Id IpSource Ipv6AddressAttribute
SecurityGroup
  used      GroupName VpcId {_TAGS}
  used      SecurityGroupEgress SecurityGroupEgress[].CidrIp SecurityGroupEgress[].CidrIpv6
  used      SecurityGroupEgress[].Description SecurityGroupEgress[].DestinationPrefixListId
  used      SecurityGroupEgress[].DestinationSecurityGroupId SecurityGroupEgress[].FromPort
  used      SecurityGroupEgress[].IpProtocol SecurityGroupEgress[].ToPort
  used      SecurityGroupIngress SecurityGroupIngress[].CidrIp SecurityGroupIngress[].CidrIpv6
  used      SecurityGroupIngress[].Description SecurityGroupIngress[].FromPort
  used      SecurityGroupIngress[].IpProtocol SecurityGroupIngress[].SourcePrefixListId
  used      SecurityGroupIngress[].SourceSecurityGroupId
  used      SecurityGroupIngress[].SourceSecurityGroupName
  used      SecurityGroupIngress[].SourceSecurityGroupOwnerId SecurityGroupIngress[].ToPort
  harmless  GroupDescription
  getatt    GroupId Id VpcId
SecurityGroupIngress
  used      CidrIp CidrIpv6 Description FromPort GroupId GroupName IpProtocol SourcePrefixListId
  used      SourceSecurityGroupId SourceSecurityGroupName SourceSecurityGroupOwnerId ToPort
  getatt    Id
SecurityGroupEgress
  used      CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId
  used      FromPort GroupId IpProtocol ToPort
  getatt    Id
SecurityGroupVpcAssociation
  used      GroupId VpcId
  getatt    State StateReason VpcOwnerId
NetworkAcl
  used      VpcId {_TAGS}
  getatt    Id
NetworkAclEntry
  used      CidrBlock Egress Icmp Icmp.Code Icmp.Type Ipv6CidrBlock NetworkAclId PortRange
  used      PortRange.From PortRange.To Protocol RuleAction RuleNumber
  getatt    Id
SubnetNetworkAclAssociation
  used      NetworkAclId SubnetId
  getatt    AssociationId
NetworkInterface
  used      ConnectionTrackingSpecification
  used      ConnectionTrackingSpecification.TcpEstablishedTimeout
  used      ConnectionTrackingSpecification.UdpStreamTimeout
  used      ConnectionTrackingSpecification.UdpTimeout
  used      GroupSet InterfaceType Ipv4Prefixes Ipv4Prefixes[].Ipv4Prefix Ipv6AddressCount
  used      Ipv6Addresses Ipv6Addresses[].Ipv6Address Ipv6Prefixes Ipv6Prefixes[].Ipv6Prefix
  used      PrivateIpAddress PrivateIpAddresses PrivateIpAddresses[].Primary
  used      PrivateIpAddresses[].PrivateIpAddress SecondaryPrivateIpAddressCount SourceDestCheck
  used      SubnetId {_TAGS}
  harmless  Description EnablePrimaryIpv6 PublicIpDnsHostnameTypeSpecification
  absent    Ipv4PrefixCount Ipv6PrefixCount
  getatt    Id PrimaryIpv6Address PrimaryPrivateIpAddress PublicIpDnsNameOptions
  getatt    SecondaryPrivateIpAddresses VpcId
NetworkInterfaceAttachment
  used      DeviceIndex InstanceId NetworkInterfaceId
  harmless  DeleteOnTermination EnaQueueCount EnaSrdSpecification
  getatt    AttachmentId
Instance
  used      AvailabilityZone InstanceType Ipv6AddressCount Ipv6Addresses
  used      Ipv6Addresses[].Ipv6Address NetworkInterfaces
  used      NetworkInterfaces[].AssociatePublicIpAddress NetworkInterfaces[].DeviceIndex
  used      NetworkInterfaces[].GroupSet NetworkInterfaces[].Ipv6AddressCount
  used      NetworkInterfaces[].Ipv6Addresses NetworkInterfaces[].Ipv6Addresses[].Ipv6Address
  used      NetworkInterfaces[].NetworkInterfaceId NetworkInterfaces[].PrivateIpAddress
  used      NetworkInterfaces[].PrivateIpAddresses
  used      NetworkInterfaces[].PrivateIpAddresses[].Primary
  used      NetworkInterfaces[].PrivateIpAddresses[].PrivateIpAddress
  used      NetworkInterfaces[].SecondaryPrivateIpAddressCount NetworkInterfaces[].SubnetId
  used      PrivateIpAddress SecurityGroupIds SecurityGroups SourceDestCheck SubnetId {_TAGS}
  harmless  NetworkInterfaces[].DeleteOnTermination NetworkInterfaces[].Description
  harmless  NetworkInterfaces[].EnaSrdSpecification
  harmless  AdditionalInfo Affinity BlockDeviceMappings CpuOptions CreditSpecification
  harmless  DisableApiTermination EbsOptimized ElasticGpuSpecifications
  harmless  ElasticInferenceAccelerators EnclaveOptions HibernationOptions HostId
  harmless  HostResourceGroupArn IamInstanceProfile ImageId InstanceInitiatedShutdownBehavior
  harmless  KernelId KeyName LicenseSpecifications MetadataOptions Monitoring
  harmless  PlacementGroupName PrivateDnsNameOptions
  harmless  PropagateTagsToVolumeOnCreation RamdiskId SsmAssociations Tenancy UserData Volumes
  absent    LaunchTemplate NetworkInterfaces[].AssociateCarrierIpAddress
  getatt    AvailabilityZone InstanceId PrivateDnsName PrivateIp PublicDnsName PublicIp State
  getatt    State.Code State.Name VpcId
PrefixList
  used      AddressFamily Entries Entries[].Cidr MaxEntries PrefixListName {_TAGS}
  harmless  Entries[].Description
  getatt    Arn OwnerId PrefixListId Version
RouteTable
  used      VpcId {_TAGS}
  getatt    RouteTableId
Route
  used      CarrierGatewayId CoreNetworkArn DestinationCidrBlock DestinationIpv6CidrBlock
  used      DestinationPrefixListId EgressOnlyInternetGatewayId GatewayId InstanceId
  used      LocalGatewayId NatGatewayId NetworkInterfaceId OdbNetworkArn RouteTableId
  used      TransitGatewayId VpcEndpointId VpcPeeringConnectionId
  getatt    CidrBlock
SubnetRouteTableAssociation
  used      RouteTableId SubnetId
  getatt    Id
GatewayRouteTableAssociation
  used      GatewayId RouteTableId
  getatt    AssociationId
InternetGateway
  used      {_TAGS}
  getatt    InternetGatewayId
EgressOnlyInternetGateway
  used      VpcId {_TAGS}
  getatt    Id
VPCGatewayAttachment
  used      InternetGatewayId VpcId
  harmless  VpnGatewayId
  getatt    AttachmentType
EIP
  used      Address InstanceId TransferAddress {_TAGS}
  harmless  Domain IpamPoolId NetworkBorderGroup PublicIpv4Pool
  getatt    AllocationId PublicIp
EIPAssociation
  used      AllocationId EIP InstanceId NetworkInterfaceId PrivateIpAddress
  getatt    Id
NatGateway
  used      AllocationId ConnectivityType PrivateIpAddress SecondaryAllocationIds
  used      SecondaryPrivateIpAddressCount SecondaryPrivateIpAddresses SubnetId {_TAGS}
  harmless  MaxDrainDurationSeconds VpcId
  absent    AvailabilityMode AvailabilityZoneAddresses
  getatt    AutoProvisionZones AutoScalingIps EniId NatGatewayId RouteTableId
VPCPeeringConnection
  used      PeerOwnerId PeerRegion PeerVpcId VpcId {_TAGS}
  harmless  AssumeRoleRegion PeerRoleArn
  getatt    Id
VPCEndpoint
  used      IpAddressType RouteTableIds SecurityGroupIds ServiceName SubnetIds VpcEndpointType
  used      VpcId {_TAGS}
  harmless  DnsOptions PolicyDocument PrivateDnsEnabled ServiceRegion
  absent    ResourceConfigurationArn ServiceNetworkArn
  getatt    CreationTimestamp DnsEntries Id NetworkInterfaceIds
"""

_WORDS: Final = {"used": Use.USED, "harmless": Use.HARMLESS, "absent": Use.NOT_MODELLED}


def _parse(text: str) -> tuple[dict[str, dict[str, Use]], dict[str, frozenset[str]]]:
    properties: dict[str, dict[str, Use]] = {}
    attributes: dict[str, frozenset[str]] = {}
    kind = ""
    for line in text.strip().splitlines():
        word, *names = line.split()
        if not names:
            kind = EC2 + word
            properties[kind], attributes[kind] = {}, frozenset()
        elif word == "getatt":
            attributes[kind] |= set(names)
        else:
            for name in names:
                if name in properties[kind]:
                    raise ValueError(f"{kind} {name} stands twice in the table")
                properties[kind][name] = _WORDS[word]
    return properties, attributes


_PARSED: Final = _parse(_TABLES)
#: Resource type -> property (`SecurityGroupIngress[].CidrIp`) -> what becomes of it.
PROPERTIES: Final[Mapping[str, Mapping[str, Use]]] = _PARSED[0]
#: Resource type -> the attributes that it has.
ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = _PARSED[1]

#: Types of other services (and groups of instances) that put interfaces into subnets.
MAKE_INTERFACES: Final = frozenset(
    {
        "AWS::AmazonMQ::Broker",
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS::Batch::ComputeEnvironment",
        "AWS::DAX::Cluster",
        "AWS::DMS::ReplicationInstance",
        "AWS::DirectoryService::MicrosoftAD",
        "AWS::DirectoryService::SimpleAD",
        "AWS::DocDB::DBInstance",
        "AWS::EC2::EC2Fleet",
        "AWS::EC2::InstanceConnectEndpoint",
        "AWS::EC2::SpotFleet",
        "AWS::EC2::TransitGatewayAttachment",
        "AWS::EC2::TransitGatewayVpcAttachment",
        "AWS::ECS::Service",
        "AWS::EFS::MountTarget",
        "AWS::EKS::Cluster",
        "AWS::EKS::Nodegroup",
        "AWS::EMR::Cluster",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::ElastiCache::ServerlessCache",
        "AWS::ElasticBeanstalk::Environment",
        "AWS::ElasticLoadBalancing::LoadBalancer",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "AWS::Elasticsearch::Domain",
        "AWS::FSx::FileSystem",
        "AWS::MSK::Cluster",
        "AWS::MSK::ServerlessCluster",
        "AWS::MWAA::Environment",
        "AWS::MemoryDB::Cluster",
        "AWS::Neptune::DBInstance",
        "AWS::NetworkFirewall::Firewall",
        "AWS::OpenSearchService::Domain",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBProxy",
        "AWS::Redshift::Cluster",
        "AWS::RedshiftServerless::Workgroup",
        "AWS::Route53Resolver::ResolverEndpoint",
        "AWS::SageMaker::NotebookInstance",
        "AWS::Transfer::Server",
        "AWS::WorkSpaces::Workspace",
    }
)

#: Types that do so only with the property that names a VPC.
MAKE_INTERFACES_WITH: Final = {
    "AWS::Lambda::Function": "VpcConfig",
    "AWS::Serverless::Function": "VpcConfig",
    "AWS::CodeBuild::Project": "VpcConfig",
    "AWS::Synthetics::Canary": "VPCConfig",
}

#: Types that are not modelled and change which packets pass; the CDK's empties default groups.
SHAPE_TRAFFIC: Final = frozenset(
    {
        "Custom::VpcRestrictDefaultSG",
        "AWS::EC2::RouteServerPropagation",
        "AWS::EC2::VPCBlockPublicAccessExclusion",
        "AWS::EC2::VPCBlockPublicAccessOptions",
        "AWS::EC2::VPCEncryptionControl",
        "AWS::EC2::VPNGatewayRoutePropagation",
    }
)
