"""What each property of describe output is worth: used, harmless, or not modelled.

Owns the tables and the walk that names what is not modelled or not known. A path is written
without the brackets of lists; a harmless or not modelled one covers what is below it. A test
compares the tables with EC2's published shapes, member by member.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from secgroup.sources.document import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """The properties of a noun, each path in one of the three.

    `not_modelled` says for each the values that change nothing (besides null, false, 0 and
    empty ones, which never do).
    """

    used: frozenset[str]
    harmless: frozenset[str]
    not_modelled: Mapping[str, frozenset[str]]


def _table(*, used: str, harmless: str, not_modelled: str = "") -> Properties:
    """Read paths between blanks; a not modelled one as `path` or `path=value,value`."""
    values = (each.partition("=") for each in not_modelled.split())
    return Properties(
        used=frozenset(used.split()),
        harmless=frozenset(harmless.split()),
        not_modelled={path: frozenset(inert.split(",")) - {""} for path, _, inert in values},
    )


def _below(path: str, names: str) -> str:
    return " ".join(f"{path}.{name}" for name in names.split())


_INTERFACE_USED: Final = """
    Attachment.DeviceIndex
    ConnectionTrackingConfiguration.TcpEstablishedTimeout
    ConnectionTrackingConfiguration.UdpStreamTimeout ConnectionTrackingConfiguration.UdpTimeout
    Groups.GroupId InterfaceType Ipv4Prefixes.Ipv4Prefix Ipv6Addresses.Ipv6Address
    Ipv6Prefixes.Ipv6Prefix MacAddress NetworkInterfaceId OwnerId PrivateIpAddress
    Association.PublicIp PrivateIpAddresses.Association.PublicIp PrivateIpAddresses.Primary
    PrivateIpAddresses.PrivateIpAddress SourceDestCheck SubnetId VpcId
"""
_INTERFACE_HARMLESS: Final = """
    Association.IpOwnerId Association.PublicDnsName Attachment.AttachTime Attachment.AttachmentId
    Attachment.DeleteOnTermination Attachment.EnaQueueCount Attachment.EnaSrdSpecification
    Attachment.NetworkCardIndex Attachment.Status Description Groups.GroupName
    Ipv6Addresses.IsPrimaryIpv6 Operator PrivateDnsName PrivateIpAddresses.Association.IpOwnerId
    PrivateIpAddresses.Association.PublicDnsName PrivateIpAddresses.PrivateDnsName Status
"""
_INTERFACE_NOT_MODELLED: Final = """
    Association.CarrierIp Association.CustomerOwnedIp
    PrivateIpAddresses.Association.CarrierIp PrivateIpAddresses.Association.CustomerOwnedIp
"""

_INSTANCE_USED: Final = "InstanceId InstanceType Tags.Key Tags.Value"
_INSTANCE_HARMLESS: Final = """
    AmiLaunchIndex Architecture BlockDeviceMappings BootMode CapacityBlockId
    CapacityReservationId CapacityReservationSpecification ClientToken CpuOptions
    CurrentInstanceBootMode EbsOptimized ElasticGpuAssociations
    ElasticInferenceAcceleratorAssociations EnaSupport EnclaveOptions HibernationOptions
    Hypervisor IamInstanceProfile ImageId InstanceLifecycle Ipv6Address KernelId KeyName
    LaunchTime Licenses MaintenanceOptions MetadataOptions Monitoring NetworkPerformanceOptions
    Operator OutpostArn Placement Platform PlatformDetails PrivateDnsName PrivateDnsNameOptions
    PrivateIpAddress ProductCodes PublicDnsName PublicIpAddress RamdiskId RootDeviceName
    RootDeviceType SecurityGroups SourceDestCheck SpotInstanceRequestId SriovNetSupport State
    StateReason StateTransitionReason SubnetId TpmSupport UsageOperation
    UsageOperationUpdateTime VirtualizationType VpcId
