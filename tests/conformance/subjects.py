"""Every subject: its name in docs/supported.md, what the machine must have for it, what it is."""

from tests.conformance.kernel import InKernel
from tests.conformance.subject import Compiled, Embedded, Reference

SUBJECTS = {
    "definition": (Reference, (), "`reference/decide.py`"),
    "engine": (Compiled, (), "the same, compiled"),
    "batch": (Embedded, (), "the plane of `secgroup serve` that is asked what a packet would meet"),
    "bpf": (InKernel, ("root", "bpf"), "the kernel's program, by test runs of single frames"),
}
