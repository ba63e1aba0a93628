"""Which operations are served, and by which function: the dispatch table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from secgroup.control import flow_logs, security_groups
from secgroup.control.endpoint import Operation

#: EC2's name of each operation that is served.
OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        **flow_logs.OPERATIONS,
        **security_groups.OPERATIONS,
    }
)
