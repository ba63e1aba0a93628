"""The prefix lists that AWS itself keeps in every region, with the weights that it publishes.

Their blocks change by the day and are published nowhere that could be read here: these lists have
no entries, and a rule that names one matches nothing. They belong to an account named `AWS`.

Source: VPC User Guide, "AWS-managed prefix lists", read 2026-11-20.
"""

import hashlib
from typing import Any, Final

from secgroup.control.state import State

#: The account that these lists belong to.
AWS: Final = "AWS"

_PREFIX: Final = "com.amazonaws"
_IPV4: Final = 4
_IPV6: Final = 6

#: Name behind `com.amazonaws.` -> family and weight.
_LISTS: Final[dict[str, tuple[int, int]]] = {
    "{region}.dynamodb": (_IPV4, 1),
    "{region}.s3": (_IPV4, 1),
    "{region}.s3express": (_IPV4, 6),
    "global.cloudfront.origin-facing": (_IPV4, 55),
    "global.ipv6.cloudfront.origin-facing": (_IPV6, 55),
    "global.groundstation": (_IPV4, 5),
    "{region}.ec2-instance-connect": (_IPV4, 2),
    "{region}.ipv6.ec2-instance-connect": (_IPV6, 2),
    "{region}.route53-healthchecks": (_IPV4, 25),
    "{region}.ipv6.route53-healthchecks": (_IPV6, 25),
    "{region}.secretsmanager-managed-external-secrets": (_IPV4, 20),
    "{region}.vpc-lattice": (_IPV4, 10),
    "{region}.ipv6.vpc-lattice": (_IPV6, 10),
}

#: The services that have gateway endpoints: what DescribePrefixLists shows.
GATEWAY_SERVICES: Final = ("dynamodb", "s3", "s3express")


def is_reserved(name: str) -> bool:
    """Tell whether only AWS may give a prefix list this name."""
    return name.lower().startswith(_PREFIX)


def aws_list_id(region: str, service: str) -> str:
    """Return the id of a region's list by the end of its name: `s3`, `ipv6.vpc-lattice`.

    AWS's own ids are published nowhere; these are as short as AWS's, and always the same.
    """
    for template in _LISTS:
        name = template.format(region=region)
        if name in (f"{region}.{service}", f"global.{service}"):
            return _list_id(region, name)
    raise KeyError(service)


def _list_id(region: str, name: str) -> str:
    return "pl-" + hashlib.sha256(f"{region}/{name}".encode()).hexdigest()[:8]


def aws_weight(region: str, prefix_list_id: str) -> int:
    """Return what a rule that names one of these lists counts against the quota."""
    for template, (_, weight) in _LISTS.items():
        if _list_id(region, template.format(region=region)) == prefix_list_id:
            return weight
    raise KeyError(prefix_list_id)


def create_aws_lists(state: State, region: str) -> None:
    """Make the lists that a region does not have yet."""
    for template, (family, _) in _LISTS.items():
        name = template.format(region=region)
        prefix_list_id = _list_id(region, name)
        if state.find("ManagedPrefixList", prefix_list_id) is not None:
            continue
        kept: dict[str, Any] = {
            "PrefixListId": prefix_list_id,
            "AddressFamily": f"IPv{family}",
            "State": "create-complete",
            "PrefixListArn": f"arn:aws:ec2:{region}:aws:prefix-list/{prefix_list_id}",
            "PrefixListName": f"{_PREFIX}.{name}",
            "Tags": [],
            "OwnerId": AWS,
        }
        state.put(AWS, region, "ManagedPrefixList", kept)
