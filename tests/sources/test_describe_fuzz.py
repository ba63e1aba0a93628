import copy
import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.sources.describe import Answers, read
from secgroup.sources.document import is_plain
from secgroup.sources.draft import Draft
from tests.support.networks import every_noun

RULES = [
    {
        "SecurityGroupRuleId": "sgr-1",
        "GroupId": "sg-0b",
        "IsEgress": False,
        "IpProtocol": "-1",
        "FromPort": -1,
        "ToPort": -1,
        "ReferencedGroupInfo": {"GroupId": "sg-0b"},
    }
]


@cache
def whole() -> dict[str, Any]:
    return every_noun() | {"SecurityGroupRules": RULES}


def network_of(document: Any) -> Network:
    draft, answers = Draft(), Answers()
    answers.add(document, source="network.json")
    read(answers, draft)
    return draft.network()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in inner:
        if isinstance(below, dict | list):
            found += places(below, (*path, key))
        else:
            found.append((*path, key))
    return found


PLACES = places(whole())
TEXTS = sorted({text for text in json.dumps(whole()).split('"') if "-" in text or "." in text})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 70_000),
    st.floats(),
    st.sampled_from(TEXTS),
    st.sampled_from(["", "tcp", "icmpv6", "-1", "256", "0.0.0.0/0", "::/0", "10.0.0.1/33", "a\nb"]),
    st.text(max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=6), inner, max_size=3),
    ),
    max_leaves=5,
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """The whole network with one to three values replaced, removed or doubled."""
    document = copy.deepcopy(whole())
    for _ in range(draw(st.integers(1, 3))):
        *outer, last = draw(st.sampled_from(PLACES))
        inner: Any = document
        try:
            for step in outer:
                inner = inner[step]
            inner[last]
        except (KeyError, IndexError, TypeError):
            continue
        what = draw(st.sampled_from(("replace", "replace", "remove", "double")))
        if what == "remove":
            del inner[last]
        elif what == "double" and isinstance(inner, list):
            inner.append(copy.deepcopy(inner[last]))
        elif isinstance(inner, dict | list):
            inner[last] = draw(VALUES)
    return document


def outcome(document: Any) -> Network | InputError:
    try:
        return network_of(document)
    except InputError as error:
        return error


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_describe_output_gives_a_sound_network_or_one_line_with_its_place(document):
    result = outcome(document)
    if isinstance(result, Network):
        check(result)
    else:
        assert result.source == "network.json"
        assert result.path is not None
        assert is_plain(str(result))


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_any_json_is_refused_or_read(document):
    result = outcome(document)
    if isinstance(result, Network):
        check(result)
    else:
        assert result.source == "network.json"


def check(network: Network) -> None:
    """Hold what `Network` promises: what decides a packet at an interface is all there."""
    for subnet in network.subnets.values():
        assert network.acls[subnet.network_acl_id].vpc_id == subnet.vpc_id
        assert subnet.vpc_id in network.vpcs
        assert network.route_table_of(subnet.subnet_id) is not None
    for interface in network.interfaces.values():
        assert network.subnets[interface.subnet_id].vpc_id == interface.vpc_id
        assert interface.group_ids or not interface.carries_groups
    for table in network.route_tables.values():
        assert table.vpc_id in network.vpcs
    for group in network.groups.values():
        assert group.vpc_id in network.vpcs
    assert all(is_plain(warning) for warning in network.warnings)


def test_the_whole_network_is_sound():
    check(network_of(whole()))
