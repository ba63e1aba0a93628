"""What botocore documents of each describe call: its filters, and the bounds of its pages."""

import html
import re

import pytest

from secgroup.api.operations import OPERATIONS
from secgroup.control import (
    addresses,
    images,
    instance_types,
    instances_shown,
    network_acls,
    network_interfaces,
    route_tables,
    security_groups,
    subnets,
    vpcs,
)
from secgroup.errors import Ec2Error
from tests.support.shapes import operation
from tests.support.worlds import Client, new_client, refused

#: Filters that are served and not documented, with who uses them.
ALIASES = {
    # Documented as long as there was EC2-Classic; it is always `vpc`.
    ("DescribeAddresses", "domain"),
    # `tag-key` comes with `tag:`.
    ("DescribeSecurityGroupRules", "tag-key"),
    ("DescribeTags", "tag-key"),
    # Terraform's data source of managed prefix lists looks for them by `tags`.
    ("DescribeManagedPrefixLists", "tag:"),
    ("DescribeManagedPrefixLists", "tag-key"),
    # Documented as long as there was EC2-Classic.
    ("DescribeNetworkInterfaces", "group-name"),
    # As DescribeSubnets spells it.
    ("DescribeVpcs", "cidr-block"),
    # An earlier spelling, and the one of Terraform's data source of VPCs.
    ("DescribeVpcs", "isDefault"),
}

#: Words that clients may think to be filters: the filters of every call.
WORDS = {
    name
    for module in (
        *(addresses, images, instance_types, instances_shown, network_acls),
        *(network_interfaces, route_tables, security_groups, subnets, vpcs),
    )
    for name in module._DESCRIBE.filters
}


def filters_member(name: str) -> str | None:
    """`Filters`, `Filter`, or None when an operation has none."""
    shape = operation(name).input_shape
    members = () if shape is None else shape.members
    return next((each for each in ("Filters", "Filter") if each in members), None)


FILTERED = sorted(name for name in OPERATIONS if filters_member(name) is not None)


def items(documentation: str) -> set[str]:
    """The names that the items of the documentation's list begin with; not of lists in them."""
    found = set()
    depth = 0
    for mark, name in re.findall(r"(</?ul>|<li>\s*<p>\s*<code>([^<]+)</code>)", documentation):
        if mark.startswith("<ul"):
            depth += 1
        elif mark.startswith("</ul"):
            depth -= 1
        elif depth == 1:
            found.add(html.unescape(name))
    return {"tag:" if name in ("tag", "tag:<key>") else name for name in found}


def documentation(name: str) -> str:
    """The documentation of an operation's filters."""
    member = filters_member(name)
    assert member is not None
    return str(operation(name).input_shape.members[member].documentation)


@pytest.fixture(scope="module")
def client() -> Client:
    made = new_client()
    made("CreateManagedPrefixList", PrefixListName="own", MaxEntries=1, AddressFamily="IPv4")
    return made


def needed(client: Client, name: str) -> dict[str, str]:
    """The members that an operation asks for."""
    asked = [{"Name": "prefix-list-name", "Values": ["own"]}]
    (own,) = client("DescribeManagedPrefixLists", Filters=asked)["PrefixLists"]
    known = {
        "VpcId": client("DescribeVpcs")["Vpcs"][0]["VpcId"],
        "PrefixListId": own["PrefixListId"],
    }
    return {each: known[each] for each in operation(name).input_shape.required_members}


def is_served(client: Client, name: str, word: str) -> bool:
    member = filters_member(name)
    wanted = {"Name": f"{word}x" if word == "tag:" else word, "Values": ["sg-0123abcd"]}
    try:
        client(name, **{str(member): [wanted]}, **needed(client, name))
    except Ec2Error as error:
        if error.fault != "unknown_filter":
            raise
        return False
    return True


@pytest.mark.semantics("ec2-filters")
@pytest.mark.parametrize("name", FILTERED)
def test_every_documented_filter_is_served(client: Client, name: str) -> None:
    documented = items(documentation(name))
    assert documented
    assert not {word for word in documented if not is_served(client, name, word)}


@pytest.mark.semantics("ec2-filters")
@pytest.mark.parametrize("name", FILTERED)
def test_filter_that_is_not_documented_is_refused(client: Client, name: str) -> None:
    text = documentation(name)
    # Other spellings stand in the text of an item.
    spelled = items(text) | set(re.findall(r"<code>([A-Za-z0-9]+)</code>", text))
    words = (WORDS | {"tag:", "tag-key", "shape", ""}) - spelled
    served = {word for word in words if word and is_served(client, name, word)}
    assert served == {word for call, word in ALIASES if call == name}


def bounds(name: str) -> tuple[int, int] | None:
    """The least and the most that `MaxResults` may be, as the model has them."""
    shape = operation(name).input_shape
    member = None if shape is None else shape.members.get("MaxResults")
    if member is None or "min" not in member.metadata:
        return None
    return member.metadata["min"], member.metadata["max"]


BOUNDED = sorted(name for name in OPERATIONS if bounds(name) is not None)


@pytest.mark.semantics("ec2-pages")
@pytest.mark.parametrize("name", BOUNDED)
def test_page_is_as_long_as_the_model_says(client: Client, name: str) -> None:
    found = bounds(name)
    assert found is not None
    least, most = found
    for size in (least - 1, most + 1, 0, -1):
        with refused("max_results_out_of_bounds", least=least, most=most):
            client(name, MaxResults=size, **needed(client, name))
    for size in (least, most):
        client(name, MaxResults=size, **needed(client, name))


def test_pages_that_the_model_does_not_bound_are_known() -> None:
    paged = {
        name
        for name in OPERATIONS
        if operation(name).input_shape is not None
        and "MaxResults" in operation(name).input_shape.members
    }
    assert len(BOUNDED) >= 17
    assert paged - set(BOUNDED) == {
        *("DescribeFlowLogs", "DescribeImages", "DescribeInstanceStatus", "DescribeInstances"),
        *("DescribePrefixLists", "DescribeTags", "DescribeVpcEndpointServices"),
        "DescribeVpcEndpoints",
    }
