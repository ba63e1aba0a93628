"""The fields of a flow-log record, and the format that chooses among them.

Owns names, versions, types and what is knowable; `aggregate` owns how each value comes about.
Read first: VPC User Guide, Flow log records.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, unique
from functools import cached_property
from typing import Final, TypeAlias

from secgroup.errors import InputError

#: A field's value in one record; None is what AWS writes as `-`.
Value: TypeAlias = str | int | None

#: One record: the values of its format's fields, in the format's order.
Record: TypeAlias = tuple[Value, ...]


@unique
class FieldType(Enum):
    """The type of a field's Parquet column, as the VPC User Guide names it; text has none."""

    STRING = "STRING"
    INT_32 = "INT_32"
    INT_64 = "INT_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field that a record may have.

    Parameters
    ----------
    name : str
        As a format spells it between `${` and `}`.
    version : int or None
        The version of flow logs that brought it; None: it is ours, AWS has no such field.
    meaning : str
        Where the value comes from; for a field that cannot be known, why.
    is_known : bool
        False: always `-`, because nothing in a network or a capture says it.

    """

    name: str
    version: int | None
    type: FieldType
    meaning: str
    is_known: bool = True

    @property
    def column(self) -> str:
        """The name of its Parquet column (Athena User Guide, flow logs in Parquet format)."""
        return self.name.replace("-", "_")


def _text(name: str, version: int | None, meaning: str) -> Field:
    return Field(name=name, version=version, type=FieldType.STRING, meaning=meaning)


def _int32(name: str, version: int, meaning: str) -> Field:
    return Field(name=name, version=version, type=FieldType.INT_32, meaning=meaning)


def _int64(name: str, version: int, meaning: str) -> Field:
    return Field(name=name, version=version, type=FieldType.INT_64, meaning=meaning)


def _unknown(name: str, version: int, reason: str, of: FieldType = FieldType.STRING) -> Field:
    return Field(name=name, version=version, type=of, meaning=reason, is_known=False)


_NO_ECS: Final = "a network does not say which ECS task uses an interface"
_NO_TAGS: Final = "tag keys are chosen per flow log, and a network keeps names only"

#: Every field, in the order of AWS's table; version 6 belongs to transit gateways.
FIELDS: Final = (
    _int32("version", 2, "the highest version among the format's fields, at least 2"),
    _text("account-id", 2, "the owner of the interface, else of its VPC, else of the network"),
    _text("interface-id", 2, "the interface that the packet passed"),
    _text("srcaddr", 2, "the packet's source; on egress an IPv4 source that is none of the "
          "interface's addresses becomes its primary private one"),
    _text("dstaddr", 2, "the packet's destination; on ingress, IPv4, always the interface's "
          "primary private address"),
    _int32("srcport", 2, "the source port; 0 for protocols without ports, - where it is not known"),
    _int32("dstport", 2, "the destination port; 0 and - as for srcport"),
    _int32("protocol", 2, "the IANA number"),
    _int64("packets", 2, "packets of the record, fragments counted one by one"),
    _int64("bytes", 2, "their IP lengths, headers included"),
    _int64("start", 2, "the second of the record's first packet"),
    _int64("end", 2, "the second of the record's last packet"),
    _text("action", 2, "the verdict: ACCEPT or REJECT"),
    _text("log-status", 2, "OK; NODATA: a window without traffic; SKIPDATA: records were lost"),
    _text("vpc-id", 3, "the VPC of the interface"),
    _text("subnet-id", 3, "the subnet of the interface"),
    _text("instance-id", 3, "the instance of the interface; - when AWS manages the interface"),
    _int32("tcp-flags", 3, "FIN 1, SYN 2, RST 4, SYN-ACK 18, of all packets; 0 when none of them "
           "was seen, and for other protocols"),
    _text("type", 3, "IPv4 or IPv6"),
    _text("pkt-srcaddr", 3, "the packet's source, never rewritten"),
    _text("pkt-dstaddr", 3, "the packet's destination, never rewritten"),
    _text("region", 4, "the Region of the interface's zone, else of the network"),
    _text("az-id", 4, "the id of the interface's Availability Zone; - in a sublocation"),
    _text("sublocation-type", 4, "localzone or wavelength, told by the zone's name"),
    _text("sublocation-id", 4, "the id of that zone"),
    _text("pkt-src-aws-service", 5, "of pkt-srcaddr, from the AWS-managed prefix lists that the "
          "network has entries of"),
    _text("pkt-dst-aws-service", 5, "of pkt-dstaddr, likewise"),
    _text("flow-direction", 5, "ingress or egress"),
    _int32("traffic-path", 5, "egress: where the route of the interface's subnet leads"),
    *(
        _unknown(name, 7, _NO_ECS)
        for name in (
            "ecs-cluster-arn", "ecs-cluster-name", "ecs-container-instance-arn",
            "ecs-container-instance-id", "ecs-container-id", "ecs-second-container-id",
            "ecs-service-name", "ecs-task-definition-arn", "ecs-task-arn", "ecs-task-id",
        )
    ),
    _unknown("reject-reason", 8, "only Block Public Access and encryption controls, which a "
             "network does not have, give one"),
    _unknown("resource-id", 9, "only a regional NAT gateway, which has no interface, has one"),
    _unknown("encryption-status", 10, "encryption controls are not modelled", FieldType.INT_32),
    *(
        _unknown(name, 11, _NO_TAGS)
        for name in (
            "instance-tag", "instance-tag-2", "interface-tag", "interface-tag-2",
            "asg-tag", "asg-tag-2",
        )
    ),
    _text("interface-type", 11, "nat_gateway, network_load_balancer, transit_gateway, "
          "vpc_endpoint, else -"),
    _text("next-hop-interface-id", 11, "egress: the interface that receives the packet next; "
          "ingress: the one that sent it; where the route leads to one"),
    _text("next-hop-subnet-id", 11, "the subnet of that interface"),
    _text("next-hop-az-id", 11, "its Availability Zone"),
    _text("next-hop-vpc-id", 11, "its VPC"),
    _text("next-hop-interface-type", 11, "its type, as in interface-type"),
    _text("secgroup-reason", None, "why the first packet got its verdict; when asked for, "
          "packets with different reasons make different records"),
    _text("secgroup-rule-ids", None, "every rule that admitted one of the packets, by commas"),
)  # fmt: skip

FIELD_OF: Final = {field.name: field for field in FIELDS}


@dataclass(frozen=True, kw_only=True)
class Format:
    """The fields of a flow log's records, in their order; at least one, none twice.

    Raises
    ------
    InputError
        No field, or one twice.

    """

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        """Refuse what AWS refuses, and what a Parquet file cannot have."""
        if not self.fields:
            raise InputError(
                "a flow-log format needs at least one field, as in '${srcaddr} ${dstaddr}' "
                "(in a shell inside single quotes)"
            )
        for place, name in enumerate(self.names):
            if name in self.names[:place]:
                raise InputError(f"the flow-log field {name} stands twice")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def version(self) -> int:
        """What the field `version` says: the highest version among the fields, at least 2."""
        return max(field.version or 2 for field in self.fields)

    def __contains__(self, name: str) -> bool:
        """Tell whether a field is among these."""
        return name in self.names

    def __str__(self) -> str:
        """Write the format as AWS spells it."""
        return " ".join(f"${{{name}}}" for name in self.names)


#: What a flow log without a format of its own has: the fields of version 2, in their order.
DEFAULT_FORMAT: Final = Format(fields=tuple(field for field in FIELDS if field.version == 2))


def format_of(names: Iterable[str]) -> Format:
    """Make a format of the names of fields.

    Raises
    ------
    InputError
        A name that is no field, a field twice, or none at all.

    """
    return Format(fields=tuple(_field_named(name) for name in names))


def parse_format(text: str) -> Format:
    """Read a format as AWS spells it: `${version} ${account-id} ...`, in any order.

    Raises
    ------
    InputError
        A word that is not `${field}`, a name that is no field, a field twice, or none at all.

    """
    words = text.split()
    for word in words:
        if not (word.startswith("${") and word.endswith("}")):
            raise InputError(
                f"{word!r} is not a flow-log field (expected fields like ${{srcaddr}}, separated "
                "by spaces; in a shell inside single quotes)"
            )
    return format_of(word[2:-1] for word in words)


def _field_named(name: str) -> Field:
    if name in FIELD_OF:
        return FIELD_OF[name]
    import difflib

    near = difflib.get_close_matches(name.lower().replace("_", "-"), FIELD_OF, n=1)
    hint = f"; the nearest is {near[0]}" if near else ", as in AWS's table of available fields"
    raise InputError(f"{name!r} is not a field of flow logs{hint}")
