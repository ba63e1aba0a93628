import json

import pytest

from secgroup.errors import InputError
from secgroup.sources.intrinsics import FUNCTIONS
from secgroup.sources.parameters import Unknown
from secgroup.sources.references import mentions
from secgroup.sources.scope import Scope
from secgroup.sources.template import read_template


class Answers:
    """Two resources: Web with an attribute, and one that only a deployment knows."""

    def ref(self, logical_id, path):
        return {"Web": "Web", "Custom": Unknown("Custom")}[logical_id]

    def attribute(self, logical_id, name, path):
        return f"{logical_id}/{name}"


DOCUMENT = """
Parameters:
  Env: {Type: String, Default: prod}
  Ports: {Type: CommaDelimitedList, Default: "80, 443"}
  Vpc: {Type: AWS::EC2::VPC::Id}
  Zones: {Type: List<AWS::EC2::AvailabilityZone::Name>}
  Flag: {Type: String, Default: true}
Mappings:
  ByRegion:
    us-east-1: {Block: 10.1.0.0/16, Zones: [a, b]}
    eu-west-1: {Block: 10.2.0.0/16}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsDev: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Equals [!Ref Flag, true]]
  Either: !Or [!Condition IsDev, !Condition IsProd]
  Circle: !Not [!Condition Circle2]
  Circle2: !Not [!Condition Circle]
  NeedsVpc: !Equals [!Ref Vpc, ""]
"""


def scope(parameters=None, imports=None) -> Scope:
    return Scope(
        read_template(DOCUMENT),
        FUNCTIONS,
        parameters=parameters or {},
        imports=imports or {},
        resources=Answers(),
        source="t.yaml",
    )


