"""The errors of the package: what a caller may meet, and what each one carries.

A packet never raises: bad bytes on the wire are a decision with a reason. Errors are for
people who gave us something that we cannot use, and for our own mistakes.
"""


class SecgroupError(Exception):
    """The root of every error that this package raises on purpose; never raised itself."""


class InputError(SecgroupError):
    """What was given cannot be used: one line that says where, what, and what was expected.

    Parameters
    ----------
    problem : str
        What is wrong, and what was expected instead.
    source : str, optional
        The file, option or argument that it stands in.
    path : str, optional
        The place inside the source: `Resources.Web.Properties.GroupId`, `byte 1234`.

    """

    def __init__(self, problem: str, *, source: str | None = None, path: str | None = None) -> None:
        super().__init__(": ".join(part for part in (source, path, problem) if part is not None))
        self.problem = problem
        self.source = source
        self.path = path


class CaptureError(InputError):
    """A capture is damaged from `offset` on; what came before it has been read.

    Parameters
    ----------
    offset : int
        Byte offset (after decompression) of the first byte that could not be used.

    """

    def __init__(self, problem: str, *, source: str | None = None, offset: int) -> None:
        super().__init__(problem, source=source, path=f"byte {offset}")
        self.offset = offset


class AmbiguousAddressError(InputError):
    """An address that several VPCs have, and nothing that says which is meant."""


class OutputError(SecgroupError):
    """A result could not be written; nothing half-written is left."""


class InternalError(SecgroupError):
    """We are wrong: an invariant of ours does not hold."""


class Ec2Error(SecgroupError):
    """EC2 would refuse the request; nothing has changed.

    Parameters
    ----------
    fault : str
        Which fault, as `api/errors.py` names it; code, HTTP status and message are there.
    **fields
        What the message says besides: ids, names, numbers.

    """

    def __init__(self, fault: str, **fields: object) -> None:
        super().__init__(", ".join([fault, *(f"{key}={value}" for key, value in fields.items())]))
        self.fault = fault
        self.fields = fields


class DataPlaneError(SecgroupError):
    """A plane cannot enforce something; what was in force before still is.

    Parameters
    ----------
    plane : str
        Which plane.
    subject : str
        What it cannot enforce: an interface, a table.
    cause : str
        Why not, and what was expected.

    """

    def __init__(self, plane: str, subject: str, cause: str) -> None:
        super().__init__(f"{plane}: {subject}: {cause}")
        self.plane = plane
        self.subject = subject
        self.cause = cause
