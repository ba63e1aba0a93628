import pytest

from secgroup.decision import Reason
from secgroup.lessons.course import CHAPTERS, LESSONS
from secgroup.lessons.story import Send, Story, tell
from secgroup.lessons.transcript import duration, told


@pytest.mark.semantics("sg-stories")
@pytest.mark.parametrize("story", LESSONS, ids=lambda story: story.name)
def test_a_lesson_happens_as_it_is_told(story: Story) -> None:
    lines = tell(story)
    assert [line.step for line in lines if not line.as_expected] == []
    assert any(isinstance(line.step, Send) for line in lines)


def test_the_course_has_the_seven_steps_four_misconceptions_three_pitfalls_and_four_cases() -> None:
    assert [len(chapter.stories) for chapter in CHAPTERS] == [7, 4, 3, 4]
    assert len({story.name for story in LESSONS}) == len(LESSONS)


def test_every_reason_that_a_flow_can_meet_is_told_somewhere() -> None:
    told_reasons = {
        step.expected for story in LESSONS for step in story.steps if isinstance(step, Send)
    }
    assert told_reasons >= {
        Reason.NEW,
        Reason.ESTABLISHED,
        Reason.UNTRACKED,
        Reason.MIDSTREAM,
        Reason.RELATED,
        Reason.NO_MATCHING_RULE,
        Reason.NETWORK_ACL,
    }


def test_a_dialogue_names_who_speaks_the_packet_and_the_answer() -> None:
    ping = next(story for story in LESSONS if story.name == "the-ping-example")
    text = "\n".join(line for step in tell(ping) for line in told(step))
    assert "172.31.16.139 > 203.0.113.12 icmp/0" in text
    assert "REJECT NETWORK_ACL by acl-172.31.16 entry 100" in text
    assert "ACCEPT NEW by web/ingress/0 (no entry → ICMP_UNREPLIED)" in text


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (1000, "1 second"),
        (29_998, "29.998 seconds"),
        (86_400_000, "1 day"),
        (432_000_000, "5 days"),
        (90_000_000, "1 day and 3600 seconds"),
    ],
)
def test_a_silence_is_told_in_words(ms: int, words: str) -> None:
    assert duration(ms) == words
