"""Random sequences of requests against a model that knows nothing of how they are done.

The model is a handful of dictionaries. Every request is foretold by it: done, or which fault. After
each step no id dangles, quotas hold, what is described is what was acknowledged; after a crash it
is so to the byte; and what the planes follow is what a network made anew says.
"""

import json
import tempfile
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from secgroup.api.operations import OPERATIONS
from secgroup.control.beginning import begin
from secgroup.control.endpoint import Endpoint
from secgroup.control.export import export
from secgroup.control.networks import Networks
from secgroup.control.reconcile import Reconciler
from secgroup.control.store import SqliteStore
from secgroup.dataplane.batch import BatchPlane
from secgroup.sources.load import load
from tests.support.worlds import REGION, new_client, new_state, refused

RULES = 3
GROUPS = 8
QUOTAS = {
    "rules_per_security_group": RULES,
    "security_groups_per_region": GROUPS,
    "versions_per_prefix_list": 3,
}
BLOCKS = ("10.0.0.0/8", "10.1.2.3/8", "192.0.2.0/24", "2001:db8::/32", "2001:DB8::1/32", "::/0")
PROTOCOLS = (("tcp", 22, 22), ("6", 22, 22), ("udp", 0, 65535), ("-1", -1, -1), ("icmp", 8, -1))
NAMES = {"6": "tcp", "-1": "-1", "tcp": "tcp", "udp": "udp", "icmp": "icmp"}

#: A rule in the model: (protocol, first, last, what its peer is, the peer).
Key = tuple[str, int, int, str, str]


