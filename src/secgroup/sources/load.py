"""`load`: a network from what people already have, told by its content.

Owns which kind of file it is and who reads it. Read first: `describe`, `cloudformation`.
"""

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final

from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.sources import describe
from secgroup.sources.document import decode, parse_json
from secgroup.sources.draft import Draft
from secgroup.sources.host import add_host

#: More than this is no description of a network.
MAX_BYTES: Final = 1 << 30

_EXPECTED: Final = "expected a CloudFormation template or the output of aws ec2 describe-*"
_TEMPLATE: Final = re.compile(r"^(['\"]?)(Resources|AWSTemplateFormatVersion)\1\s*:", re.MULTILINE)
_TERRAFORM: Final = re.compile(
    r"^[ \t]*(?:(?:resource|data)[ \t]+\"[^\"\n]*\"[ \t]+\"[^\"\n]*\""
    r"|(?:provider|module|variable|output)[ \t]+\"[^\"\n]*\"|terraform|locals)[ \t]*\{",
    re.MULTILINE,
)


def load(
    path: str | PathLike[str],
    *,
    also: Sequence[str | PathLike[str]] = (),
    parameters: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
    addresses: Mapping[str, str] | None = None,
    hosts: Sequence[str] = (),
) -> Network:
    """Read a network: a CloudFormation template, or a file or folder of describe output.

    Parameters
    ----------
    path : path
        A template (YAML or JSON), a JSON file of `aws ec2 describe-*` output with one or several
        of its keys, or a folder of such files.
    also : sequence of path
        More of them, which bring what the first only mentions.
    parameters : mapping, optional
        The values of a template's parameters.
    imports : mapping, optional
        The values of a template's Fn::ImportValue, by name of the export.
    addresses : mapping, optional
        The deployed addresses of a template's interfaces and instances, by logical id.
    hosts : sequence of str, optional
        Interfaces to add, each `NAME=ADDRESS,sg-...[,subnet-...]`.

    Returns
    -------
    Network
        Whole: what could not be taken over is in its `warnings`.

    Raises
    ------
    InputError
        Something cannot be used: one line with the file, the place in it, what was expected.

    """
    answers, templates = gather((path, *also))
    return network_of(
        answers,
        templates,
        parameters=parameters,
        imports=imports,
        addresses=addresses,
        hosts=hosts,
    )


def network_of(
    answers: describe.Answers,
    templates: Sequence[tuple[str, str]],
    *,
    parameters: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
    addresses: Mapping[str, str] | None = None,
    hosts: Sequence[str] = (),
) -> Network:
    """Return the network of what `gather` has read; see `load`.

    Raises
    ------
    InputError
        As there.

    """
    draft = Draft()
    describe.read(answers, draft)
    for text, name in templates:
        # Read when what it may name is there, and imported by need: PyYAML is slow to start.
        from secgroup.sources import cloudformation

        cloudformation.read(
            text, draft, source=name, parameters=parameters, imports=imports, addresses=addresses
        )
    for host in hosts:
        add_host(draft, host)
    return draft.network()


def gather(
    paths: Sequence[str | PathLike[str]],
) -> tuple[describe.Answers, list[tuple[str, str]]]:
    """Read the files of all paths: answers of describe calls, and templates with their names.

    Raises
    ------
    InputError
        A file cannot be read, or is none of these.

    """
    answers = describe.Answers()
    templates: list[tuple[str, str]] = []
    for each in paths:
        files = _files(Path(each))
        for file, name in files:
            text = decode(_content(file), source=name)
            value = _recognise(text, source=name, is_one_of_many=len(files) > 1)
            if value is None:
                templates.append((text, name))
            else:
                answers.add(value, source=name, name=file.name)
    if answers.unread and not (templates or answers.present or answers.entries):
        raise InputError(f"nothing that is read ({_EXPECTED})", source=str(paths[0]))
    return answers, templates


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the files of a path, with the name that errors call each."""
    if not path.is_dir():
        return [(path, str(path))]
    try:
        every = sorted(each for each in path.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
    files = [each for each in every if each.suffix == ".json" and each.is_file()]
    if not files:
        if any(each.suffix == ".tf" for each in every):
            raise _terraform("configuration", str(path))
        raise InputError(
            "a folder without a file *.json (expected the output of aws ec2 describe-*)",
            source=str(path),
        )
    return [(each, str(each)) for each in files]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
    except ValueError:
        raise InputError("is not the name of a file", source=ascii(str(path))) from None
    if len(content) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES} bytes ({_EXPECTED})", source=str(path))
    return content


def _terraform(what: str, source: str) -> InputError:
    return InputError(f"a Terraform {what}, which is not read yet ({_EXPECTED})", source=source)


def _recognise(text: str, *, source: str, is_one_of_many: bool) -> dict[str, Any] | None:
    """Return the JSON object of describe output; None for a template.

    A folder may hold answers about other nouns too, which are named and not read.

    Raises
    ------
    InputError
        It is neither.

    """
    if text.lstrip().startswith(("{", "[")):
        try:
            value = parse_json(text, source=source)
        except InputError:
            # A template may be in YAML's braces; its reader knows better what is wrong with it.
            if "Resources" in text:
                return None
            raise
        return _recognise_json(value, source=source, is_one_of_many=is_one_of_many)
    if _TEMPLATE.search(text):
        return None
    if _TERRAFORM.search(text):
        raise _terraform("configuration", source)
    found = "an empty file" if not text.strip() else "neither JSON nor a template"
    raise InputError(f"{found} ({_EXPECTED})", source=source)


def _recognise_json(value: Any, *, source: str, is_one_of_many: bool) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        raise InputError(
            f"a JSON {'list' if isinstance(value, list) else 'value'} without a key "
            f"({_EXPECTED}, an object with a key such as SecurityGroups)",
            source=source,
        )
    if "Resources" in value or "AWSTemplateFormatVersion" in value:
        return None
    if "planned_values" in value or "resource_changes" in value:
        raise _terraform("plan", source)
    if "terraform_version" in value or ("format_version" in value and "values" in value):
        raise _terraform("state", source)
    if isinstance(value.get("resource"), dict) or isinstance(value.get("terraform"), dict):
        raise _terraform("configuration", source)
    if describe.is_describe(value) or (is_one_of_many and describe.is_other_answer(value)):
        return value
    keys = ", ".join(ascii(key) for key in list(value)[:3]) or "none"
    raise InputError(f"a JSON object with the keys {keys} ({_EXPECTED})", source=source)
