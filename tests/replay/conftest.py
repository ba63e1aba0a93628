from pathlib import Path

import pytest

from secgroup.model.network import Network
from tests.support import described

#: Two hosts in two subnets: web is reached by ssh and http, and reaches the database and DNS.
GROUPS = {
    "sg-web": [
        "in tcp/22 203.0.113.0/24",
        "in tcp/80 0.0.0.0/0",
        "out tcp/5432 sg-db",
        "out udp/53 198.51.100.53/32",
    ],
    "sg-db": ["in tcp/5432 sg-web"],
}
INTERFACES = {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"}


@pytest.fixture
def web_and_db(tmp_path: Path) -> Network:
    return described.network(tmp_path, GROUPS, INTERFACES)
