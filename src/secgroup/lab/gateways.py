"""What a VPC's gateways let through and how they translate, as a ruleset of nftables.

Read first: VPC User Guide, internet gateways, egress-only internet gateways; VPC Peering Guide.
AWS translates without a memory. Here the kernel's connections are the translation's memory, since
without one the packet that an ICMP error quotes would stay untranslated, and no path MTU be found.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from secgroup.lab.names import INTERNET, device_of
from secgroup.lab.router import Router, single
from secgroup.lab.routes import Routes
from secgroup.model.route import TargetKind
from secgroup.net.address import Prefix
from secgroup.policy.routes import destinations


def ruleset(router: Router, routes: Routes) -> str:
    """Return the ruleset of a VPC's router; empty where no gateway and no peering is."""
    if not router.reaches_internet and not router.peerings:
        return ""
    lines = [*_untracked(router), *_through(router, routes)]
    if router.reaches_internet:
        lines += _translation(router)
    return "\n".join(lines)


def _untracked(router: Router) -> Iterator[str]:
    """Yield the chain that keeps what stays inside out of the kernel's connections.

    Before fragments are put together (priority -400): inside they go on as they are.
    """
    inside = [*router.blocks]
    for peering in router.peerings:
        inside.extend(router.other_blocks(peering))
    yield "chain untracked {"
    yield "type filter hook prerouting priority -450"
    for word, blocks in _by_family(inside).items():
        yield f'iifname != "{INTERNET}" {word} daddr {blocks} notrack'
    yield "}"


def _through(router: Router, routes: Routes) -> Iterator[str]:
    """Yield the chain that says what may pass a gateway or a peering connection."""
    yield "chain through {"
    yield "type filter hook forward priority filter"
    for peering in router.peerings:
        yield from _only_from(device_of(peering.peering_id), router.blocks)
    if router.reaches_internet:
        if router.internet_gateway is None:
            yield f'iifname "{INTERNET}" ct state != {{ established, related }} drop'
        yield from _only_answers(router, routes)
        yield from _only_from(INTERNET, router.vpc.ipv6_blocks, families=(6,))
    yield "}"


def _only_answers(router: Router, routes: Routes) -> Iterator[str]:
    """Yield rules for those who reach the internet by an egress-only gateway."""
    for subnet_id, (_, table) in routes.tables.items():
        subnet = router.network.subnets.get(subnet_id)
        if subnet is None or table is None:
            continue
        for route in table.routes:
            if route.target.kind is TargetKind.EGRESS_ONLY_GATEWAY:
                for block in destinations(router.network, route):
                    for own in subnet.ipv6_blocks if block.version == 6 else ():
                        yield (
                            f'iifname "{INTERNET}" ip6 saddr {block} ip6 daddr {own} '
                            "ct state != { established, related } drop"
                        )


def _translation(router: Router) -> Iterator[str]:
    """Yield the chains of the one-to-one translation; what is not translated does not leave."""
    if router.public:
        outward = ", ".join(f"{own} : {public}" for own, public in router.public.items())
        inward = ", ".join(f"{public} : {own}" for own, public in router.public.items())
        yield "chain outward {"
        yield "type nat hook postrouting priority srcnat"
        yield f'oifname "{INTERNET}" snat ip to ip saddr map {{ {outward} }}'
        yield "}"
        yield "chain inward {"
        yield "type nat hook prerouting priority dstnat"
        yield f'iifname "{INTERNET}" dnat ip to ip daddr map {{ {inward} }}'
        yield "}"
    yield "chain leaving {"
    yield "type filter hook postrouting priority 300"
    yield from _only_from(INTERNET, map(single, router.public.values()), families=(4,))
    yield "}"


def _only_from(
    device: str, blocks: Iterable[Prefix], *, families: tuple[int, ...] = (4, 6)
) -> Iterator[str]:
    sources = _by_family(blocks)
    for family, word, protocol in ((4, "ip", "ipv4"), (6, "ip6", "ipv6")):
        if family in families:
            others = f"{word} saddr != {sources[word]}" if word in sources else ""
            yield f'oifname "{device}" {others or f"meta nfproto {protocol}"} drop'


def _by_family(blocks: Iterable[Prefix]) -> dict[str, str]:
    """Return, by nftables' word for each family that has blocks, these as a set."""
    known = list(blocks)
    four = collapse_addresses(each for each in known if isinstance(each, IPv4Network))
    six = collapse_addresses(each for each in known if isinstance(each, IPv6Network))
    texts = {"ip": ", ".join(map(str, four)), "ip6": ", ".join(map(str, six))}
    return {word: f"{{ {text} }}" for word, text in texts.items() if text}