def evaluated(text: str, **given):
    return scope(**given).evaluate(read_template(f"value: {text}")["value"], "P")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Env", "prod"),
        ("!Ref Ports", ["80", "443"]),
        ("!Ref Web", "Web"),
        ("!Ref Vpc", Unknown("Vpc")),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::URLSuffix", "amazonaws.com"),
        ("!Ref AWS::NotificationARNs", []),
        ("!Ref AWS::NoValue", None),
        ("{A: !Ref AWS::NoValue, B: 1}", {"B": "1"}),
        ("[1, !Ref AWS::NoValue, 2]", ["1", "2"]),
        ("!GetAtt Web.PrivateIp", "Web/PrivateIp"),
        ("!GetAtt [Web, PrivateIp]", "Web/PrivateIp"),
        ("{Fn::GetAtt: Web.Outputs.X}", "Web/Outputs.X"),
        ("{Fn::GetAtt: [Web, !Ref Env]}", "Web/prod"),
        # Fn::Sub: both forms, GetAtt with a dot, and the literal.
        ('!Sub "${AWS::StackName}-${Env}"', "stack-prod"),
        ('!Sub "${Web.PrivateIp}:80"', "Web/PrivateIp:80"),
        ('!Sub ["${A}-${Env}", {A: !Ref Web}]', "Web-prod"),
        ('!Sub "${!Literal} ${Env}"', "${Literal} prod"),
        ('!Sub "a ${ Env } b"', "a prod b"),
        ('!Sub "no variable $ {x}"', "no variable $ {x}"),
        ('!Sub "${Vpc}-x"', Unknown("Vpc-x")),
        ("!Join ['', ['arn:', !Ref AWS::Partition, ':s3']]", "arn:aws:s3"),
        ("!Join [',', !Ref Ports]", "80,443"),
        ("!Join [':', [a, b, c]]", "a:b:c"),
        ("!Join [',', [a, !Ref Vpc]]", Unknown("a,Vpc")),
        ("!Split ['|', 'a|b|c']", ["a", "b", "c"]),
        ("!Split ['|', 'a||c|']", ["a", "", "c", ""]),
        ("!Select [2, !Split [',', 'a,b,c']]", "c"),
        ("!Select ['1', [apples, grapes, oranges]]", "grapes"),
        ("!Select [0, !Ref Ports]", "80"),
        ("!Select [1, !Ref Zones]", Unknown("Zones[1]")),
        # The published examples of Fn::Cidr.
        (
            '!Cidr ["192.168.0.0/24", 6, 5]',
            [f"192.168.0.{last}/27" for last in (0, 32, 64, 96, 128, 160)],
        ),
        ("!Select [0, !Cidr [10.0.0.0/16, 1, 8]]", "10.0.0.0/24"),
        ("!Cidr ['2001:db8::/56', '2', '64']", ["2001:db8::/64", "2001:db8:0:1::/64"]),
        ("!FindInMap [ByRegion, !Ref AWS::Region, Block]", "10.1.0.0/16"),
        ("!FindInMap [ByRegion, us-east-1, Zones]", ["a", "b"]),
        ("!FindInMap [ByRegion, mars, Block, {DefaultValue: 10.9.0.0/16}]", "10.9.0.0/16"),
        ("!If [IsProd, a, b]", "a"),
        ("!If [IsDev, a, !Ref AWS::NoValue]", None),
        ("[!If [IsDev, a, !Ref AWS::NoValue], b]", ["b"]),
        ("!If [Both, !If [Either, x, y], z]", "x"),
        # The branch that is not taken is not evaluated.
        ("!If [IsProd, a, !ImportValue nowhere]", "a"),
        ("!GetAZs ''", [f"us-east-1{letter}" for letter in "abcdef"]),
        ("!Select [1, !GetAZs eu-west-1]", "eu-west-1b"),
        ("!Base64 hello", "aGVsbG8="),
        ("{Fn::Length: [a, b]}", "2"),
        ("{Fn::ToJsonString: {A: 1}}", '{"A":"1"}'),
        ("'{{resolve:ssm:/vpc/cidr}}'", Unknown("{{resolve:ssm:/vpc/cidr}}")),
        ("!Transform {Name: AWS::Include}", Unknown("Fn::Transform")),
        ("{Condition: IsProd}", True),
        ("{Condition: {StringEquals: x}}", {"Condition": {"StringEquals": "x"}}),
    ],
)
def test_a_function_yields(text, value):
    assert evaluated(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!Ref [a]", "P.Ref: expected the name of a parameter or a resource"),
        ("!GetAtt Web", "P.Fn::GetAtt: expected a resource and an attribute"),
        ("!Sub [a, b, c]", "P.Fn::Sub: expected a text, or a list of a text and its variables"),
        ('!Sub "${Ports}"', "P.Fn::Sub: expected a text, not list"),
        ("!Join [a]", "P.Fn::Join: expected a list of a delimiter and a list"),
        ("!Join [',', abc]", "P.Fn::Join.1: expected a list to join"),
        ("!Split ['', abc]", "P.Fn::Split.0: expected a delimiter, not an empty text"),
        ("!Select [5, [a, b]]", "P.Fn::Select: there is no index 5 in 2 values"),
        ("!Select [-1, [a, b]]", "P.Fn::Select.0: expected a whole number, not '-1'"),
        ("!Cidr [10.0.0.0/24, 6]", "P.Fn::Cidr: expected a list of a block, a count and cidrBits"),
        ("!Cidr [10.0.0.0/24, 300, 5]", "P.Fn::Cidr.1: a count of 300 is not within 1 and 256"),
        ("!Cidr [10.0.0.0/24, 9, 5]", "9 blocks of /27 do not fit into 10.0.0.0/24"),
        ("!Cidr [10.0.0.0/24, 1, 9]", "1 blocks of /23 do not fit into 10.0.0.0/24"),
        ("!Cidr [10.0.0.0/24, 1, 99]", "do not fit"),
        ("!Cidr [nonsense, 1, 8]", "P.Fn::Cidr.0: 'nonsense' is not a CIDR block"),
        ("!FindInMap [ByRegion, mars, Block]", "there is no ByRegion.mars.Block in Mappings"),
        ("!If [Nothing, a, b]", "P.Fn::If.0: there is no condition Nothing"),
        ("!If [IsProd, a]", "P.Fn::If: expected a condition and two values"),
        ("!If [Circle, a, b]", "conditions in a circle: Circle -> Circle2 -> Circle"),
        ("!If [NeedsVpc, a, b]", "only a deployment knows Vpc; give the value by --parameter"),
        ("!ImportValue net-vpc", "give it by --import net-vpc=VALUE"),
        ("{Fn::Nonsense: 1}", "P: Fn::Nonsense is no function that can stand here"),
        ("!Not [a, b]", "expected one condition in a list"),
        ("!And []", "expected a list of conditions"),
        ("!Not [perhaps]", "not a condition"),
    ],
)
def test_a_function_that_cannot_be_is_refused_with_its_place(text, says):
    with pytest.raises(InputError) as refused:
        evaluated(text)
    assert says in str(refused.value)
    assert str(refused.value).startswith("t.yaml: ")


