"""Which plane `secgroup serve` feeds, and how the plane and the flow logs follow the state.

Owns the choice; what a plane does, `dataplane` knows.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from secgroup.decision.switches import Switches
from secgroup.errors import InputError

if TYPE_CHECKING:
    from secgroup.api.app import Plane
    from secgroup.control.delivery import Delivery
    from secgroup.control.endpoint import Endpoint
    from secgroup.dataplane.base import Devices

PLANES: Final = ("batch", "bpf")
#: How often what flow logs have finished is written.
FLOW_LOG_SECONDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the options say of the plane.

    Parameters
    ----------
    pins : Path or None
        Where the kernel's plane is pinned; None is the default.
    allowance : int or None
        How many connections each owner may have.
    connections : int or None
        How many connections the kernel's table has room for, when it is made.

    """

    plane: str
    pins: Path | None
    allowance: int | None
    connections: int | None


_OPTIONS: Final = (
    click.option(
        "--plane",
        type=click.Choice(PLANES),
        default="batch",
        show_default=True,
        help="What enforces the rules: this process when it is asked, or the kernel.",
    ),
    click.option(
        "--pins",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Where the kernel's plane is pinned.  [default: /sys/fs/bpf/secgroup]",
    ),
    click.option(
        "--connections",
        metavar="N",
        type=click.IntRange(1, 1 << 26),
        help="How many connections a new table of the kernel's has room for.  [default: 262144]",
    ),
    click.option(
        "--allowance",
        metavar="N",
        type=click.IntRange(0),
        help="How many connections each instance may have.  [default: any number]",
    ),
)


def plane_choice(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the plane, which a command is given as `chosen`."""

    @wraps(function)
    def command(
        *,
        plane: str,
        pins: Path | None,
        connections: int | None,
        allowance: int | None,
        **others: object,
    ) -> None:
        chosen = Chosen(plane=plane, pins=pins, allowance=allowance, connections=connections)
        function(chosen=chosen, **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What the server is told of its plane."""

    plane: "Plane | None" = None
    devices: "Devices | None" = None
    gauges: Callable[[], str] = lambda: ""


def follow(
    endpoint: "Endpoint", chosen: Chosen, folder: Path | None, stack: ExitStack
) -> Following:
    """Let the chosen plane, and the delivery of flow logs, follow the state.

    Parameters
    ----------
    folder : Path or None
        Where flow logs are written.
    stack : ExitStack
        Ends what is begun here.

    Raises
    ------
    DataPlaneError
        The plane cannot be had, or cannot enforce the state.

    """
    delivery = None if folder is None else _delivered(endpoint, folder, stack)
    if chosen.plane == "batch":
        return _follow_batch(endpoint, chosen, delivery)
    return _follow_bpf(endpoint, chosen, delivery, stack)


def _delivered(endpoint: "Endpoint", folder: Path, stack: ExitStack) -> "Delivery":
    """Return the delivery of flow logs, which writes what has finished until the stack ends."""
    from secgroup.api.ticker import ticking
    from secgroup.control.delivery import Delivery

    delivery = Delivery(folder, warn)
    delivery.take(endpoint.state)
    stack.callback(lambda: delivery.close(datetime.now(UTC)))
    stack.enter_context(ticking(delivery.tick, seconds=FLOW_LOG_SECONDS))
    return delivery


def _follow_batch(endpoint: "Endpoint", chosen: Chosen, delivery: "Delivery | None") -> Following:
    from secgroup.api.questions import PlaneQuestions
    from secgroup.control.followers import Followers
    from secgroup.control.reconcile import Reconciler
    from secgroup.dataplane.batch import BatchPlane

    if chosen.pins is not None or chosen.connections is not None:
        raise InputError("--pins and --connections: expected --plane bpf too")
    listener = None if delivery is None else delivery.hear
    plane = BatchPlane(listener, switches=Switches(allowance=chosen.allowance))
    reconciler = Reconciler(endpoint.state, plane)
    endpoint.follower = reconciler if delivery is None else Followers((reconciler, delivery))
    return Following(plane=PlaneQuestions(plane))


def _follow_bpf(
    endpoint: "Endpoint", chosen: Chosen, delivery: "Delivery | None", stack: ExitStack
) -> Following:
    from secgroup.control.devices import DeviceFollower, devices_of
    from secgroup.control.followers import Followers
    from secgroup.control.reconcile import Reconciler
    from secgroup.dataplane.bpf.agent import Agent
    from secgroup.dataplane.bpf.pins import ROOT, Pins

    sizes = {} if chosen.connections is None else {"connections": chosen.connections}
    agent = Agent(
        Pins(ROOT if chosen.pins is None else chosen.pins, sizes=sizes),
        devices_of(endpoint.state),
        switches=Switches(allowance=chosen.allowance),
        records=delivery,
        tell=warn,
    )
    stack.callback(agent.close)
    reconciler = Reconciler(endpoint.state, agent)
    agent.start()
    devices = DeviceFollower(agent)
    endpoint.follower = Followers(
        (reconciler, devices) if delivery is None else (reconciler, delivery, devices)
    )
    return Following(devices=agent, gauges=agent.page)


def warn(problem: str) -> None:
    """Tell the operator of something that goes on."""
    click.echo(f"warning: {problem}", err=True)
