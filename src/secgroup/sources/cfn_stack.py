"""A template's resources: which there are, their properties, and what they answer.

Owns conditions on resources, the reading of properties as the kind of value that is expected,
the names of what is not modelled, and `Ref` and `Fn::GetAtt` of a resource. What the nouns
look like is in the modules beside it, one for each family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final, TypeVar

from secgroup.errors import InputError
from secgroup.sources.cfn_item import Item
from secgroup.sources.cfn_properties import ATTRIBUTES, EC2, PROPERTIES, Use
from secgroup.sources.draft import Draft, listed
from secgroup.sources.intrinsics import FUNCTIONS
from secgroup.sources.parameters import Unknown
from secgroup.sources.references import mentions
from secgroup.sources.scope import Evaluated, Scope, text_of
from secgroup.sources.template import Value, plain

T = TypeVar("T")

#: The attributes that are the resource's own id, where there is another one than `Id`.
_OWN_ID: Final = {
    "VPC": ("VpcId",),
    "Subnet": ("SubnetId",),
    "SecurityGroup": ("GroupId", "Id"),
    "Instance": ("InstanceId",),
    "PrefixList": ("PrefixListId",),
    "RouteTable": ("RouteTableId",),
    "InternetGateway": ("InternetGatewayId",),
    "NatGateway": ("NatGatewayId",),
}
_TRANSFORM: Final = "Fn::Transform"
#: Adds functions, which are evaluated here; only its loops are named.
_EXTENSIONS: Final = "AWS::LanguageExtensions"
_FOR_EACH: Final = "Fn::ForEach::"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource that the stack has: its condition, if any, holds."""

    logical_id: str
    kind: str
    properties: Item

    @property
    def path(self) -> str:
        """Where it stands in the template."""
        return f"Resources.{self.logical_id}"


