from functools import cache

import pytest
from botocore.loaders import Loader

from secgroup.sources.describe_properties import PROPERTIES, Properties

#: The shapes of EC2 that stand under each key; two calls answer with PrefixLists.
SHAPES = {
    "Vpcs": ["Vpc"],
    "Subnets": ["Subnet"],
    "SecurityGroups": ["SecurityGroup"],
    "SecurityGroupRules": ["SecurityGroupRule"],
    "SecurityGroupVpcAssociations": ["SecurityGroupVpcAssociation"],
    "NetworkAcls": ["NetworkAcl"],
    "NetworkInterfaces": ["NetworkInterface"],
    "ManagedPrefixLists": ["ManagedPrefixList", "PrefixList"],
    "PrefixLists": ["ManagedPrefixList", "PrefixList"],
    "RouteTables": ["RouteTable"],
    "InternetGateways": ["InternetGateway"],
    "EgressOnlyInternetGateways": ["EgressOnlyInternetGateway"],
    "NatGateways": ["NatGateway"],
    "Addresses": ["Address"],
    "VpcPeeringConnections": ["VpcPeeringConnection"],
    "VpcEndpoints": ["VpcEndpoint"],
    "Reservations": ["Reservation"],
    "Instances": ["Instance"],
}
#: Prefix-list entries are an answer of their own, and may stand inside of their list too.
OURS = {
    kind: {"Entries.Cidr", "Entries.Description"} for kind in ("ManagedPrefixLists", "PrefixLists")
}


@cache
def published():
    return Loader().load_service_model("ec2", "service-2")["shapes"]


def leaves(name, path=()):
    shape = published()[name]
    if shape["type"] == "list":
        yield from leaves(shape["member"]["shape"], path)
    elif shape["type"] == "structure":
        for member, reference in shape["members"].items():
            yield from leaves(reference["shape"], (*path, member))
    else:
        yield ".".join(path)


def members(kind):
    return {leaf for shape in SHAPES[kind] for leaf in leaves(shape)} | OURS.get(kind, set())


def covers(path, leaf):
    return leaf == path or leaf.startswith(f"{path}.")


def test_every_kind_has_a_table_and_a_published_shape():
    assert set(PROPERTIES) == set(SHAPES)


@pytest.mark.parametrize("kind", PROPERTIES)
def test_every_published_property_stands_in_exactly_one_table(kind):
    table: Properties = PROPERTIES[kind]
    wrong = {}
    for leaf in members(kind):
        covering = [path for path in table.used if path == leaf]
        covering += [path for path in (*table.harmless, *table.not_modelled) if covers(path, leaf)]
        if len(covering) != 1:
            wrong[leaf] = covering
    assert wrong == {}


@pytest.mark.parametrize("kind", PROPERTIES)
def test_no_table_has_a_property_that_is_not_published(kind):
    table: Properties = PROPERTIES[kind]
    known = members(kind)
    extra = [path for path in table.used if path not in known]
    extra += [
        path
        for path in (*table.harmless, *table.not_modelled)
        if not any(covers(path, leaf) for leaf in known)
    ]
    assert extra == []
