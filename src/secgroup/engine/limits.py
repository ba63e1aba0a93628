"""Which networks the engine has room for; told before it decides a packet."""

from functools import partial

from secgroup.engine.parts import Parts
from secgroup.engine.rule_tables import RuleTables
from secgroup.model.network import Network
from secgroup.policy.resolve import Policy


def check_limits(network: Network) -> None:
    """Refuse a network that the engine cannot decide.

    Raises
    ------
    InputError
        An interface has more than 1,000 rules in one direction and family.

    """
    rule_tables = RuleTables(Policy(network), Parts())
    known: set[frozenset[str]] = set()
    for each in network.interfaces.values():
        group_ids = frozenset(each.group_ids)
        if group_ids not in known:
            known.add(group_ids)
            rule_tables.require_few(sorted(group_ids), partial(str, each.interface_id))
