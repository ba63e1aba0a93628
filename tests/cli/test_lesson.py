import json

import pytest

from secgroup.cli import run
from secgroup.lessons.course import LESSONS


def test_without_a_number_every_lesson_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lesson"]) == 0
    listed = capsys.readouterr().out
    assert all(story.title in listed for story in LESSONS)
    assert listed.startswith("Seven steps\n   1  ")


@pytest.mark.parametrize("number", range(1, len(LESSONS) + 1))
def test_each_lesson_prints_every_packet_with_its_answer(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lesson", str(number)]) == 0
    by_number = capsys.readouterr().out
    assert by_number.startswith(f"{number}. {LESSONS[number - 1].title}\n")
    assert run(["lesson", LESSONS[number - 1].name]) == 0
    assert capsys.readouterr().out == by_number


def test_json_has_the_same_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lesson", "the-ping-example", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["answer"].split()[:2] for step in told["steps"]] == [
        ["ACCEPT", "NEW"],
        ["REJECT", "NETWORK_ACL"],
    ]
    assert run(["lesson", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(LESSONS)


@pytest.mark.parametrize("wrong", ["0", "19", "no-such", "²"])
def test_an_unknown_lesson_is_one_line_and_exit_2(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lesson", wrong]) == 2
    assert capsys.readouterr().err == (
        f"secgroup: no lesson {wrong!r} (expected 1 to 18, or a name of the list)\n"
    )