"""

_INSTANCE: Final = {
    "used": f"{_INSTANCE_USED} {_below('NetworkInterfaces', _INTERFACE_USED)}",
    "harmless": f"{_INSTANCE_HARMLESS} {_below('NetworkInterfaces', _INTERFACE_HARMLESS)}",
    "not_modelled": (f"SecondaryInterfaces {_below('NetworkInterfaces', _INTERFACE_NOT_MODELLED)}"),
}

_PERMISSION_USED: Final = """
    FromPort IpProtocol ToPort IpRanges.CidrIp IpRanges.Description Ipv6Ranges.CidrIpv6
    Ipv6Ranges.Description PrefixListIds.Description PrefixListIds.PrefixListId
    UserIdGroupPairs.Description UserIdGroupPairs.GroupId UserIdGroupPairs.UserId
    UserIdGroupPairs.VpcId UserIdGroupPairs.VpcPeeringConnectionId
"""
_PERMISSIONS: Final = ("IpPermissions", "IpPermissionsEgress")

_PREFIX_LISTS: Final = _table(
    used="""
        Cidrs Entries.Cidr MaxEntries PrefixListId PrefixListName Tags.Key Tags.Value
    """,
    harmless="""
        AddressFamily Entries.Description IpamPrefixListResolverSyncEnabled
        IpamPrefixListResolverTargetId OwnerId PrefixListArn State StateMessage Version
    """,
)

#: By every key of describe output that is read, as EC2 spells it.
PROPERTIES: Final[Mapping[str, Properties]] = {
    "Vpcs": _table(
        used="""
            CidrBlock CidrBlockAssociationSet.CidrBlock
            CidrBlockAssociationSet.CidrBlockState.State Ipv6CidrBlockAssociationSet.Ipv6CidrBlock
            Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State IsDefault OwnerId Tags.Key
            Tags.Value VpcId
        """,
        harmless="""
            CidrBlockAssociationSet.AssociationId
            CidrBlockAssociationSet.CidrBlockState.StatusMessage DhcpOptionsId
            EncryptionControl.ResourceExclusions EncryptionControl.State
            EncryptionControl.StateMessage EncryptionControl.Tags
            EncryptionControl.VpcEncryptionControlId EncryptionControl.VpcId InstanceTenancy
            Ipv6CidrBlockAssociationSet.AssociationId Ipv6CidrBlockAssociationSet.IpSource
            Ipv6CidrBlockAssociationSet.Ipv6AddressAttribute
            Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.StatusMessage
            Ipv6CidrBlockAssociationSet.Ipv6Pool Ipv6CidrBlockAssociationSet.NetworkBorderGroup
            State
        """,
        not_modelled="""
            BlockPublicAccessStates.InternetGatewayBlockMode=off EncryptionControl.Mode=monitor
        """,
    ),
    "Subnets": _table(
        used="""
            AvailabilityZone AvailabilityZoneId CidrBlock Ipv6CidrBlockAssociationSet.Ipv6CidrBlock
            Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State SubnetArn SubnetId Tags.Key
            Tags.Value VpcId
        """,
        harmless="""
            AssignIpv6AddressOnCreation AvailableIpAddressCount CustomerOwnedIpv4Pool DefaultForAz
            EnableDns64 Ipv6CidrBlockAssociationSet.AssociationId
            Ipv6CidrBlockAssociationSet.IpSource Ipv6CidrBlockAssociationSet.Ipv6AddressAttribute
            Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.StatusMessage Ipv6Native
            MapCustomerOwnedIpOnLaunch MapPublicIpOnLaunch OutpostArn OwnerId
            PrivateDnsNameOptionsOnLaunch State Type
        """,
        not_modelled="""
            BlockPublicAccessStates.InternetGatewayBlockMode=off EnableLniAtDeviceIndex
        """,
    ),
    "SecurityGroups": _table(
        used=" ".join(
            (
                "GroupId GroupName OwnerId SecurityGroupArn Tags.Key Tags.Value VpcId",
                *(_below(each, _PERMISSION_USED) for each in _PERMISSIONS),
            )
        ),
        harmless=" ".join(
            ("Description", *(f"{each}.UserIdGroupPairs.GroupName" for each in _PERMISSIONS))
        ),
        not_modelled=" ".join(
            f"{each}.UserIdGroupPairs.PeeringStatus=active" for each in _PERMISSIONS
        ),
    ),
    "SecurityGroupRules": _table(
        used="""
            CidrIpv4 CidrIpv6 Description FromPort GroupId GroupOwnerId IpProtocol IsEgress
            PrefixListId ReferencedGroupInfo.GroupId ReferencedGroupInfo.UserId
            ReferencedGroupInfo.VpcId ReferencedGroupInfo.VpcPeeringConnectionId
            SecurityGroupRuleId ToPort
        """,
        harmless="SecurityGroupRuleArn Tags",
        not_modelled="ReferencedGroupInfo.PeeringStatus=active",
    ),
    "SecurityGroupVpcAssociations": _table(
        used="GroupId State VpcId",
        harmless="GroupOwnerId StateReason VpcOwnerId",
    ),
    "NetworkAcls": _table(
        used="""
            Associations.SubnetId Entries.CidrBlock Entries.Egress Entries.IcmpTypeCode.Code
            Entries.IcmpTypeCode.Type Entries.Ipv6CidrBlock Entries.PortRange.From
            Entries.PortRange.To Entries.Protocol Entries.RuleAction Entries.RuleNumber IsDefault
            NetworkAclId Tags.Key Tags.Value VpcId
        """,
        harmless="Associations.NetworkAclAssociationId Associations.NetworkAclId OwnerId",
    ),
    "NetworkInterfaces": _table(
        used=f"{_INTERFACE_USED} Attachment.InstanceId RequesterId TagSet.Key TagSet.Value",
        harmless=f"""
            {_INTERFACE_HARMLESS} Association.AllocationId Association.AssociationId
            Attachment.InstanceOwnerId AvailabilityZone AvailabilityZoneId
            Ipv6Address Ipv6Addresses.PublicIpv6DnsName Ipv6Native OutpostArn
            PrivateIpAddresses.Association.AllocationId
            PrivateIpAddresses.Association.AssociationId PublicDnsName PublicIpDnsNameOptions
            RequesterManaged
        """,
        not_modelled=f"{_INTERFACE_NOT_MODELLED} AssociatedSubnets DenyAllIgwTraffic",
    ),
    "ManagedPrefixLists": _PREFIX_LISTS,
    "PrefixLists": _PREFIX_LISTS,
    "RouteTables": _table(
        used="""
            Associations.AssociationState.State Associations.GatewayId Associations.Main
            Associations.SubnetId RouteTableId Routes.CarrierGatewayId Routes.CoreNetworkArn
            Routes.DestinationCidrBlock Routes.DestinationIpv6CidrBlock
            Routes.DestinationPrefixListId Routes.EgressOnlyInternetGatewayId Routes.GatewayId
            Routes.InstanceId Routes.LocalGatewayId Routes.NatGatewayId Routes.NetworkInterfaceId
            Routes.OdbNetworkArn Routes.State Routes.TransitGatewayId
            Routes.VpcPeeringConnectionId Tags.Key Tags.Value VpcId
        """,
        harmless="""
            Associations.AssociationState.StatusMessage Associations.RouteTableAssociationId
            Associations.RouteTableId OwnerId PropagatingVgws Routes.InstanceOwnerId Routes.Origin
        """,
        not_modelled="Associations.PublicIpv4Pool Routes.IpAddress",
    ),
    "InternetGateways": _table(
        used="Attachments.State Attachments.VpcId InternetGatewayId Tags.Key Tags.Value",
        harmless="OwnerId",
    ),
    "EgressOnlyInternetGateways": _table(
        used="Attachments.State Attachments.VpcId EgressOnlyInternetGatewayId Tags.Key Tags.Value",
        harmless="",
    ),
    "NatGateways": _table(
        used="""
            AvailabilityMode ConnectivityType NatGatewayAddresses.IsPrimary
            NatGatewayAddresses.NetworkInterfaceId NatGatewayAddresses.PrivateIp
            NatGatewayAddresses.PublicIp NatGatewayId State SubnetId Tags.Key Tags.Value VpcId
        """,
        harmless="""
            AutoProvisionZones AutoScalingIps CreateTime DeleteTime FailureCode FailureMessage
            NatGatewayAddresses.AllocationId NatGatewayAddresses.AssociationId
            NatGatewayAddresses.AvailabilityZone NatGatewayAddresses.AvailabilityZoneId
            NatGatewayAddresses.FailureMessage NatGatewayAddresses.Status ProvisionedBandwidth
        """,
        not_modelled="AttachedAppliances RouteTableId",
    ),
    "Addresses": _table(
        used="AllocationId NetworkInterfaceId PrivateIpAddress PublicIp Tags.Key Tags.Value",
        harmless="""
            AssociationId Domain InstanceId NetworkBorderGroup NetworkInterfaceOwnerId
            PublicIpv4Pool ServiceManaged SubnetId
        """,
        not_modelled="CarrierIp CustomerOwnedIp CustomerOwnedIpv4Pool",
    ),
    "VpcPeeringConnections": _table(
        used=" ".join(
            (
                "Status.Code Tags.Key Tags.Value VpcPeeringConnectionId",
                *(
                    _below(
                        each,
                        "CidrBlock CidrBlockSet.CidrBlock Ipv6CidrBlockSet.Ipv6CidrBlock OwnerId "
                        "Region VpcId",
                    )
                    for each in ("AccepterVpcInfo", "RequesterVpcInfo")
                ),
            )
        ),
        harmless="""
            AccepterVpcInfo.PeeringOptions ExpirationTime MultipathResilienceStatus
            RequesterVpcInfo.PeeringOptions Status.Message
        """,
    ),
    "VpcEndpoints": _table(
        used="""
            NetworkInterfaceIds RouteTableIds ServiceName State Tags.Key Tags.Value VpcEndpointId
            VpcEndpointType VpcId
        """,
        harmless="""
            CreationTimestamp DnsEntries DnsOptions FailureReason Groups IpAddressType LastError
            OwnerId PayerResponsibilities PolicyDocument PrivateDnsEnabled RequesterManaged
            ResourceConfigurationArn ServiceNetworkArn ServiceRegion SubnetIds
        """,
        not_modelled="Ipv4Prefixes Ipv6Prefixes",
    ),
    "Reservations": _table(
        used=_below("Instances", _INSTANCE["used"]),
        harmless=f"Groups OwnerId RequesterId ReservationId "
        f"{_below('Instances', _INSTANCE['harmless'])}",
        not_modelled=_below("Instances", _INSTANCE["not_modelled"]),
    ),
    "Instances": _table(**_INSTANCE),
}


@dataclass(slots=True)
class _Branch:
    """One level of a table: what is known there, and where the walk goes on."""

    known: set[str] = field(default_factory=set)
    inner: dict[str, "_Branch"] = field(default_factory=dict)
    not_modelled: dict[str, frozenset[str]] = field(default_factory=dict)


def _tree(properties: Properties) -> _Branch:
    root = _Branch()
    for path in (*properties.used, *properties.harmless, *properties.not_modelled):
        branch = root
        *outer, last = path.split(".")
        for step in outer:
            branch.known.add(step)
            branch = branch.inner.setdefault(step, _Branch())
        branch.known.add(last)
        if path in properties.not_modelled:
            branch.not_modelled[last] = properties.not_modelled[path]
    return root


def unmodelled(kind: str, nodes: Iterable[Node]) -> list[str]:
    """Return one line for each property that is not modelled or not known, with its first place.

    Parameters
    ----------
    kind : str
        The key that the nodes stand under; one of `PROPERTIES`.
    nodes : iterable of Node
        Objects that have been read without error.

    """
    tree = _tree(PROPERTIES[kind])
    found: dict[tuple[str, ...], str] = {}
    for node in nodes:
        _walk(node.value, tree, (), found, node, "")
    return list(found.values())


def _walk(
    value: dict[str, Any],
    branch: _Branch,
    steps: tuple[str, ...],
    found: dict[tuple[str, ...], str],
    node: Node,
    path: str,
) -> None:
    if not value.keys() <= branch.known:
        for key in value.keys() - branch.known:
            _name(found, (*steps, key), node, f"{path}{plain(key)}", "not a property that is known")
    for key, inert in branch.not_modelled.items():
        given = value.get(key)
        if given and not (isinstance(given, str) and given in inert):
            _name(found, (*steps, key), node, f"{path}{key}", "not modelled")
    for key, inner in branch.inner.items():
        below = value.get(key)
        if type(below) is dict:
            _walk(below, inner, (*steps, key), found, node, f"{path}{key}.")
        elif type(below) is list:
            for index, each in enumerate(below):
                if type(each) is dict:
                    _walk(each, inner, (*steps, key), found, node, f"{path}{key}[{index}].")


def _name(
    found: dict[tuple[str, ...], str], steps: tuple[str, ...], node: Node, path: str, what: str
) -> None:
    if steps not in found:
        found[steps] = f"{node.source}: {node.path}.{path}: {what}"


def plain(key: str) -> str:
    """Write a key that anybody may have chosen so that it stays on its line."""
    return key if key.isidentifier() and key.isascii() else ascii(key)
