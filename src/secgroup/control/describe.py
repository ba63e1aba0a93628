"""Describe calls: which resources are chosen, shown, and in which pages.

Owns ids, filters with their wildcards, `MaxResults` and `NextToken` for every describe call. What a
call has of its own is a `Describe`; nothing here knows a kind.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from secgroup.control.state import Resource, Row, World, values
from secgroup.errors import Ec2Error

#: What a filter looks at: a path in the resource, or a function that finds the values.
Source = str | Callable[[World, Resource], Iterable[object]]

#: How many values the filters of one request may have (EC2 API Reference, "Filter").
_VALUES_LIMIT: Final = 200
_TAG: Final = "tag:"
_TAG_KEY: Final = "tag-key"
#: What makes the value of a filter more than itself.
_WILD: Final = re.compile(r"[*?\\]")


def _as_it_is(world: World, resource: Resource) -> Resource:  # noqa: ARG001
    return resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """What one describe call has of its own.

    Parameters
    ----------
    kind : str
    ids : str or None
        The member of the request with the ids asked for.
        The faults of an id that is not there are the kind's.
    result : str
        The member of the result with the resources.
    filters : mapping of str to Source
        Every documented filter but `tag:` and `tag-key`, which come with kinds that have tags.
    has_tags : bool
        False when the call has neither of the two, whatever its kind has.
    view : callable
        The resource as it is shown.
    max_results : (int, int) or None
        The least and most that `MaxResults` may be; None when the call has no pages.

    """

    kind: str
    result: str
    ids: str | None = None
    filters: Mapping[str, Source] = field(default_factory=dict)
    has_tags: bool = True
    view: Callable[[World, Resource], Resource] = _as_it_is
    max_results: tuple[int, int] | None = (5, 1000)


def describe(
    world: World,
    request: Resource,
    how: Describe,
    resources: Iterable[Resource | Row] | None = None,
) -> dict[str, Any]:
    """Answer a describe call.

    Parameters
    ----------
    world, request : World, mapping
    how : Describe
    resources : iterable of mapping or Row, optional
        What is chosen from when it is nothing that is kept: regions, instance types. Their order
        must be the same in every call. Or the rows of the kind that may be meant, in their order.

    Raises
    ------
    Ec2Error
        An id that is malformed or not there, a filter or a token that is none, a page size out of
        bounds, ids and a page size together.

    """
    limit, after = page_of(request, how)
    wanted = matcher(world, request, how)
    found = _kept(world, request, how) if resources is None else _given(resources)
    shown: list[Resource] = []
    result: dict[str, Any] = {how.result: shown}
    last = 0
    for sequence, resource in found:
        if sequence <= after or not wanted(resource):
            continue
        if limit is not None and len(shown) == limit:
            result["NextToken"] = token_of(last)
            break
        shown.append(how.view(world, resource))
        last = sequence
    return result


def _given(resources: Iterable[Resource | Row]) -> list[tuple[int, Resource]]:
    return [
        (each.sequence, each.resource) if isinstance(each, Row) else (number, each)
        for number, each in enumerate(resources, 1)
    ]


def _kept(world: World, request: Resource, how: Describe) -> list[tuple[int, Resource]]:
    """Return the resources that may be meant, in the order of their making.

    They are those asked for by id; or those that an index has for an exact value of a filter.
    """
    table = world.state.table(world.account_id, world.region, how.kind)
    ids = request.get(how.ids) if how.ids is not None else None
    if ids:
        missing = [resource_id for resource_id in ids if resource_id not in table.rows]
        if missing:
            raise table.kind.missing(missing[0])
        found = {resource_id: table.rows[resource_id] for resource_id in ids}
        return _in_order(found.values())
    for each in filters_of(request):
        path = how.filters.get(each["Name"])
        if isinstance(path, str) and not any(_WILD.search(value) for value in each["Values"]):
            if path == table.kind.id_key:
                named = {value: table.rows.get(value) for value in each["Values"]}
                return _in_order(row for row in named.values() if row is not None)
            if path in table.indexes:
                return _in_order(
                    table.rows[resource_id]
                    for resource_id in {
                        resource_id: None
                        for value in each["Values"]
                        for resource_id in table.indexes[path].get(value, ())
                    }
                )
    return [(row.sequence, row.resource) for row in table.rows.values()]


def _in_order(rows: Iterable[Row]) -> list[tuple[int, Resource]]:
    return [(row.sequence, row.resource) for row in sorted(rows, key=lambda row: row.sequence)]


def filters_of(request: Resource) -> Sequence[Resource]:
    """Return the filters of a request; DescribeNatGateways and DescribeFlowLogs call them Filter.

    Raises
    ------
    Ec2Error
        One without a name or values, or too many values.

    """
    filters: Sequence[Resource] = request.get("Filters") or request.get("Filter") or ()
    for each in filters:
        if not each.get("Name"):
            raise Ec2Error("filter_without_name")
        if not each.get("Values"):
            raise Ec2Error("filter_without_values", name=each["Name"])
    if sum(len(each["Values"]) for each in filters) > _VALUES_LIMIT:
        raise Ec2Error("too_many_filter_values", limit=_VALUES_LIMIT)
    return filters


def matcher(world: World, request: Resource, how: Describe) -> Callable[[Resource], bool]:
    """Return what tells whether a resource passes every filter of a request.

    The values of one filter are alternatives; all filters must hold.

    Raises
    ------
    Ec2Error
        A filter that the call does not have, without a name or values, or with too many.

    """
    kind = world.state.kinds.get(how.kind)
    tags: str | None = "Tags"
    if kind is not None:
        tags = None if kind.resource_type is None else kind.tags
    if not how.has_tags:
        tags = None
    tests: list[tuple[Source, tuple[re.Pattern[str], ...]]] = []
    for each in filters_of(request):
        source = _source(each["Name"], tags, how)
        tests.append((source, tuple(_pattern(value) for value in each["Values"])))

    def is_wanted(resource: Resource) -> bool:
        return all(_holds(world, resource, source, patterns) for source, patterns in tests)

    return is_wanted


def _source(name: str, tags: str | None, how: Describe) -> Source:
    """Return what a filter looks at; `tags` is the member that holds the kind's tags, if it has."""
    if name in how.filters:
        return how.filters[name]
    if tags is not None and name == _TAG_KEY:
        return f"{tags}.Key"
    if tags is not None and name.startswith(_TAG):
        key = name.removeprefix(_TAG)
        return lambda _, resource: [
            tag["Value"] for tag in resource.get(tags, ()) if tag["Key"] == key
        ]
    raise Ec2Error("unknown_filter", name=name)