def test_an_import_is_what_a_person_gave_for_it():
    assert (
        evaluated('!ImportValue {"Fn::Sub": "${Env}-vpc"}', imports={"prod-vpc": "vpc-1"})
        == "vpc-1"
    )


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("eu-west-1", "aws", "amazonaws.com"),
    ],
)
def test_pseudo_parameters_follow_the_region_that_a_person_gave(region, partition, suffix):
    given = {"parameters": {"AWS::Region": region}}
    assert evaluated("[!Ref AWS::Region, !Ref AWS::Partition, !Ref AWS::URLSuffix]", **given) == [
        *(region, partition, suffix),
    ]


def test_a_parameter_that_the_template_does_not_have_is_refused():
    with pytest.raises(InputError, match=r"has no parameter Evn \(it has Env, Flag"):
        scope(parameters={"Evn": "dev"})


def test_conditions_follow_the_parameters():
    assert scope().condition("IsProd", "") is True
    assert scope(parameters={"Env": "dev"}).condition("IsProd", "") is False


def test_the_names_that_a_value_mentions_are_found_in_every_form():
    value = read_template(
        """
        a: !Ref A
        b: !GetAtt B.x.y
        c: {Fn::GetAtt: C.z}
        d: !Sub "${D} ${E.f} ${!G} ${H}"
        e: !Sub ["${V} ${I}", {V: !Ref J}]
        f: !If [Cond, !Ref K, !Ref L]
        """
    )
    assert [(name, attribute) for name, attribute, _ in mentions(value, "P")] == [
        *(("A", None), ("B", "x.y"), ("C", "z"), ("D", None), ("E", "f"), ("H", None)),
        *(("J", None), ("I", None), ("K", None), ("L", None)),
    ]
    chosen = [name for name, _, _ in mentions(value, "P", lambda condition, path: True)]
    assert "K" in chosen
    assert "L" not in chosen


def nested(make, levels: int) -> str:
    text = json.dumps("x" * 64)
    for _ in range(levels):
        text = make(text)
    return text


@pytest.mark.parametrize(
    "make",
    [
        lambda inner: f'{{"Fn::Sub": ["{"${a}" * 10}", {{"a": {inner}}}]}}',
        lambda inner: f'{{"Fn::Join": [{inner}, ["a", "b", "c"]]}}',
        lambda inner: f'{{"Fn::ToJsonString": {{"{chr(92) * 2}": {inner}}}}}',
    ],
    ids=["sub", "join", "json"],
)
def test_functions_inside_of_functions_do_not_grow_without_end(make):
    with pytest.raises(InputError, match="a text of over 1048576 characters"):
        evaluated(nested(make, 30))


def test_a_variable_of_sub_is_evaluated_once():
    inner = '""'
    for _ in range(30):
        inner = f'{{"Fn::Sub": ["${{a}}${{a}}", {{"a": {inner}}}]}}'
    assert evaluated(inner) == ""


def test_functions_in_mappings_are_refused():
    document = read_template("Mappings: {A: {b: {c: !Join ['', [x]]}}}")
    found = Scope(
        document, FUNCTIONS, parameters={}, imports={}, resources=Answers(), source="t.yaml"
    )
    with pytest.raises(InputError, match="expected a text or a list of texts in Mappings"):
        found.evaluate({"Fn::FindInMap": ["A", "b", "c"]}, "P")
