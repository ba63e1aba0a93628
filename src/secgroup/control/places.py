"""Regions, Availability Zones and what an account may have: what is there before anything is made.

A region that is not in the table is served too, with three zones. Zone ids are given to letters
in their order; AWS shuffles them for each account.
Source: AWS General Reference, "Regions and Zones"; EC2 User Guide, "Regions and Zones".
"""

from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error

_ENABLED: Final = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
)
_OPT_IN: Final = (
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
)

_LETTERS: Final = {
    "us-east-1": "abcdef",
    "us-west-1": "ac",
    "us-west-2": "abcd",
    "ap-northeast-1": "acd",
    "ap-northeast-2": "abcd",
    "ca-central-1": "abd",
}
_DIRECTIONS: Final = {"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw"}


def zones(region: str) -> tuple[tuple[str, str], ...]:
    """Return name and id of each Availability Zone of a region: `eu-west-1a`, `euw1-az1`."""
    first, *words = region.split("-")
    short = first + "".join(_DIRECTIONS.get(word, word[:1]) for word in words)
    letters = _LETTERS.get(region, "abc")
    return tuple(
        (f"{region}{letter}", f"{short}-az{index}") for index, letter in enumerate(letters, 1)
    )


def zone_of(world: World, *, name: str | None, zone_id: str | None) -> tuple[str, str] | None:
    """Return name and id of the zone that a request means; None when it means none.

    Raises
    ------
    Ec2Error
        There is no such zone in this region, or both are given and differ.

    """
    if name is None and zone_id is None:
        return None
    if name is not None and zone_id is not None:
        raise Ec2Error("not_together", first="availabilityZone", second="availabilityZoneId")
    known = zones(world.region)
    for zone in known:
        if name in (None, zone[0]) and zone_id in (None, zone[1]):
            return zone
    raise Ec2Error(
        "zone_invalid",
        value=name or zone_id,
        parameter="availabilityZone" if name is not None else "availabilityZoneId",
        zones=", ".join(zone[0 if name is not None else 1] for zone in known),
    )


def dns_suffix(region: str) -> str:
    """Return the domain of private host names (VPC User Guide, DNS attributes)."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def public_dns_name(region: str, address: str) -> str:
    """Return the public host name of an address."""
    domain = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{address.replace('.', '-')}.{domain}.amazonaws.com"


_REGIONS: Final = Describe(
    kind="Region",
    result="Regions",
    filters={"endpoint": "Endpoint", "opt-in-status": "OptInStatus", "region-name": "RegionName"},
    has_tags=False,
    max_results=None,
)


def describe_regions(world: World, request: Resource) -> dict[str, Any]:
    """DescribeRegions."""
    status = dict.fromkeys(_ENABLED, "opt-in-not-required")
    if world.region not in status:
        status[world.region] = "opted-in"
    names = request.get("RegionNames")
    if names or request.get("AllRegions"):
        status = {**dict.fromkeys(_OPT_IN, "not-opted-in"), **status}
    for name in names or ():
        if name not in status:
            raise Ec2Error("region_invalid", value=name)
    found = [
        {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": opted}
        for name, opted in sorted(status.items())
        if not names or name in names
    ]
    return describe(world, request, _REGIONS, found)


_ZONES: Final = Describe(
    kind="AvailabilityZone",
    result="AvailabilityZones",
    has_tags=False,
    filters={
        "group-long-name": "GroupLongName",
        "group-name": "GroupName",
        "message": "Messages.Message",
        "opt-in-status": "OptInStatus",
        "parent-zone-id": "ParentZoneId",
        "parent-zone-name": "ParentZoneName",
        "region-name": "RegionName",
        "state": "State",
        "zone-id": "ZoneId",
        "zone-name": "ZoneName",
        "zone-type": "ZoneType",
    },
    max_results=None,
)


def describe_availability_zones(world: World, request: Resource) -> dict[str, Any]:
    """DescribeAvailabilityZones: no Local or Wavelength Zones."""
    known = zones(world.region)
    for key, index in (("ZoneNames", 0), ("ZoneIds", 1)):
        for asked in request.get(key) or ():
            if asked not in {zone[index] for zone in known}:
                raise Ec2Error("zone_unknown", value=asked)
    names, ids = request.get("ZoneNames"), request.get("ZoneIds")
    found = [
        {
            "OptInStatus": "opt-in-not-required",
            "Messages": [],
            "RegionName": world.region,
            "ZoneName": name,
            "ZoneId": zone_id,
            "GroupName": f"{world.region}-zg-1",
            "NetworkBorderGroup": world.region,
            "ZoneType": "availability-zone",
            "State": "available",
        }
        for name, zone_id in known
        if (not names or name in names) and (not ids or zone_id in ids)
    ]
    return describe(world, request, _ZONES, found)


def describe_account_attributes(world: World, request: Resource) -> dict[str, Any]:
    """DescribeAccountAttributes."""
    default = next((vpc["VpcId"] for vpc in world.every("Vpc") if vpc["IsDefault"]), "none")
    addresses = str(world.quota("elastic-addresses-per-region"))
    attributes = {
        "supported-platforms": "VPC",
        "vpc-max-security-groups-per-interface": str(
            world.quota("security-groups-per-network-interface")
        ),
        "max-elastic-ips": addresses,
        "vpc-max-elastic-ips": addresses,
        "default-vpc": default,
    }
    names = request.get("AttributeNames") or list(attributes)
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": attributes[name]}]}
            for name in names
        ]
    }


OPERATIONS: Final = {
    "DescribeRegions": describe_regions,
    "DescribeAvailabilityZones": describe_availability_zones,
    "DescribeAccountAttributes": describe_account_attributes,
}
