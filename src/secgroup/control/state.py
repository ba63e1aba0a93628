"""`State`: every resource of every account and region, and its changes.

A resource is kept as its describe call shows it: a mapping in botocore's shape of its kind, with
times as ISO 8601 text (docs/decisions/what-the-endpoint-keeps.md). It is never changed in place:
`put` takes the next one. Knows nothing of requests, of what a kind means, or of where it lasts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from secgroup.control.quotas import QUOTAS
from secgroup.errors import Ec2Error

#: A resource, a request or a result, in the shape that botocore gives it.
Resource = Mapping[str, Any]

#: How many hexadecimal digits an id of EC2 has behind its prefix.
ID_DIGITS: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of resource.

    Parameters
    ----------
    shape : str
        botocore's name of its shape, and so the name of the kind.
    id_key : str
        The member that is its id; `GroupId+VpcId` when it takes two to name one.
    prefix : str
        What its ids begin with, without the hyphen.
    resource_type : str or None
        Its name in tags and ARNs: `security-group`; None when it cannot be tagged.
    tags : str
        The member that holds its tags.
    indexes : tuple of str
        Paths (see `values`) that `World.where` can ask for.
    not_found, malformed : str or None
        The faults (`api/errors.py`) when an id is none of a resource that is there, and when it
        is not an id of this kind; both are given `resource_id`. Without `malformed`, not found.
    is_own : bool
        It is none of EC2's shapes: kept for ourselves, in a shape of ours.

    """

    shape: str
    id_key: str
    prefix: str
    resource_type: str | None = None
    tags: str = "Tags"
    indexes: tuple[str, ...] = ()
    not_found: str = "id_invalid"
    malformed: str | None = None
    is_own: bool = False

    def id_of(self, resource: Resource) -> str:
        """Return the id of a resource of this kind; two members are joined by a slash."""
        return "/".join(str(resource[key]) for key in self.id_key.split("+"))

    def missing(self, resource_id: str) -> Ec2Error:
        """Return the fault of an id that names nothing."""
        is_id = re.fullmatch(rf"{self.prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", resource_id)
        fault = self.not_found if self.malformed is None or is_id else self.malformed
        return Ec2Error(fault, resource_id=resource_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A resource with where it belongs; `sequence` counts up over all that were ever made."""

    kind: str
    resource_id: str
    account_id: str
    region: str
    sequence: int
    resource: Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A row before and after; None where there is none."""

    before: Row | None
    after: Row | None


def values(resource: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a path of member names: `Groups.GroupId` looks into every group."""
    if not path:
        if resource is not None:
            yield resource
        return
    key, _, rest = path.partition(".")
    # What is kept is dicts and lists: asking for any mapping costs ten times as much.
    inner = resource.get(key) if isinstance(resource, dict) else None
    if isinstance(inner, list | tuple):
        for each in inner:
            yield from values(each, rest)
    elif inner is not None:
        yield from values(inner, rest)


@dataclass(slots=True)
class _Table:
    """The rows of one kind in one world, in the order of their making, and their indexes."""

    kind: Kind
    rows: dict[str, Row] = field(default_factory=dict)
    indexes: dict[str, dict[Any, dict[str, None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.indexes = {path: {} for path in self.kind.indexes}

    def set(self, resource_id: str, row: Row | None) -> None:
        before = self.rows.get(resource_id)
        for path, index in self.indexes.items():
            if before is not None:
                for value in values(before.resource, path):
                    ids = index.get(value)
                    if ids is not None:
                        ids.pop(resource_id, None)
                        if not ids:
                            del index[value]
            if row is not None:
                for value in values(row.resource, path):
                    index.setdefault(value, {})[resource_id] = None
        if row is None:
            self.rows.pop(resource_id, None)
        else:
            self.rows[resource_id] = row

    def where(self, path: str, value: object) -> list[Row]:
        """Return the rows that have a value at an indexed path, in the order of their making."""
        found = (self.rows[resource_id] for resource_id in self.indexes[path].get(value, ()))
        return sorted(found, key=lambda row: row.sequence)

    def sort(self) -> None:
        """Bring rows back into the order of their making, after one was put back."""
        self.rows = dict(sorted(self.rows.items(), key=lambda item: item[1].sequence))


def by_name(error: Ec2Error) -> Mapping[str, str]:
    """Return a fault without EC2's words."""
    return {"Code": error.fault, "Message": str(error)}


class State:
    """Every resource, by world and kind.

    Parameters
    ----------
    kinds : iterable of Kind
    token : callable
        Random hexadecimal digits, as many as asked for; `secrets` in life, counted in tests.
    quotas : mapping of str to int
        What differs from `quotas.QUOTAS`.
    tell : callable
        Code and message of a fault, for results that tell of what they did not do.

    """

    def __init__(
        self,
        kinds: Iterable[Kind],
        *,
        token: Callable[[int], str],
        quotas: Mapping[str, int] | None = None,
        tell: Callable[[Ec2Error], Mapping[str, str]] = by_name,
    ) -> None:
        self.tell = tell
        self.kinds = {kind.shape: kind for kind in kinds}
        self.token = token
        self.quotas: dict[str, int] = {**QUOTAS, **(quotas or {})}
        self.sequence = 0
        #: What was derived of a resource, by kind and id; who keeps it sees whether it still holds.
        self.views: dict[tuple[str, str], Any] = {}
        self._tables: dict[tuple[str, str, str], _Table] = {}
        self._by_id: dict[tuple[str, str], Row] = {}
        self._changed: dict[tuple[str, str], Changed] | None = None

    def world(self, account_id: str, region: str, now: datetime) -> "World":
        """Return the view of one account in one region, for one request."""
        return World(state=self, account_id=account_id, region=region, now=now)

    def worlds(self) -> tuple[tuple[str, str], ...]:
        """Return account and region of every world that has a resource, sorted."""
        return tuple(sorted({key[:2] for key, table in self._tables.items() if table.rows}))

    def find(self, kind: str, resource_id: str) -> Row | None:
        """Return a resource of any world, with where it belongs."""
        return self._by_id.get((kind, resource_id))

    def rows(self, kind: str | None = None) -> Iterator[Row]:
        """Yield every row, of all worlds, of one kind or of all; in no order."""
        for (_, _, shape), table in self._tables.items():
            if kind is None or kind == shape:
                yield from table.rows.values()

    def where(self, region: str, kind: str, path: str, value: object) -> Iterator[Row]:
        """Yield the rows of a region, of every account, that have a value at an indexed path."""
        for account_id in self.accounts(region):
            yield from self.table(account_id, region, kind).where(path, value)

    def accounts(self, region: str) -> tuple[str, ...]:
        """Return the accounts that were asked for in a region."""
        return tuple({account_id: None for account_id, at, _ in self._tables if at == region})

    def restore(self, rows: Iterable[Row], sequence: int = 0) -> None:
        """Take rows from where they lasted, in the order of their making.

        Parameters
        ----------
        rows : iterable of Row
        sequence : int, optional
            The number of the last resource that was made, also if it is gone.

        """
        for row in rows:
            self._set(row.kind, row.resource_id, row)
            self.sequence = max(self.sequence, row.sequence)
        self.sequence = max(self.sequence, sequence)

    @contextmanager
    def change(self) -> Iterator[dict[tuple[str, str], Changed]]:
        """Collect what changes inside of the block; take all of it back when the block raises.

        Yields
        ------
        dict
            By kind and id: the row before the block, and the row now. Filled as it happens.

        """
        changed: dict[tuple[str, str], Changed] = {}
        sequence = self.sequence
        self._changed = changed
        try:
            yield changed
        except BaseException:
            self._changed = None
            touched = set()
            for (kind, resource_id), each in changed.items():
                self._set(kind, resource_id, each.before)
                row = each.before if each.before is not None else each.after
                if row is not None:
                    touched.add((row.account_id, row.region, kind))
            for key in touched:
                self._tables[key].sort()
            self.sequence = sequence
            raise
        finally:
            self._changed = None

    def table(self, account_id: str, region: str, kind: str) -> _Table:
        """Return the table of a kind in a world."""
        key = (account_id, region, kind)
        if key not in self._tables:
            self._tables[key] = _Table(self.kinds[kind])
        return self._tables[key]

    def put(self, account_id: str, region: str, kind: str, resource: Resource) -> None:
        """Make a resource, or let it follow the one that had its id."""
        resource_id = self.kinds[kind].id_of(resource)
        before = self._by_id.get((kind, resource_id))
        if before is None:
            self.sequence += 1
        row = Row(
            kind=kind,
            resource_id=resource_id,
            account_id=account_id,
            region=region,
            sequence=self.sequence if before is None else before.sequence,
            resource=resource,
        )
        self._note(kind, resource_id, row)
        self._set(kind, resource_id, row)

    def delete(self, kind: str, resource_id: str) -> None:
        """Remove a resource that is there."""
        self._note(kind, resource_id, None)
        self._set(kind, resource_id, None)

    def _note(self, kind: str, resource_id: str, after: Row | None) -> None:
        if self._changed is None:
            raise RuntimeError("a resource changes outside of State.change()")
        key = (kind, resource_id)
        earlier = self._changed.get(key)
        before = self._by_id.get(key) if earlier is None else earlier.before
        self._changed[key] = Changed(before=before, after=after)

    def _set(self, kind: str, resource_id: str, row: Row | None) -> None:
        place = row if row is not None else self._by_id.get((kind, resource_id))
        if place is None:
            return
        self.table(place.account_id, place.region, kind).set(resource_id, row)
        if row is None:
            self._by_id.pop((kind, resource_id), None)
            self.views.pop((kind, resource_id), None)
        else:
            self._by_id[kind, resource_id] = row


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One account in one region, as one request sees it.

    Parameters
    ----------
    now : datetime
        The time of the request, in UTC.

    """

    state: State
    account_id: str
    region: str
    now: datetime

    def get(self, kind: str, resource_id: str) -> Resource | None:
        """Return a resource of this world."""
        row = self.state.table(self.account_id, self.region, kind).rows.get(resource_id)
        return None if row is None else row.resource

    def need(self, kind: str, resource_id: str) -> Resource:
        """Return a resource of this world that a request names.

        Raises
        ------
        Ec2Error
            It is not there, or its id is none of this kind.

        """
        resource = self.get(kind, resource_id)
        if resource is None:
            raise self.state.kinds[kind].missing(resource_id)
        return resource

    def count(self, kind: str) -> int:
        """Return how many resources of a kind there are."""
        return len(self.state.table(self.account_id, self.region, kind).rows)

    def quota(self, name: str) -> int:
        """Return how many of something an account may have (`quotas.QUOTAS`)."""
        return self.state.quotas[name]

    def every(self, kind: str) -> Iterator[Resource]:
        """Yield the resources of a kind, in the order of their making."""
        for row in list(self.state.table(self.account_id, self.region, kind).rows.values()):
            yield row.resource

    def where(self, kind: str, path: str, value: object) -> Iterator[Resource]:
        """Yield the resources that have a value at an indexed path, the oldest first."""
        for row in self.state.table(self.account_id, self.region, kind).where(path, value):
            yield row.resource

    def put(self, kind: str, resource: Resource) -> None:
        """Make a resource in this world, or let it follow the one that had its id."""
        self.state.put(self.account_id, self.region, kind, resource)

    def delete(self, kind: str, resource_id: str) -> None:
        """Remove a resource of this world."""
        self.state.delete(kind, resource_id)

    def new_id(self, prefix: str) -> str:
        """Return an id that no resource has: `sg-` and 17 hexadecimal digits."""
        return f"{prefix}-{self.state.token(ID_DIGITS)}"

    def arn(self, resource_type: str, resource_id: str) -> str:
        """Return the ARN of a resource of EC2."""
        return f"arn:aws:ec2:{self.region}:{self.account_id}:{resource_type}/{resource_id}"

    @property
    def time(self) -> str:
        """The time of the request, as EC2 writes times."""
        return self.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
            f"{self.now.microsecond // 1000:03d}Z"
        )
