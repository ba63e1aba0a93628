"""Public IPv4 addresses of a template: elastic ones, and those that new interfaces get."""

from ipaddress import IPv4Address

from secgroup.model.interface import NetworkInterface
from secgroup.model.route import ElasticAddress
from secgroup.net.address import Address
from secgroup.sources.cfn_addresses import derive_public
from secgroup.sources.cfn_item import Item, known_ipv4
from secgroup.sources.cfn_plan import Planned
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.parameters import Unknown


def is_public(item: Item) -> bool:
    """Tell whether a NAT gateway translates to an elastic address."""
    return str(item.text("ConnectivityType") or "public").lower() == "public"


class PublicAddresses:
    """The public addresses of a stack.

    Parameters
    ----------
    given : dict of str to list of Address
        What a person has said.

    """

    def __init__(self, stack: Stack, given: dict[str, list[Address]]) -> None:
        self._stack = stack
        self._given = given
        self._public: dict[str, IPv4Address] = {}
        stack.providers[("EIP", "PublicIp")] = lambda eip: str(self.of_elastic(eip))
        stack.providers[("EIP", "AllocationId")] = lambda eip: eip.logical_id

    def of_elastic(self, resource: Resource) -> IPv4Address:
        """Return the address of an EIP: the one that is said, or a derived one."""
        if resource.logical_id not in self._public:
            item = resource.properties
            for name in ("Address", "TransferAddress"):
                value = item.text(name)
                if value is not None and not isinstance(value, Unknown):
                    self._public[resource.logical_id] = known_ipv4(item, value, name)
                    return self._public[resource.logical_id]
            given = self._given.get(resource.logical_id, [])
            if given and isinstance(given[0], IPv4Address):
                self._public[resource.logical_id] = given[0]
            else:
                self.derived(resource.logical_id)
        return self._public[resource.logical_id]

    def derived(self, key: str) -> IPv4Address:
        """Return the derived address of what `key` names."""
        if key not in self._public:
            self._public[key] = derive_public(key, set(self._public.values()))
        return self._public[key]

    def associate(self, planned: dict[str, Planned], primary: dict[str, str]) -> None:
        """Give the interfaces their elastic addresses.

        Parameters
        ----------
        planned : dict of str to Planned
            The interfaces by id.
        primary : dict of str to str
            Instance -> its primary interface.

        Raises
        ------
        InputError
            An association is incomplete.

        """
        for resource in self._stack.of("EIP"):
            instance_id = resource.properties.id_of("InstanceId", "Instance")
            if instance_id is not None:
                holder = primary.get(instance_id)
                _give(planned.get(holder or ""), None, self.of_elastic(resource))
        for resource in self._stack.of("EIPAssociation"):
            item = resource.properties
            private = item.text("PrivateIpAddress")
            _give(
                planned.get(self._holder(item, primary) or ""),
                None if private is None else known_ipv4(item, private, "PrivateIpAddress"),
                self._associated(item),
            )
        for resource in self._stack.of("NatGateway"):
            if resource.logical_id in planned and is_public(resource.properties):
                self._associate_nat_gateway(resource, planned[resource.logical_id])

    def _holder(self, item: Item, primary: dict[str, str]) -> str | None:
        interface_id = item.id_of("NetworkInterfaceId", "NetworkInterface")
        if interface_id is not None:
            return interface_id
        instance_id = item.id_of("InstanceId", "Instance")
        if instance_id is not None:
            return primary.get(instance_id)
        raise item.error("expected one of NetworkInterfaceId and InstanceId")

    def _associated(self, item: Item) -> IPv4Address | None:
        allocation_id, address = item.id_of("AllocationId", "EIP"), item.text("EIP")
        if allocation_id is not None:
            return self._allocated(allocation_id)
        if address is None:
            raise item.error("expected one of AllocationId and EIP")
        return None if isinstance(address, Unknown) else known_ipv4(item, address, "EIP")

    def _associate_nat_gateway(self, resource: Resource, planned: Planned) -> None:
        item = resource.properties
        allocation_id = item.id_of("AllocationId", "EIP")
        public = None if allocation_id is None else self._allocated(allocation_id)
        _give(planned, None, public or self.derived(resource.logical_id))
        secondary = planned.wanted.ipv4[1:]
        for private, each in zip(
            secondary, item.ids_of("SecondaryAllocationIds", "EIP"), strict=False
        ):
            if private is not None:
                _give(planned, private, self._allocated(each))

    def _allocated(self, allocation_id: str) -> IPv4Address | None:
        """Return the public address of an allocation; None for an unknown one."""
        if allocation_id in self._stack.resources:
            return self.of_elastic(self._stack.resources[allocation_id])
        known = self._stack.draft.of(ElasticAddress).get(allocation_id)
        return None if known is None else known.public_ip

    def add(self, resource: Resource, placed: dict[str, NetworkInterface]) -> None:
        """Add an EIP as a noun, with the interface that it belongs to."""
        public = self.of_elastic(resource)
        holder = next(
            (
                (interface.interface_id, private.address)
                for interface in placed.values()
                for private in interface.ipv4
                if private.public == public
            ),
            (None, None),
        )
        noun = ElasticAddress(
            public_ip=public,
            allocation_id=resource.logical_id,
            interface_id=holder[0],
            private_ip=holder[1],
            names=resource.properties.names,
        )
        self._stack.draft.add(noun, source=self._stack.source, path=resource.path)


def _give(planned: Planned | None, private: IPv4Address | None, public: IPv4Address | None) -> None:
    """Note an elastic address; None for `private` is the primary address."""
    if planned is not None and public is not None:
        planned.elastic[private] = public
