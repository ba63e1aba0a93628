"""`/_secgroup/devices`: asked through our own client, at a door that checks who asks."""

import json
from collections.abc import Iterator

import pytest

from secgroup.api.auth import Credential
from secgroup.api.client import ask
from secgroup.control.devices import DeviceFollower
from secgroup.errors import InputError
from tests.support.before import Before
from tests.support.served import Served, served
from tests.support.worlds import ACCOUNT

PATH = "/_secgroup/devices"
KEY = Credential(
    access_key="AKIAADA", secret_key="s", session_token=None, account_id=ACCOUNT, user="ada"
)


@pytest.fixture
def server() -> Iterator[Served]:
    plane = Before()
    with served(credentials={"AKIAADA": KEY}, devices=plane, gauges=lambda: "more 1\n") as found:
        found.endpoint.follower = DeviceFollower(plane)
        yield found


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAADA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def interface_of(server: Served) -> str:
    client = server.client(key="AKIAADA", secret="s")
    subnet = client.describe_subnets()["Subnets"][0]["SubnetId"]
    made = client.create_network_interface(SubnetId=subnet)
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def test_device_is_attached_listed_and_detached(server: Served) -> None:
    interface_id = interface_of(server)
    asked = {
        "interface_id": interface_id,
        "device": "veth0",
        "netns": "a",
        "mac": "02:00:00:00:00:01",
    }
    made = ask(server.url, "POST", PATH, asked)
    (told,) = made["devices"]
    assert ask(server.url, "GET", PATH) == made
    assert told.pop("group_ids")
    assert told == {**asked, "state": "attached"}
    assert ask(server.url, "DELETE", PATH, {"interface_id": interface_id}) == {"devices": []}


def test_who_has_no_key_may_not_come_in(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(InputError, match="signature"):
        ask(server.url, "GET", PATH)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="Authentication Token"):
        ask(server.url, "GET", PATH)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b'{"interface_id": "\\ud800"}', "interface_id: expected printable text"),
        (b'{"interface_id": "eni-1", "device": "tap\\u0000"}', "device: expected printable text"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "expected {"),
        (b"{}", "interface_id: is missing"),
        (b'{"interface_id": 1}', "interface_id: expected text"),
        (b'{"interface_id": "eni-1", "colour": "red"}', "colour: expected interface_id"),
        (b'{"interface_id": "eni-1", "live": "yes"}', "live: expected true or false"),
        (b'{"interface_id": "eni-1"}', "device: is missing"),
        (b'{"interface_id": "eni-1", "device": "a/b"}', "no name of a network device"),
        (b'{"interface_id": "eni-1", "device": "a", "mac": "x"}', "not a MAC address"),
        (b'{"interface_id": "eni-1", "device": "a"}', "eni-1: is no interface"),
    ],
)
def test_what_is_no_device_is_refused_in_one_line(body: bytes, words: str) -> None:
    with served(devices=Before()) as server:
        status, answer = server.ask("POST", PATH, body)
    message = json.loads(answer)["error"]
    assert status == 400
    assert words in message
    assert "\n" not in message


def test_plane_that_cannot_have_a_device_says_so(server: Served) -> None:
    interface_id = interface_of(server)
    with pytest.raises(InputError, match="before: busy: is another's"):
        ask(server.url, "POST", PATH, {"interface_id": interface_id, "device": "busy"})
    assert ask(server.url, "GET", PATH) == {"devices": []}


def test_plane_without_devices_says_which_has_them() -> None:
    with served() as server, pytest.raises(InputError, match="serve --plane bpf"):
        ask(server.url, "GET", PATH)


def test_client_says_when_nobody_answers() -> None:
    with pytest.raises(InputError, match="expected a running secgroup serve"):
        ask("http://127.0.0.1:1", "GET", PATH)
    with pytest.raises(InputError, match="expected http"):
        ask("file:///etc/passwd", "GET", "")


def test_page_of_metrics_has_what_the_plane_counts(server: Served) -> None:
    status, page = server.get("/metrics")
    assert status == 200
    assert page.endswith(b"more 1\n")
