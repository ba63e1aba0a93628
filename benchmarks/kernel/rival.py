"""The same rules for nftables: a set of what is allowed each way, and connections tracked.

Written as an engineer would who wants it fast: what is established leaves at the second rule, new
packets are looked up once for each interface in a set of protocol, ports and addresses together,
and interfaces are told apart by a map of verdicts.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network

from secgroup.model.group import PrefixListReference, SecurityGroupRule
from secgroup.model.network import Network

_PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp"}


def ruleset(network: Network, devices: dict[str, str]) -> str:
    """Return what `nft -f` is given: the rules in force at interfaces, by the router's device.

    Raises
    ------
    ValueError
        A rule that is not of TCP or UDP, with IPv4 peers.

    """
    sets, chains, leaving, entering = [], [], [], []
    for device, interface_id in devices.items():
        groups = [network.groups[each] for each in network.interfaces[interface_id].group_ids]
        rules = [rule for group in groups for rule in group.rules]
        for is_egress, peer in ((True, "daddr"), (False, "saddr")):
            name = f"{device}_{'egress' if is_egress else 'ingress'}"
            elements = [
                each
                for rule in rules
                if rule.is_egress == is_egress
                for each in _elements(network, rule)
            ]
            sets.append(_set(name, elements))
            chains.append(
                f"chain {name} {{\n"
                f"  meta l4proto . th dport . ip {peer} != @{name} drop\n"
                + ("  oifname vmap @entering\n" if is_egress else "")
                + "  accept\n}"
            )
            (leaving if is_egress else entering).append(f'"{device}" : goto {name}')
    maps = [
        f"map {name} {{\n  type ifname : verdict\n  elements = {{ {', '.join(each)} }}\n}}"
        for name, each in (("leaving", leaving), ("entering", entering))
    ]
    forward = (
        "chain forward {\n"
        "  type filter hook forward priority filter; policy drop;\n"
        "  ct state vmap { established : accept, related : accept, invalid : drop }\n"
        "  iifname vmap @leaving\n"
        "  oifname vmap @entering\n"
        "}"
    )
    # A map names chains, and a chain one of the maps: chains are there before either is filled.
    declared = [f"chain {each.split()[1]} {{}}" for each in chains]
    return "\n".join(["table ip rival {", *sets, *declared, *maps, *chains, forward, "}", ""])


def _elements(network: Network, rule: SecurityGroupRule) -> Iterable[str]:
    protocol = _PROTOCOLS.get(rule.traffic.protocol or -1)
    ports = rule.traffic.ports
    if protocol is None or protocol == "icmp" or ports is None:
        raise ValueError(f"{rule.rule_id}: only TCP and UDP with ports")
    if isinstance(rule.peer, PrefixListReference):
        peers: Iterable[object] = network.prefix_lists[rule.peer.prefix_list_id].entries
    else:
        peers = (rule.peer,)
    for peer in peers:
        if not isinstance(peer, IPv4Network):
            raise ValueError(f"{rule.rule_id}: only IPv4")
        yield f"{protocol} . {ports.first}-{ports.last} . {peer}"


def _set(name: str, elements: list[str]) -> str:
    filled = f"  elements = {{ {', '.join(elements)} }}\n" if elements else ""
    return (
        f"set {name} {{\n  type inet_proto . inet_service . ipv4_addr\n  flags interval\n{filled}}}"
    )
