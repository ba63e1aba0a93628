"""`secgroup lesson`: the stories, printed as dialogues."""

import json
import textwrap
from typing import Any

import click

from secgroup.errors import InputError
from secgroup.lessons.course import CHAPTERS, LESSONS
from secgroup.lessons.story import Line, Send, Story, tell
from secgroup.lessons.transcript import answer, described, rules_in_force, told


@click.command("lesson", short_help="Run the lesson's claims, packet by packet.")
@click.argument("lesson", required=False, metavar="[N|NAME]")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(lesson: str | None, as_json: bool) -> None:
    """Run a lesson's claim, packet by packet; without N or NAME, list them all."""
    if lesson is None:
        click.echo(json.dumps(_index(), ensure_ascii=False) if as_json else _contents())
        return
    story = _find(lesson)
    lines = tell(story)
    if as_json:
        click.echo(json.dumps(_story_as_json(story, lines), ensure_ascii=False))
    else:
        click.echo(_page(story, lines))


def _find(text: str) -> Story:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= len(LESSONS):
        return LESSONS[int(text) - 1]
    for story in LESSONS:
        if story.name == text:
            return story
    raise InputError(f"no lesson {text!r} (expected 1 to {len(LESSONS)}, or a name of the list)")


def _contents() -> str:
    lines, number = [], 0
    for chapter in CHAPTERS:
        lines.append(f"\n{chapter.heading}")
        for story in chapter.stories:
            number += 1
            lines.append(f"  {number:>2}  {story.title}")
    return "\n".join([*lines, "\nsecgroup lesson N runs one."]).lstrip("\n")


def _page(story: Story, lines: tuple[Line, ...]) -> str:
    page = [f"{LESSONS.index(story) + 1}. {story.title}", ""]
    page += [f"  {line}" for line in rules_in_force(story.network)]
    page.append("")
    for line in lines:
        page += told(line)
    page += ["", *textwrap.wrap(story.notice, width=88)]
    return "\n".join(page)


def _index() -> list[dict[str, Any]]:
    return [
        {"lesson": number, "name": story.name, "title": story.title}
        for number, story in enumerate(LESSONS, start=1)
    ]


def _story_as_json(story: Story, lines: tuple[Line, ...]) -> dict[str, Any]:
    return {
        "lesson": LESSONS.index(story) + 1,
        "name": story.name,
        "title": story.title,
        "rules": list(rules_in_force(story.network)),
        "steps": [
            {
                "time_ms": line.time_ms,
                "says": line.step.says,
                "interface_id": line.step.interface_id,
                "direction": str(line.step.direction),
                "packet": described(line.step.packet),
                "answer": answer(line),
            }
            for line in lines
            if isinstance(line.step, Send)
        ],
        "notice": story.notice,
    }
