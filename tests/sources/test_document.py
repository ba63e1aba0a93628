import pytest

from secgroup.errors import InputError
from secgroup.net.address import parse_address
from secgroup.sources.document import Node, decode, is_plain, parse_json, shown

NODE = Node({"list": [{"text": "a", "number": 7, "flag": False, "none": None}]}, "file")
INNER = NODE.nodes("list")[0]


def test_node_tells_its_file_and_the_way_to_it():
    assert (NODE.source, NODE.path) == ("file", None)
    assert (INNER.source, INNER.path) == ("file", "list[0]")
    assert str(INNER.error("wrong", "text")) == "file: list[0].text: wrong"


def test_absent_and_null_are_the_same():
    for key in ("none", "absent"):
        assert INNER.text_or_none(key) is None
        assert INNER.integer_or_none(key) is None
        assert INNER.node(key) is None
        assert INNER.nodes(key) == []
        assert INNER.texts(key) == ()
        assert INNER.boolean(key, default=True) is True
        assert INNER.free_text(key) == ""


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        (lambda: INNER.text("number"), "list[0].number: 7 is not a text"),
        (lambda: INNER.text("absent"), "list[0].absent: is missing"),
        (lambda: INNER.integer("text"), "list[0].text: 'a' is not a whole number"),
        (lambda: INNER.integer("flag"), "list[0].flag: False is not a whole number"),
        (lambda: INNER.integer("absent"), "list[0].absent: is missing"),
        (lambda: INNER.boolean("number", default=True), "list[0].number: 7 is not true or false"),
        (lambda: INNER.nodes("text"), "list[0].text: 'a' is not a list"),
        (lambda: INNER.node("text"), "list[0].text: 'a' is not an object"),
        (lambda: INNER.parsed("text", parse_address), "list[0].text: 'a' is not an IPv4 or"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_place(ask, problem):
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value).startswith(f"file: {problem}")


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "\u2028", "\ud800", "\x1b[31m"])
def test_text_that_would_leave_its_line_is_refused_as_an_id_and_escaped_as_a_name(text):
    node = Node({"id": text}, "file")
    assert not is_plain(text)
    with pytest.raises(InputError):
        node.text("id")
    assert node.free_text("id").isascii()
    assert node.free_text("id").isprintable()


def test_text_in_any_language_is_plain():
    assert is_plain("Büro Zürich\u00a0— 東京")


def test_shown_is_one_short_line():
    assert shown("a\n" * 100).isprintable()
    assert len(shown(list(range(1000)))) == 60


def test_decode_and_parse_name_the_place():
    with pytest.raises(InputError, match=r"^file: byte 1 is not text"):
        decode(b"{\xff", source="file")
    with pytest.raises(InputError, match=r"^file: line 2: not JSON: "):
        parse_json('{"a":\n}', source="file")


def test_a_key_that_stands_twice_in_one_object_is_refused():
    with pytest.raises(InputError, match="file: the key 'a' stands twice in one object"):
        parse_json('{"b": [{"a": 1, "c": 2, "a": 3}]}', source="file")
