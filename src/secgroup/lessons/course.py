"""All lessons, in the order in which `secgroup lesson` numbers them."""

from dataclasses import dataclass
from typing import Final

from secgroup.lessons import misconceptions, pitfalls, published, steps
from secgroup.lessons.story import Story


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some stories under one heading."""

    heading: str
    stories: tuple[Story, ...]


CHAPTERS: Final = (
    Chapter("Seven steps", steps.STORIES),
    Chapter("Four misconceptions", misconceptions.STORIES),
    Chapter("Three pitfalls", pitfalls.STORIES),
    Chapter("What AWS publishes", published.STORIES),
)

#: Lesson 1 is the first of these.
LESSONS: Final = tuple(story for chapter in CHAPTERS for story in chapter.stories)
