import json

import pytest

from secgroup import InputError, load
from tests.support.networks import every_noun


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "network.json"
    path.write_text(json.dumps(every_noun()))
    return path


def test_host_adds_an_interface_in_the_subnet_of_its_address(base):
    network = load(base, hosts=["laptop=10.0.2.9,web,sg-0b", "v6=2001:db8:1:1::9,sg-0a"])
    host = network.interfaces["laptop"]
    assert (host.subnet_id, host.group_ids) == ("subnet-0b", ("sg-0a", "sg-0b"))
    assert [str(each) for each in host.addresses] == ["10.0.2.9"]
    assert network.interfaces["v6"].subnet_id == "subnet-0a"


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("laptop", "expected NAME=ADDRESS,sg-...[,subnet-...]"),
        ("=10.0.2.9,sg-0a", "expected NAME=ADDRESS,sg-...[,subnet-...]"),
        ("laptop=10.0.2.9", "expected NAME=ADDRESS,sg-...[,subnet-...]"),
        ("laptop=10.0.2.9,", "expected NAME=ADDRESS,sg-...[,subnet-...]"),
        ("laptop=ten,sg-0a", "'ten' is not an IPv4 or IPv6 address"),
        ("laptop=10.0.2.9,subnet-0b", "no security group (expected at least one)"),
        ("laptop=10.0.2.9,nobody", "nobody is no security group (expected one, or its id)"),
        ("laptop=10.0.9.9,sg-0a", "10.0.9.9 is not in any subnet of the network"),
        ("laptop=10.0.2.9,sg-0a,subnet-0a", "10.0.2.9 is not in subnet-0a"),
        ("laptop=10.0.2.9,sg-0a,subnet-0z", "subnet-0z is not in the network"),
        ("laptop=10.0.2.9,sg-0a,subnet-0a,subnet-0b", "two subnets (expected one)"),
        ("eni-0a=10.0.2.9,sg-0a", "eni-0a is an interface of the network already"),
        ("laptop=10.0.1.5,sg-0a", "10.0.1.5 belongs to eni-0a"),
    ],
)
def test_host_that_cannot_be_added_is_refused(base, host, problem):
    with pytest.raises(InputError) as caught:
        load(base, hosts=[host])
    assert str(caught.value) == f"--host {host}: {problem}"
