"""botocore's models of the services that are spoken, each loaded once; the only way to a shape.

botocore is pinned exactly, and only the models that it ships are read: those that a user keeps in
`~/.aws/models` are for that user's clients. Knows nothing of what an operation does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from secgroup.errors import InputError

#: A shape, an operation's model, a service's model: botocore declares no types.
Shape = Any
OperationModel = Any
ServiceModel = Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Service:
    """One service: what its requests and answers look like.

    Parameters
    ----------
    name : str
        As a credential scope names it.
    version : str
        The one that is spoken: `Version` of its requests.
    protocol : str
        botocore's name of how it is spelled on the wire.
    namespace : str
        Of the XML of its answers.
    model : botocore.model.ServiceModel

    """

    name: str
    version: str
    protocol: str
    namespace: str
    model: ServiceModel

    @property
    def operations(self) -> Collection[str]:
        """The names of every operation of the service, served or not."""
        names: Collection[str] = self.model.operation_names
        return names

    def operation(self, name: str) -> OperationModel:
        """Return the model of one of `operations`."""
        return self.model.operation_model(name)


def _load(name: str, version: str) -> Service:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel as Model

    loader = Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
    )
    model = Model(loader.load_service_model(name, "service-2", version), name)
    return Service(
        name=name,
        version=version,
        protocol=model.metadata["protocol"],
        namespace=model.metadata["xmlNamespace"],
        model=model,
    )


@cache
def ec2() -> Service:
    """Return the model of EC2."""
    return _load("ec2", "2016-11-15")


@cache
def sts() -> Service:
    """Return the model of STS."""
    return _load("sts", "2011-06-15")


#: Version -> the service that has it; clients say no more about what they speak.
SERVICES: Final = {"2016-11-15": ec2, "2011-06-15": sts}


def shaped(kind: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource without what is no member of the shape that its kind is named by.

    Raises
    ------
    InputError
        A member's value is not of its shape.

    """
    from botocore.validate import ParamValidator

    shape = ec2().model.shape_for(kind)
    kept = {name: value for name, value in resource.items() if name in shape.members}
    report = ParamValidator().validate(kept, shape)
    if report.has_errors():
        raise InputError(report.generate_report().splitlines()[0], source=kind)
    return kept
