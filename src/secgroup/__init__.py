"""AWS security groups as real software: every packet decided as AWS would, and why.

The public names are loaded when they are first used, so that `import secgroup` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from secgroup.engine.engine import Engine
    from secgroup.errors import InputError, SecgroupError
    from secgroup.net.capture import read_capture
    from secgroup.reference.explain import explain
    from secgroup.reference.memory import Switches
    from secgroup.replay.firewall import Firewall
    from secgroup.sources.load import load

#: Each public name and the module that it comes from.
_PUBLIC: Final = {
    "Engine": "secgroup.engine.engine",
    "Firewall": "secgroup.replay.firewall",
    "InputError": "secgroup.errors",
    "SecgroupError": "secgroup.errors",
    "Switches": "secgroup.reference.memory",
    "explain": "secgroup.reference.explain",
    "load": "secgroup.sources.load",
    "read_capture": "secgroup.net.capture",
}

__all__ = [
    "Engine",
    "Firewall",
    "InputError",
    "SecgroupError",
    "Switches",
    "explain",
    "load",
    "read_capture",
]


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
