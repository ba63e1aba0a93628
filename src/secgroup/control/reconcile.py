"""`Reconciler`: the plane follows the state, change by change."""

from collections.abc import Collection, Mapping

from secgroup.control.networks import Networks
from secgroup.control.state import Changed, State
from secgroup.dataplane.base import DataPlane, converge
from secgroup.model.network import Network


class Reconciler:
    """Makes a plane enforce what the state means, before a change is acknowledged.

    Parameters
    ----------
    state : State
        What the plane is made to enforce at once, whatever it enforced before.
    plane : DataPlane

    Raises
    ------
    DataPlaneError
        The plane cannot enforce the state as it is.

    """

    def __init__(self, state: State, plane: DataPlane) -> None:
        self.networks = Networks(state)
        self._plane = plane
        self._next: Mapping[str, Network] = {}
        converge(plane, {region: self.networks[region] for region in self.networks.regions()})

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:  # noqa: ARG002
        """Find out whether the changes can be enforced; see `Follower`.

        Raises
        ------
        DataPlaneError
            They cannot; nothing is different.

        """
        self._next = self.networks.after(changes)
        self._plane.prepare(self._next)

    def commit(self) -> None:
        """Enforce what was prepared."""
        self._plane.commit()
        self.networks.keep(self._next)
        self._next = {}

    def abandon(self) -> None:
        """Forget what was prepared."""
        self._plane.abandon()
        self._next = {}
