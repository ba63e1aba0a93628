import time

import pytest

from secgroup.errors import InputError
from secgroup.sources import template
from secgroup.sources.template import read_template


def test_scalars_stay_the_text_that_was_written():
    text = "a: 1.10\nb: 022\nc: 2010-09-09\nd: 0x1F\ne: 10:20\nf: 1e3\n12345: x\n"
    assert read_template(text) == {
        "a": "1.10",
        "b": "022",
        "c": "2010-09-09",
        "d": "0x1F",
        "e": "10:20",
        "f": "1e3",
        "12345": "x",
    }


def test_json_numbers_stay_the_text_that_was_written():
    assert read_template('{"a": 1.10, "b": 22, "c": [true, null]}') == {
        "a": "1.10",
        "b": "22",
        "c": [True, None],
    }


def test_plain_words_for_truth_are_truth_and_quoted_ones_are_text():
    assert read_template("[yes, 'yes', False, \"no\", ~, null, 'null', off]") == [
        *(True, "yes", False, "no"),
        *(None, None, "null", False),
    ]


def test_a_key_named_no_or_on_stays_its_name():
    assert read_template("no: 1\non: 2") == {"no": "1", "on": "2"}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("!Ref X", {"Ref": "X"}),
        ("!Condition X", {"Condition": "X"}),
        ("!GetAtt A.B", {"Fn::GetAtt": ["A", "B"]}),
        ("!GetAtt A.Outputs.B", {"Fn::GetAtt": ["A", "Outputs.B"]}),
        ("!GetAtt [A, B]", {"Fn::GetAtt": ["A", "B"]}),
        ("!Sub '${A}'", {"Fn::Sub": "${A}"}),
        ("!Join [',', [a, b]]", {"Fn::Join": [",", ["a", "b"]]}),
        ("!Not [!Equals [a, b]]", {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}),
        (
            "!If [C, !Ref A, !Ref AWS::NoValue]",
            {"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]},
        ),
        ("!GetAZs ''", {"Fn::GetAZs": ""}),
    ],
)
def test_a_short_tag_is_its_long_form(short, long):
    assert read_template(f"a: {short}") == {"a": long}


def test_an_anchor_is_repeated_and_a_merge_key_gives_way_to_what_stands_there():
    text = "base: &base {A: 1, B: 2}\nother: {<<: *base, B: 3}\nagain: *base\n"
    assert read_template(text) == {
        "base": {"A": "1", "B": "2"},
        "other": {"A": "1", "B": "3"},
        "again": {"A": "1", "B": "2"},
    }


def test_braces_may_be_yaml_too():
    assert read_template("{a: !Ref X}") == {"a": {"Ref": "X"}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "line 2: the key 'a' stands twice in one mapping"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one object"),
        ("a: !Foo 1", "line 1: the tag !Foo is none of CloudFormation's"),
        ("a: !!python/object:os.system x", "is none of CloudFormation's"),
        ("--- 1\n--- 2", "a second document begins"),
        ("", "empty; expected a template"),
        ("# nothing", "empty; expected a template"),
        ("a: &x [*x]", "the alias *x has no complete anchor before it"),
        ("a: *y", "*y"),
        ("a: [", "not YAML"),
        ('{"a": 1,, }', "not JSON"),
        ("\x00", "not YAML"),
        ("? [a]\n: 1", "a key that is not a word"),
        ("<<: 5", "<< merges mappings"),
        ('{"a": NaN}', "NaN is not a value of JSON"),
        ("[" * 200, "nested deeper than 100 levels"),
        ("- " * 5000 + "x", "nested deeper than 100 levels"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested deeper than 100 levels"),
        ('{"a":' * 100_000, "nested deeper than 100 levels"),
    ],
)
def test_a_text_that_is_none_is_refused_in_one_line(text, says):
    with pytest.raises(InputError) as refused:
        read_template(text, source="net.yaml")
    assert says in str(refused.value)
    assert str(refused.value).startswith("net.yaml: ")
    assert "\n" not in str(refused.value)


def test_a_billion_laughs_are_refused_at_once():
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]")
    started = time.monotonic()
    with pytest.raises(InputError, match="aliases expanded"):
        read_template("\n".join(lines))
    assert time.monotonic() - started < 1


def test_a_text_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(template, "MAX_CHARACTERS", 10)
    with pytest.raises(InputError, match="over 10 characters"):
        read_template("a: 1234567890")