class Groups(RuleBasedStateMachine):
    """Groups, rules, prefix lists and interfaces of two VPCs, and crashes in between."""

    groups = Bundle("groups")
    lists = Bundle("lists")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.sqlite"
        self.store = SqliteStore(self.path)
        self.client = new_client(**QUOTAS)
        self.client.endpoint.store = self.store
        self._follow()
        self.vpcs: list[str] = []
        self.subnets: dict[str, str] = {}
        for _ in range(2):
            vpc_id = self.client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            subnet = self.client("CreateSubnet", VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]
            self.vpcs.append(vpc_id)
            self.subnets[vpc_id] = subnet["SubnetId"]
        self.default_groups = self.client.world.count("SecurityGroup")
        self.vpc_of: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.rules: dict[str, dict[bool, dict[Key, str]]] = {}
        self.sizes: dict[str, int] = {}
        self.entries: dict[str, dict[str, None]] = {}
        self.interfaces: dict[str, str] = {}

    def _follow(self) -> None:
        self.follower = Reconciler(self.client.endpoint.state, BatchPlane())
        self.client.endpoint.follower = self.follower

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    # What is foretold

    def ask(self, fault: str | None, name: str, **request: Any) -> dict[str, Any] | None:
        """Do a request, and hold its outcome against what was foretold."""
        if fault is None:
            return self.client(name, **request)
        with refused(fault):
            self.client(name, **request)
        return None

    def weights(self, rules: dict[Key, str]) -> Counter[int]:
        found: Counter[int] = Counter()
        for *_, kind, peer in rules:
            if kind == "cidr":
                found[ip_network(peer).version] += 1
            elif kind == "group":
                found.update((4, 6))
            else:
                found[4] += self.sizes[peer]
        return found

    def fits(self, before: dict[Key, str], after: dict[Key, str]) -> bool:
        old, new = self.weights(before), self.weights(after)
        return all(new[family] <= max(RULES, old[family]) for family in (4, 6))

    def holders(self, list_id: str) -> list[str]:
        return [
            group_id
            for group_id, both in self.rules.items()
            if any(key[4] == list_id for rules in both.values() for key in rules)
        ]

    # What is asked

    @rule(target=groups, where=st.booleans(), name=st.sampled_from("aAbBcdef"))
    def create_group(self, where: bool, name: str) -> Any:
        vpc_id = self.vpcs[where]
        taken = {self.names[each].lower() for each, vpc in self.vpc_of.items() if vpc == vpc_id}
        fault = None
        if name.lower() in taken:
            fault = "group_name_taken"
        elif len(self.vpc_of) + self.default_groups >= GROUPS:
            fault = "too_many_groups"
        request = {"GroupName": name, "Description": "d", "VpcId": vpc_id}
        answer = self.ask(fault, "CreateSecurityGroup", **request)
        if answer is None:
            return multiple()
        group_id: str = answer["GroupId"]
        self.vpc_of[group_id], self.names[group_id] = vpc_id, name
        everything = ("-1", -1, -1, "cidr", "0.0.0.0/0")
        self.rules[group_id] = {False: {}, True: {everything: ""}}
        return group_id

    @rule(group_id=groups)
    def delete_group(self, group_id: str) -> None:
        fault = None
        if group_id not in self.rules:
            fault = "group_not_found"
        elif group_id in self.interfaces.values() or any(
            key[4] == group_id
            for other, both in self.rules.items()
            if other != group_id
            for rules in both.values()
            for key in rules
        ):
            fault = "group_in_use"
        if self.ask(fault, "DeleteSecurityGroup", GroupId=group_id) is not None:
            del self.rules[group_id], self.vpc_of[group_id], self.names[group_id]

    @rule(
        group_id=groups,
        is_egress=st.booleans(),
        traffics=st.lists(st.sampled_from(PROTOCOLS), min_size=1, max_size=2),
        block=st.sampled_from(BLOCKS),
        description=st.sampled_from(["", "told"]),
    )
    def authorize_block(
        self, group_id: str, is_egress: bool, traffics: Any, block: str, description: str
    ) -> None:
        peer = str(ip_network(block, strict=False))
        member = "CidrIpv6" if ":" in peer else "CidrIp"
        ranges = "Ipv6Ranges" if ":" in peer else "IpRanges"
        source = {ranges: [{member: block, "Description": description}]}
        self._authorize(group_id, is_egress, traffics, source, ("cidr", peer), description)

    @rule(group_id=groups, other_id=groups, is_egress=st.booleans())
    def authorize_group(self, group_id: str, other_id: str, is_egress: bool) -> None:
        source = {"UserIdGroupPairs": [{"GroupId": other_id}]}
        self._authorize(group_id, is_egress, [PROTOCOLS[0]], source, ("group", other_id), "")

    @rule(group_id=groups, list_id=lists, is_egress=st.booleans())
    def authorize_list(self, group_id: str, list_id: str, is_egress: bool) -> None:
        source = {"PrefixListIds": [{"PrefixListId": list_id}]}
        self._authorize(group_id, is_egress, [PROTOCOLS[2]], source, ("list", list_id), "")

    def _authorize(
        self,
        group_id: str,
        is_egress: bool,
        traffics: list[Any],
        source: dict[str, Any],
        peer: tuple[str, str],
        description: str,
    ) -> None:
        permissions = [
            {"IpProtocol": protocol, "FromPort": first, "ToPort": last, **source}
            for protocol, first, last in traffics
        ]
        keys = [(NAMES[protocol], first, last, *peer) for protocol, first, last in traffics]
        rules = self.rules.get(group_id, {}).get(is_egress, {})
        after = {**rules, **dict.fromkeys(keys, description)}
        fault = None
        if group_id not in self.rules:
            fault = "group_not_found"
        elif len(set(keys)) < len(keys):
            fault = "permission_twice"
        elif peer[0] == "group" and peer[1] not in self.rules:
            fault = "group_not_found"
        elif peer[0] == "group" and self.vpc_of[peer[1]] != self.vpc_of[group_id]:
            fault = "groups_in_different_networks"
        elif peer[0] == "list" and peer[1] not in self.sizes:
            fault = "prefix_list_not_found"
        elif any(key in rules for key in keys):
            fault = "rule_exists"
        elif not self.fits(rules, after):
            fault = "too_many_rules"
        name = f"AuthorizeSecurityGroup{'Egress' if is_egress else 'Ingress'}"
        if self.ask(fault, name, GroupId=group_id, IpPermissions=permissions) is not None:
            self.rules[group_id][is_egress] = after

    @rule(group_id=groups, is_egress=st.booleans(), data=st.data())
    def revoke(self, group_id: str, is_egress: bool, data: Any) -> None:
        rules = self.rules.get(group_id, {}).get(is_egress, {})
        absent: Key = ("tcp", 1, 1, "cidr", "203.0.113.0/24")
        key = data.draw(st.sampled_from([*sorted(rules), absent]))
        fault = None
        if group_id not in self.rules:
            fault = "group_not_found"
        elif key not in rules:
            fault = "permission_not_found"
        name = f"RevokeSecurityGroup{'Egress' if is_egress else 'Ingress'}"
        if self.ask(fault, name, GroupId=group_id, IpPermissions=[spelled(key)]) is not None:
            del self.rules[group_id][is_egress][key]

    @rule(target=lists, size=st.integers(1, RULES + 2))
    def create_list(self, size: int) -> str:
        answer = self.ask(
            None,
            "CreateManagedPrefixList",
            PrefixListName="l",
            AddressFamily="IPv4",
            MaxEntries=size,
        )
        assert answer is not None
        list_id: str = answer["PrefixList"]["PrefixListId"]
        self.sizes[list_id], self.entries[list_id] = size, {}
        return list_id

    @rule(list_id=lists, block=st.sampled_from(("10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8")))
    def change_entries(self, list_id: str, block: str) -> None:
        entries = self.entries.get(list_id, {})
        member = "RemoveEntries" if block in entries else "AddEntries"
        fault = None
        if list_id not in self.sizes:
            fault = "prefix_list_not_found"
        elif block not in entries and len(entries) == self.sizes[list_id]:
            fault = "prefix_list_full"
        request = {"PrefixListId": list_id, member: [{"Cidr": block}]}
        if self.ask(fault, "ModifyManagedPrefixList", **request) is None:
            return
        if block in entries:
            del entries[block]
        else:
            entries[block] = None

    @rule(list_id=lists, size=st.integers(1, RULES + 2))
    def resize_list(self, list_id: str, size: int) -> None:
        fault = None
        if list_id not in self.sizes:
            fault = "prefix_list_not_found"
        elif size < len(self.entries[list_id]):
            fault = "prefix_list_too_small"
        request = {"PrefixListId": list_id, "MaxEntries": size}
        answer = self.ask(fault, "ModifyManagedPrefixList", **request)
        if answer is None:
            return
        old = self.sizes[list_id]
        before = {
            (group_id, way): self.weights(self.rules[group_id][way])[4]
            for group_id in self.holders(list_id)
            for way in (False, True)
        }
        self.sizes[list_id] = size
        room = all(
            self.weights(self.rules[group_id][way])[4] <= max(RULES, weight)
            for (group_id, way), weight in before.items()
        )
        if not room:
            self.sizes[list_id] = old
        assert (answer["PrefixList"]["State"] == "modify-complete") == room
        assert answer["PrefixList"]["MaxEntries"] == self.sizes[list_id]

    @rule(list_id=lists)
    def delete_list(self, list_id: str) -> None:
        fault = None if list_id in self.sizes else "prefix_list_not_found"
        answer = self.ask(fault, "DeleteManagedPrefixList", PrefixListId=list_id)
        if answer is None:
            return
        is_used = bool(self.holders(list_id))
        assert (answer["PrefixList"]["State"] == "delete-failed") == is_used
        if not is_used:
            del self.sizes[list_id], self.entries[list_id]

    @rule(group_id=groups)
    def attach(self, group_id: str) -> None:
        if group_id not in self.rules:
            return
        request = {"SubnetId": self.subnets[self.vpc_of[group_id]], "Groups": [group_id]}
        answer = self.ask(None, "CreateNetworkInterface", **request)
        assert answer is not None
        self.interfaces[answer["NetworkInterface"]["NetworkInterfaceId"]] = group_id

    @rule(data=st.data())
    def detach(self, data: Any) -> None:
        if self.interfaces:
            eni_id = data.draw(st.sampled_from(sorted(self.interfaces)))
            self.ask(None, "DeleteNetworkInterface", NetworkInterfaceId=eni_id)
            del self.interfaces[eni_id]

    @rule()
    def crash(self) -> None:
        """Let the process go, and begin with what the store has."""
        before = self.described()
        tokens = self.client.endpoint.state.token
        self.store.close()
        self.store = SqliteStore(self.path)
        state = new_state(**QUOTAS)
        state.token = tokens
        state.restore(self.store.load(), self.store.sequence)
        self.client.endpoint = Endpoint(state=state, store=self.store, begin=begin)
        self._follow()
        assert self.described() == before

    @rule()
    def export_reads_back(self) -> None:
        path = Path(self.folder.name) / "network.json"
        path.write_text(json.dumps(export(self.client.world, OPERATIONS)))
        # A region may be several accounts'; an export is one's.
        found = replace(load(path), account_id=None)
        assert found == Networks(self.client.endpoint.state)[REGION]

    # What always holds

    def described(self) -> str:
        calls = (
            "SecurityGroups",
            "SecurityGroupRules",
            "ManagedPrefixLists",
            "NetworkInterfaces",
            "Vpcs",
            "Subnets",
        )
        return json.dumps([self.client(f"Describe{name}") for name in calls])

    @invariant()
    def described_is_what_was_acknowledged(self) -> None:
        groups = {
            group["GroupId"]: group
            for group in self.client("DescribeSecurityGroups")["SecurityGroups"]
            if group["GroupName"] != "default"
        }
        assert {key: group["VpcId"] for key, group in groups.items()} == self.vpc_of
        for group_id, group in groups.items():
            for way, member in ((False, "IpPermissions"), (True, "IpPermissionsEgress")):
                assert dict(keys_of(group[member])) == self.rules[group_id][way]
        lists = self.client("DescribeManagedPrefixLists")["PrefixLists"]
        own = {each["PrefixListId"]: each["MaxEntries"] for each in lists if "MaxEntries" in each}
        assert own == self.sizes
        for list_id, entries in self.entries.items():
            found = self.client("GetManagedPrefixListEntries", PrefixListId=list_id)["Entries"]
            assert [each["Cidr"] for each in found] == list(entries)

    @invariant()
    def increment_equals_recompute(self) -> None:
        assert self.follower.networks[REGION] == Networks(self.client.endpoint.state)[REGION]

    @invariant()
    def no_id_dangles_and_quotas_hold(self) -> None:
        state = self.client.endpoint.state
        for row in state.rows("SecurityGroupRule"):
            kept = row.resource
            assert state.find("SecurityGroup", kept["GroupId"])
            if "ReferencedGroupInfo" in kept:
                assert state.find("SecurityGroup", kept["ReferencedGroupInfo"]["GroupId"])
            if "PrefixListId" in kept:
                assert state.find("ManagedPrefixList", kept["PrefixListId"])
        for row in state.rows("PrefixListVersion"):
            assert state.find("ManagedPrefixList", row.resource["PrefixListId"])
        for both in self.rules.values():
            for rules in both.values():
                assert max(self.weights(rules).values(), default=0) <= RULES
        assert len(self.vpc_of) + self.default_groups <= GROUPS


def spelled(key: Key) -> dict[str, Any]:
    """A rule of the model as a permission."""
    protocol, first, last, kind, peer = key
    source = {
        "cidr": {"Ipv6Ranges": [{"CidrIpv6": peer}]}
        if ":" in peer
        else {"IpRanges": [{"CidrIp": peer}]},
        "group": {"UserIdGroupPairs": [{"GroupId": peer}]},
        "list": {"PrefixListIds": [{"PrefixListId": peer}]},
    }[kind]
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last, **source}


def keys_of(permissions: list[dict[str, Any]]) -> list[tuple[Key, str]]:
    """Permissions as rules of the model, each with its description."""
    members = (
        ("IpRanges", "CidrIp", "cidr"),
        ("Ipv6Ranges", "CidrIpv6", "cidr"),
        ("PrefixListIds", "PrefixListId", "list"),
        ("UserIdGroupPairs", "GroupId", "group"),
    )
    return [
        (
            (
                permission["IpProtocol"],
                permission.get("FromPort", -1),
                permission.get("ToPort", -1),
                kind,
                each[key],
            ),
            each.get("Description", ""),
        )
        for permission in permissions
        for member, key, kind in members
        for each in permission[member]
    ]


TestGroups = Groups.TestCase
TestGroups.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
