"""`Fault`: what an error of EC2's looks like to a client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: EC2's code, the message with its fields in braces, source, HTTP status."""

    code: str
    message: str
    source: str
    status: int = 400
