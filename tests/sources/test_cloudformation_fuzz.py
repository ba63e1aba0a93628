"""Whatever becomes of a template, only InputError leaves, on one line and in time."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.errors import InputError
from secgroup.sources.document import is_plain
from secgroup.sources.template import read_template
from tests.support.templates import network_of

TEXT = (Path(__file__).parents[1] / "support" / "two-tiers.yaml").read_text()
DOCUMENT = read_template(TEXT)

#: What may come to stand in the place of anything.
strange = st.sampled_from(
    [
        *(None, True, "", "x", [], {}, [[]], "-1", "0", "65536", "²", "::/0", "a\nb", "\ud800"),
        *({"Ref": name} for name in ("Vpc", "Web", "NatIp", "Nat", "AWS::NoValue", "Nobody")),
        {"Fn::GetAtt": ["Web", "PrivateIp"]},
        {"Fn::GetAtt": ["Ssm", "NetworkInterfaceIds"]},
        {"Fn::If": ["IsProd", "a", {"Ref": "AWS::NoValue"}]},
        {"Fn::Split": [",", "a,b"]},
        {"Fn::Transform": {}},
        {"Fn::GetAZs": ""},
        "{{resolve:ssm:x}}",
    ]
)


def places_of(value, before=()):
    yield before
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, each in value.items() if isinstance(value, dict) else ():
        yield from places_of(each, (*before, key))


PLACES = [place for place in places_of(DOCUMENT) if len(place) > 1]


def put(value, place, new):
    if not place:
        return new
    step, *rest = place
    if isinstance(value, dict) and step in value:
        return {**value, step: put(value[step], rest, new)}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [*value[:step], put(value[step], rest, new), *value[step + 1 :]]
    return value


def survives(text: str) -> None:
    try:
        said = list(network_of(text).warnings)
    except InputError as refused:
        said = [str(refused)]
    assert all(is_plain(each) for each in said)


def test_the_template_itself_is_read():
    network = network_of(TEXT)
    assert set(network.interfaces) == {"Web", "Db", "Nat", "Ssm/Public", "Ssm/Private"}


@settings(max_examples=300, deadline=1000)
@given(st.lists(st.tuples(st.sampled_from(PLACES), strange), min_size=1, max_size=4))
def test_a_template_with_strange_values_is_read_or_refused(changes):
    document = DOCUMENT
    for place, new in changes:
        document = put(document, place, new)
    survives(json.dumps(document))


@settings(max_examples=200, deadline=1000)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TEXT)),
            st.integers(0, 12),
            st.sampled_from(["", "!Ref Vpc", "&a [", "*a", "{}", ": ", "\n", "!Sub '${", "- -"]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_text_with_strange_pieces_is_read_or_refused(changes):
    text = TEXT
    for at, length, piece in changes:
        text = text[:at] + piece + text[at + length :]
    survives(text)