class Stack:
    """The resources of one template.

    Attributes
    ----------
    resources : dict of str to Resource
        Those that the stack has, in the order of the template.
    not_modelled : dict of (str, str) to list of str
        Resource type and property -> where it stands; filled while properties are read.
    providers : dict of (str, str) to callable
        Type without `AWS::EC2::`, and attribute -> what works the attribute out when it is
        asked for; the families set them.

    """

    def __init__(
        self,
        document: Mapping[str, Value],
        draft: Draft,
        *,
        source: str,
        parameters: Mapping[str, str],
        imports: Mapping[str, str],
    ) -> None:
        self.source = source
        self.draft = draft
        self.not_modelled: dict[tuple[str, str], list[str]] = {}
        self._answers: dict[tuple[str, str], Evaluated] = {}
        self._asked: set[tuple[str, str]] = set()
        self.providers: dict[tuple[str, str], Callable[[Resource], Evaluated]] = {}
        self.scope = Scope(
            document,
            FUNCTIONS,
            parameters=parameters,
            imports=imports,
            resources=self,
            source=source,
        )
        self.is_generated = _warn_of_transforms(document, draft, source)
        self._check_mentions(document)
        for name in parameters:
            kind = self._kind_of(name.partition(".")[0]) if "." in name else ""
            if kind in PROPERTIES:
                raise InputError(
                    f"the template says it (of {kind} only addresses can be said, with --address)",
                    source=f"--parameter {name}",
                )
        self.resources = {each.logical_id: each for each in self._active()}
        self._by_kind: dict[str, list[Resource]] = {}
        for resource in self.resources.values():
            self._by_kind.setdefault(resource.kind, []).append(resource)
        self._check_cycles()

    def of(self, kind: str) -> list[Resource]:
        """Return the resources of a type of AWS::EC2."""
        return self._by_kind.get(EC2 + kind, [])

    def error(self, problem: str, path: str) -> InputError:
        """Return the error that names a place in the template."""
        return self.scope.error(problem, path)

    def warn(self, text: str) -> None:
        """Keep a warning about this template."""
        self.draft.warn(f"{self.source}: {plain(text)}")

    def _active(self) -> Iterator[Resource]:
        for logical_id, declared in self.scope.resources.items():
            path = f"Resources.{logical_id}"
            if logical_id.startswith(_FOR_EACH) or logical_id == _TRANSFORM:
                continue
            if not isinstance(declared, dict) or not isinstance(declared.get("Type"), str):
                raise self.error("expected a resource with a Type", path)
            condition = declared.get("Condition")
            if condition is not None:
                if not isinstance(condition, str):
                    raise self.error("expected the name of a condition", f"{path}.Condition")
                if not self.scope.condition(condition, f"{path}.Condition"):
                    continue
            properties = declared.get("Properties")
            if properties is not None and not isinstance(properties, dict):
                raise self.error("expected a mapping of properties", f"{path}.Properties")
            kind = str(declared["Type"])
            yield Resource(
                logical_id=logical_id,
                kind=kind,
                properties=Item(
                    self,
                    kind,
                    self._present(properties or {}, kind, f"{path}.Properties"),
                    f"{path}.Properties",
                    "",
                ),
            )

    def _present(self, properties: Mapping[str, Value], kind: str, path: str) -> dict[str, Value]:
        """Leave out unmodelled properties that a condition takes away."""
        table = PROPERTIES.get(kind)
        if table is None:
            return {}
        return {
            name: value
            for name, value in properties.items()
            if table.get(name, Use.NOT_MODELLED) is not Use.NOT_MODELLED
            or not self._is_nothing(value, f"{path}.{name}")
        }

    def _is_nothing(self, value: Value, path: str) -> bool:
        """Tell whether AWS::NoValue stands there, behind any number of conditions."""
        while isinstance(value, dict) and len(value) == 1 and "Fn::If" in value:
            choice = value["Fn::If"]
            if not isinstance(choice, list) or len(choice) != 3:
                return False
            value = choice[1 if self._chooses(choice[0], path) else 2]
        return value is None or value == {"Ref": "AWS::NoValue"}

    def _chooses(self, condition: Value, path: str) -> bool:
        if isinstance(condition, str):
            return self.scope.condition(condition, path)
        return self.scope.holds(condition, path)

    # Names

    def _check_mentions(self, document: Mapping[str, Value]) -> None:
        """Refuse a Ref or GetAtt that names nothing, wherever it stands."""
        scope = self.scope
        for named, _, path in mentions(document.get("Conditions"), "Conditions"):
            if named not in scope.declared and named not in scope.pseudo:
                raise self.error(f"there is no parameter {named}, as a condition needs", path)
        if self.is_generated:
            return
        for name in ("Resources", "Outputs"):
            for named, attribute, path in mentions(document.get(name), name):
                if named in scope.resources:
                    kind = self._kind_of(named)
                    if attribute and kind in ATTRIBUTES:
                        self._check_attribute(kind, attribute, path)
                elif attribute is not None:
                    raise self.error(f"there is no resource {named}", path)
                elif named not in scope.declared and named not in scope.pseudo:
                    raise self.error(f"there is no parameter or resource {named}", path)

    def _kind_of(self, logical_id: str) -> str:
        declared = self.scope.resources.get(logical_id)
        return str(declared.get("Type")) if isinstance(declared, dict) else ""

    def _check_attribute(self, kind: str, attribute: str, path: str) -> None:
        if attribute not in ATTRIBUTES[kind]:
            expected = ", ".join(sorted(ATTRIBUTES[kind]))
            raise self.error(f"{kind} has no attribute {attribute} (it has {expected})", path)

    def _check_cycles(self) -> None:
        """Refuse resources that wait for one another."""

        def choose(condition: Value, path: str) -> bool | None:
            try:
                return self._chooses(condition, path)
            except InputError:
                return None

        graph: TopologicalSorter[str] = TopologicalSorter()
        for logical_id in self.resources:
            declared = self.scope.resources[logical_id]
            if not isinstance(declared, dict):
                continue
            graph.add(logical_id)
            waits = declared.get("DependsOn")
            for each in waits if isinstance(waits, list) else [waits]:
                if each is None:
                    continue
                if not isinstance(each, str) or (
                    each not in self.scope.resources and not self.is_generated
                ):
                    raise self.error(
                        f"there is no resource {each}", f"Resources.{logical_id}.DependsOn"
                    )
                if each in self.resources:
                    graph.add(logical_id, each)
            path = f"Resources.{logical_id}.Properties"
            for named, _, _ in mentions(declared.get("Properties"), path, choose):
                if named in self.resources:
                    graph.add(logical_id, named)
        try:
            graph.prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            raise self.error(
                f"resources that wait for one another: {' -> '.join(circle)}",
                f"Resources.{circle[0]}",
            ) from None

    # What Ref and GetAtt yield (intrinsics.Resources)

    def ref(self, logical_id: str, path: str) -> Evaluated:
        """Return a resource's id, which is its logical id; of an EIP its address."""
        resource = self._there(logical_id, path)
        if resource is None or resource.kind not in PROPERTIES:
            return Unknown(logical_id)
        if resource.kind == EC2 + "EIP":
            return self._provided(resource, "PublicIp")
        return logical_id

    def attribute(self, logical_id: str, name: str, path: str) -> Evaluated:
        """Return a resource's attribute; Unknown where only a deployment has it."""
        resource = self._there(logical_id, path)
        if resource is None or resource.kind not in PROPERTIES:
            said = self.scope.said(f"{logical_id}.{name}")
            return Unknown(f"{logical_id}.{name}") if said is None else said
        self._check_attribute(resource.kind, name, path)
        if name in _OWN_ID.get(resource.kind.removeprefix(EC2), ("Id",)):
            return logical_id
        return self._provided(resource, name)

    def _provided(self, resource: Resource, name: str) -> Evaluated:
        key = (resource.logical_id, name)
        if key not in self._answers:
            provider = self.providers.get((resource.kind.removeprefix(EC2), name))
            if provider is None:
                return Unknown(f"{resource.logical_id}.{name}")
            if key in self._asked:
                raise self.error(f"the attribute {name} depends on itself", resource.path)
            self._asked.add(key)
            self._answers[key] = provider(resource)
            self._asked.discard(key)
        return self._answers[key]

    def _there(self, logical_id: str, path: str) -> Resource | None:
        resource = self.resources.get(logical_id)
        if resource is None:
            if logical_id in self.scope.resources:
                raise self.error(f"{logical_id} is not created: its condition does not hold", path)
            if not self.is_generated:
                raise self.error(f"there is no parameter or resource {logical_id}", path)
        return resource

    # Ids

    def resource_id(self, value: str | Unknown, *kinds: str, path: str) -> str:
        """Return the id that a property at `path` gives: a logical id, or one from outside.

        Raises
        ------
        InputError
            It names a resource of another type.

        """
        text = str(value)
        found = self.resources.get(text)
        if (
            isinstance(value, str)
            and found is not None
            and found.kind in PROPERTIES
            and found.kind.removeprefix(EC2) not in kinds
        ):
            expected = " or ".join(EC2 + kind for kind in kinds)
            raise self.error(f"{text} is {found.kind}, expected {expected}", path)
        return text

    def warn_of_not_modelled(self) -> None:
        """Name each property that was met and is not modelled, and each parameter not given."""
        if self.scope.unsaid:
            self.warn(
                f"parameters without a value, for something outside: {listed(self.scope.unsaid)} "
                "(say them with --parameter NAME=VALUE)"
            )
        for (kind, name), paths in self.not_modelled.items():
            if kind in PROPERTIES:
                self.warn(f"{kind} {name} is not modelled: {listed(paths)}")


def _warn_of_transforms(document: Mapping[str, Value], draft: Draft, source: str) -> bool:
    """Name what only CloudFormation can expand, and tell whether there is any."""
    found: list[str] = []
    transforms = document.get("Transform")
    for each in transforms if isinstance(transforms, list) else [transforms]:
        name = text_of(each.get("Name") if isinstance(each, dict) else each)
        if each is not None and name != _EXTENSIONS:
            found.append(f"Transform {name or '?'}")
    found.extend(sorted(set(_macros(document.get("Resources")))))
    if found:
        text = f"not expanded, what it would add is missing: {listed(found)}"
        draft.warn(f"{source}: {plain(text)}")
    return bool(found)


def _macros(value: Value) -> Iterator[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, list):
            pending.extend(each)
        elif isinstance(each, dict):
            for name, inner in each.items():
                if name == _TRANSFORM or name.startswith(_FOR_EACH):
                    yield name
                pending.append(inner)