def _holds(
    world: World, resource: Resource, source: Source, patterns: tuple[re.Pattern[str], ...]
) -> bool:
    found = values(resource, source) if isinstance(source, str) else source(world, resource)
    texts = [_text(value) for value in found]
    return any(pattern.fullmatch(text) for text in texts for pattern in patterns)


def _text(value: object) -> str:
    """Return a value as filters spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=4096)
def _pattern(value: str) -> re.Pattern[str]:
    r"""Return the pattern of a filter's value: `*` any text, `?` one character, `\` before both."""
    parts = re.findall(r"\\[*?\\]|.", value, re.DOTALL)
    spelled = {"*": ".*", "?": "."}
    return re.compile("".join(spelled.get(part, re.escape(part[-1])) for part in parts), re.DOTALL)


def page_of(request: Resource, how: Describe) -> tuple[int | None, int]:
    """Return how many a request wants at most, and the sequence after which its page begins."""
    limit = request.get("MaxResults")
    token = request.get("NextToken")
    if how.max_results is not None and limit is not None:
        least, most = how.max_results
        if not least <= limit <= most:
            raise Ec2Error("max_results_out_of_bounds", value=limit, least=least, most=most)
        if how.ids is not None and request.get(how.ids):
            raise Ec2Error("ids_and_max_results", ids=how.ids)
    return limit, 0 if not token else sequence_of(token)


def token_of(sequence: int) -> str:
    """Return the opaque token of a page that begins after a row."""
    return base64.urlsafe_b64encode(f"after:{sequence}".encode()).decode()


def sequence_of(token: str) -> int:
    """Return the row after which a page begins.

    Raises
    ------
    Ec2Error
        The token is none of ours.

    """
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise Ec2Error("invalid_token", token=token) from None
    if not re.fullmatch(r"after:[0-9]{1,80}", text):
        raise Ec2Error("invalid_token", token=token)
    return int(text.removeprefix("after:"))
