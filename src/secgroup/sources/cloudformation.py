"""A CloudFormation template as a network.

Owns the order in which the families of resources are read, and the naming of what the model
has no place for. Read first: `template` (the text), `intrinsics` (the functions),
`cfn_stack` (the resources); then `cfn_vpc`, `cfn_groups`, `cfn_interfaces`, `cfn_routes`.
"""

from collections.abc import Mapping

from secgroup.errors import InputError
from secgroup.model.group import SecurityGroup
from secgroup.model.interface import NetworkInterface
from secgroup.net.address import Address
from secgroup.sources.cfn_acls import add_acls
from secgroup.sources.cfn_addresses import parse_addresses
from secgroup.sources.cfn_groups import Groups, add_prefix_lists
from secgroup.sources.cfn_interfaces import Interfaces
from secgroup.sources.cfn_properties import (
    MAKE_INTERFACES,
    MAKE_INTERFACES_WITH,
    PROPERTIES,
    SHAPE_TRAFFIC,
)
from secgroup.sources.cfn_routes import add_gateways, add_route_tables
from secgroup.sources.cfn_stack import Stack
from secgroup.sources.cfn_vpc import Vpcs
from secgroup.sources.draft import Draft, listed
from secgroup.sources.template import read_template


def read(
    text: str,
    draft: Draft,
    *,
    source: str,
    parameters: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
    addresses: Mapping[str, str] | None = None,
) -> None:
    """Add what a template makes to a draft.

    Parameters
    ----------
    text : str
        The template, YAML or JSON.
    draft : Draft
        Takes the nouns and warnings. Subnets, groups and elastic addresses that it has
        already are found by the template's literal ids.
    source : str
        What errors and warnings call the template.
    parameters, imports : mapping of str to str, optional
        Values of parameters (pseudo-parameters too) and of imported exports.
    addresses : mapping of str to str, optional
        The deployed addresses, with commas between them, of instances, interfaces, NAT
        gateways, endpoints and EIPs, by logical id.

    Raises
    ------
    InputError
        The template, or a value given for it, cannot be used. The draft is of no use then.

    """
    document = read_template(text, source=source)
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise InputError(
            "expected a CloudFormation template, with a mapping Resources", source=source
        )
    try:
        _add(
            Stack(
                document, draft, source=source, parameters=parameters or {}, imports=imports or {}
            ),
            parse_addresses(addresses or {}),
        )
    except RecursionError:
        raise InputError("names that refer to names over too many steps", source=source) from None


def _add(stack: Stack, given: dict[str, list[Address]]) -> None:
    vpcs = Vpcs(stack)
    groups = Groups(stack, vpcs)
    interfaces = Interfaces(stack, vpcs, groups, given)
    vpcs.build()
    interfaces.build()
    add_acls(stack, vpcs)
    groups.build()
    _check_groups(stack)
    add_prefix_lists(stack)
    add_gateways(stack, vpcs)
    add_route_tables(stack, vpcs)
    _name_what_is_left_out(stack)
    stack.warn_of_not_modelled()
    stack.draft.region = stack.draft.region or vpcs.region
    stack.draft.account_id = stack.draft.account_id or vpcs.account_id


def _check_groups(stack: Stack) -> None:
    """Refuse an interface with a group of another VPC, as EC2 does."""
    groups = stack.draft.of(SecurityGroup)
    for interface in stack.draft.of(NetworkInterface).values():
        for group_id in interface.group_ids:
            group = groups.get(group_id)
            if group is not None and interface.vpc_id not in group.vpc_ids:
                raise stack.draft.error(
                    interface,
                    f"is in {interface.vpc_id}, its group {group_id} in {group.vpc_id}",
                )


def _name_what_is_left_out(stack: Stack) -> None:
    """Name nested stacks, and what makes interfaces that a template does not describe."""
    nested: list[str] = []
    makers: list[str] = []
    shapers: list[str] = []
    for resource in stack.resources.values():
        kind = resource.kind
        if kind in PROPERTIES:
            continue
        declared = stack.scope.resources[resource.logical_id]
        properties = declared.get("Properties") if isinstance(declared, dict) else None
        if kind == "AWS::CloudFormation::Stack" or kind.endswith("::MODULE"):
            nested.append(resource.logical_id)
        elif kind in MAKE_INTERFACES or (
            kind in MAKE_INTERFACES_WITH
            and isinstance(properties, dict)
            and MAKE_INTERFACES_WITH[kind] in properties
        ):
            makers.append(f"{resource.logical_id} ({kind})")
        elif kind in SHAPE_TRAFFIC:
            shapers.append(f"{resource.logical_id} ({kind})")
    if nested:
        stack.warn(f"nested stacks are not read: {listed(nested)}")
    if shapers:
        stack.warn(f"these change what passes and are not modelled: {listed(shapers)}")
    if makers:
        stack.warn(
            f"these make network interfaces that the template does not describe: "
            f"{listed(makers)} (add each with --host NAME=ADDRESS,Group)"
        )
