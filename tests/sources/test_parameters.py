import time

import pytest

from secgroup.errors import InputError
from secgroup.sources.parameters import Unknown, parameter_value


def value(declaration, given=None):
    return parameter_value("P", declaration, given, source="t.yaml")


@pytest.mark.parametrize(
    ("declaration", "given", "expected"),
    [
        ({"Type": "String", "Default": "a"}, None, "a"),
        ({"Type": "String", "Default": "a"}, "b", "b"),
        ({"Type": "String", "Default": ""}, None, ""),
        ({"Type": "String", "Default": True}, None, "true"),
        ({"Type": "Number", "Default": "22"}, None, "22"),
        ({"Type": "CommaDelimitedList"}, "a, b,c", ["a", "b", "c"]),
        ({"Type": "List<Number>", "Default": "1,2"}, None, ["1", "2"]),
        ({"Type": "CommaDelimitedList", "Default": ""}, None, []),
        ({"Type": "AWS::EC2::Subnet::Id"}, None, Unknown("P")),
        ({"Type": "AWS::EC2::Subnet::Id"}, "subnet-1", "subnet-1"),
        ({"Type": "List<AWS::EC2::Subnet::Id>"}, None, Unknown("P")),
        ({"Type": "List<AWS::EC2::SecurityGroup::Id>"}, "sg-1,sg-2", ["sg-1", "sg-2"]),
        ({"Type": "AWS::EC2::KeyPair::KeyName"}, None, Unknown("P")),
        # What a stored value is, a template does not say: its default is the name of it.
        ({"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"}, None, Unknown("P")),
        (
            {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"},
            "10.0.0.0/8",
            "10.0.0.0/8",
        ),
        ({"Type": "AWS::SSM::Parameter::Value<List<String>>"}, "a,b", ["a", "b"]),
        ({"Type": "AWS::SSM::Parameter::Name", "Default": "/x"}, None, "/x"),
        ({"Type": "String", "AllowedValues": ["a", True]}, "true", "true"),
        ({"Type": "String", "AllowedPattern": "[a-z]+", "MaxLength": "3"}, "abc", "abc"),
    ],
)
def test_a_parameter_is_its_value(declaration, given, expected):
    assert value(declaration, given) == expected


@pytest.mark.parametrize(
    ("declaration", "given", "says"),
    [
        (
            {"Type": "String"},
            None,
            "Parameters.P: the parameter has no value and no default; "
            "give it by --parameter P=VALUE",
        ),
        ({"Type": "CommaDelimitedList"}, None, "--parameter P=VALUE"),
        (
            {"Type": "String", "AllowedValues": ["a", "b"]},
            "c",
            "--parameter P: 'c' is not allowed; expected one of a, b",
        ),
        (
            {"Type": "String", "AllowedValues": ["a"], "Default": "z"},
            None,
            "Parameters.P.Default: 'z' is not allowed",
        ),
        ({"Type": "Number"}, "ten", "'ten' is not a number"),
        (
            {"Type": "Number", "MinValue": "1", "MaxValue": "9"},
            "10",
            "10 is not within 1.0 and 9.0",
        ),
        ({"Type": "String", "MinLength": "3"}, "ab", "'ab' is not of an allowed length"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", "'a1' does not match [a-z]+"),
        ({"Type": "CommaDelimitedList", "AllowedPattern": "[a-z]+"}, "a,1", "'1' does not match"),
        ({"Default": "a"}, None, "not a parameter with a Type"),
        ("text", None, "not a parameter with a Type"),
        ({"Type": "String", "Default": ["a"]}, None, "the Default is not a text or a number"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(declaration, given, says):
    with pytest.raises(InputError) as refused:
        value(declaration, given)
    assert says in str(refused.value)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$"])
def test_a_pattern_that_takes_for_ever_does_not(pattern):
    started = time.monotonic()
    value({"Type": "String", "AllowedPattern": pattern}, "a" * 60 + "!")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("pattern", [r"\p{ASCII}*", "[[:alpha:]]", "(", "[[]a]"])
def test_a_pattern_that_python_cannot_read_is_not_checked(pattern):
    assert value({"Type": "String", "AllowedPattern": pattern}, "[a]") in ("[a]",)


def test_pattern_of_many_repetitions_is_not_tried_on_a_long_value():
    declaration = {"Type": "String", "AllowedPattern": "a*a*a*a*a*a*a*a*b"}
    value = "a" * 200 + "!"
    assert parameter_value("P", declaration, value, source=None) == value
