#!/usr/bin/env python3
"""Record `traffic.pcapng.gz`: real programs that talk over the network of `network.yaml`.

Every host is a network namespace with the addresses of the template; a namespace `vpc` routes
between the subnets as the VPC does, translates at the internet gateway, and sends what the web
servers say to the internet through a NAT gateway. Nothing filters: the capture holds what was
sent, and deciding it is the replay's work.

Everything lives in namespaces of its own (network, mounts, processes) that the kernel takes
away with the script, however it ends. Needs root on Linux, and: iproute2, nftables, dumpcap
and reordercap (wireshark-common), curl, ping, dig (bind9-dnsutils), nmap, OpenSSH and PostgreSQL.

    sudo examples/three-tier/record.py
"""

import argparse
import gzip
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from topology import (
    BASTION,
    BLOCKED,
    DB,
    HOSTS,
    LB,
    MIRROR,
    MIRROR_6,
    NAMES,
    OFFICE,
    RESOLVER,
    SCANNER,
    SCANNER_6,
    VISITOR,
    VISITOR_6,
    WEB_1,
    WEB_2,
    build_internet,
    build_vpc,
    run,
    translate,
)

HERE = Path(__file__).resolve().parent
WORK = Path("/run/work")  # on a mount of our own, see `enter_own_namespaces`
SNAP_LENGTH = 128
IDLE_S = 66  # longer than the TcpEstablishedTimeout of the database's interface
PROGRAMS = (
    "ip",
    "nft",
    "ss",
    "dumpcap",
    "reordercap",
    "curl",
    "ping",
    "dig",
    "nmap",
    "ssh",
    "ssh-keygen",
    "psql",
    "runuser",
)
#: Thirty ports that scanners try first.
SCANNED = (
    "21-23,25,53,80,81,110,111,135,139,143,443,445,587,993,995,1433,1521,2049,2375,3306,3389,"
    "5432,5900,6379,8080,8443,9200,27017"
)


def start(namespace: str, command: str | Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command in a network namespace; it ends at the latest when this script does."""
    words = command.split() if isinstance(command, str) else list(command)
    log = (WORK / f"{namespace}-{Path(words[0]).name}.log").open("ab")
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def finish(program: subprocess.Popen[bytes]) -> None:
    """Wait for a program that ends by itself, and insist that it went well."""
    if program.wait(timeout=120) != 0:
        logs = "".join(path.read_text(errors="replace") for path in sorted(WORK.glob("*.log")))
        sys.exit(f"{program.args}: exit {program.returncode}\n{logs}")


# ----------------------------------------------------------------------- the programs


def start_servers() -> None:
    """Start everything that listens, and wait until it does."""
    site = WORK / "site"
    site.mkdir()
    (site / "index.html").write_text(
        "<h1>The shop</h1>\n" + "<p>A thing, and its price.</p>\n" * 100
    )
    programs = [sys.executable, str(HERE / "programs.py")]
    for web in (WEB_1, WEB_2):
        serve = [sys.executable, "-m", "http.server", "8080", "--bind", "::", "--directory"]
        start(web.name, [*serve, str(site)])
    start(LB.name, [*programs, "balancer", WEB_1.address, WEB_2.address])
    start("internet", [*programs, "mirror"])
    start("internet", [*programs, "names", NAMES, MIRROR])
    start("vpc", [*programs, "names", RESOLVER, DB.address])
    _start_ssh()
    _start_database()
    for namespace, port in (
        (LB.name, 80),
        (WEB_1.name, 8080),
        (WEB_2.name, 8080),
        ("internet", 80),
        (LB.name, 22),
        (BASTION.name, 22),
        (WEB_1.name, 22),
        (DB.name, 5432),
    ):
        _wait_for_listener(namespace, port)


def _wait_for_listener(namespace: str, port: int) -> None:
    command = f"ip netns exec {namespace} ss -Hltn sport = {port}".split()
    until = time.monotonic() + 20
    while not subprocess.run(command, check=True, capture_output=True).stdout:
        if time.monotonic() > until:
            sys.exit(f"{namespace}: nothing listens on port {port}")
        time.sleep(0.1)


def _start_ssh() -> None:
    for key in ("host_key", "user_key"):
        run("vpc", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(WORK / key)])
    Path("/run/sshd").mkdir(exist_ok=True)
    (WORK / "sshd_config").write_text(
        f"HostKey {WORK}/host_key\nAuthorizedKeysFile {WORK}/user_key.pub\n"
        "StrictModes no\nUsePAM no\nUseDNS no\nPidFile none\nPermitRootLogin prohibit-password\n"
    )
    (WORK / "ssh_config").write_text(
        f"Host *\n  User root\n  IdentityFile {WORK}/user_key\n  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  ConnectTimeout 10\n"
        f"Host bastion\n  HostName {BASTION.public_address}\n  BindAddress {OFFICE}\n"
        f"Host inner-*\n  ProxyJump bastion\n"
        f"Host inner-web-1\n  HostName {WEB_1.address}\n"
        f"Host inner-lb\n  HostName {LB.address}\n"
    )
    for host in (BASTION, WEB_1, LB):
        start(host.name, f"/usr/sbin/sshd -D -e -f {WORK}/sshd_config")


def _start_database() -> None:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    cluster = WORK / "postgresql"
    cluster.mkdir()
    shutil.chown(cluster, "postgres", "postgres")
    postgres = ["runuser", "-u", "postgres", "--"]
    initdb = [str(programs / "initdb"), "-D", str(cluster), "-A", "trust", "--no-sync"]
    run(DB.name, [*postgres, *initdb], cwd="/")
    with (cluster / "pg_hba.conf").open("a") as hba:
        hba.write("host all all 10.20.0.0/16 trust\nhost all all 2001:db8:20::/56 trust\n")
    options = {"listen_addresses": "*", "unix_socket_directories": str(cluster), "fsync": "off"}
    settings = [f"--{name}={value}" for name, value in options.items()]
    start(DB.name, [*postgres, str(programs / "postgres"), "-D", str(cluster), *settings])
    _wait_for_listener(DB.name, 5432)
    create = "create table orders as select n, md5(n::text) as item from generate_series(1, 40) n"
    run(DB.name, [*postgres, "psql", "-q", "-h", str(cluster), "-c", create], cwd="/")


# ------------------------------------------------------------------ the conversations


def psql(host: str, *arguments: str) -> list[str]:
    """Return the command line of a session with the database at this address."""
    return ["psql", "-q", *arguments, f"user=postgres sslmode=disable host={host}"]


def start_long_conversations() -> list[subprocess.Popen[bytes]]:
    """Start what lasts longer than a connection table remembers."""
    (WORK / "pool.sql").write_text(
        f"select count(*) from orders;\n\\! sleep {IDLE_S}\nselect * from orders limit 5;\n"
    )
    pool = ["-f", str(WORK / "pool.sql")]
    kept_alive = f"{DB.address_6} keepalives_idle=20 keepalives_interval=20"
    # Names of servers far away take their time: the answer comes when UDP is forgotten.
    slow = f"dig +noedns +tries=1 +timeout=60 @{NAMES} slow.example.com"
    return [
        start(WEB_1.name, psql(DB.address, *pool)),
        start(WEB_2.name, psql(kept_alive, *pool)),
        start(WEB_1.name, slow),
    ]


def visit() -> None:
    """Customers, on IPv4 and IPv6, and one who is blocked; pings, whole and in fragments."""
    curl = "curl -sS --fail -o /dev/null --interface"
    shop, shop_6 = f"http://{LB.public_address}/", f"http://[{LB.address_6}]/"
    for _ in range(4):
        run("internet", f"{curl} {VISITOR} {shop}")
    for _ in range(2):
        run("internet", f"{curl} {VISITOR_6} {shop_6}")
    run("internet", f"{curl} {BLOCKED} {shop}")
    for size in (56, 4000):
        run("internet", f"ping -c 2 -i 0.3 -s {size} -I {VISITOR} {LB.public_address}")
        run("internet", f"ping -c 3 -i 0.3 -s {size} -I {VISITOR_6} {LB.address_6}")
    # Nothing listens on 443 yet: the host itself refuses.
    run("internet", f"{curl} {VISITOR} https://{LB.public_address}/", check=False)


def serve() -> None:
    """The web servers: the database, names, and a mirror on the internet."""
    query = ["-c", "select * from orders where n < 20"]
    run(WEB_1.name, psql(DB.address, *query))
    run(WEB_2.name, psql(DB.address_6, *query))
    for web in (WEB_1, WEB_2):
        run(web.name, f"dig +noedns @{RESOLVER} db.shop.internal")
        run(web.name, f"dig +noedns @{NAMES} mirror.example.com")
    # Nobody answers names there: an ICMP error about a flow.
    run(WEB_1.name, f"dig +noedns +tries=1 +timeout=2 @{MIRROR} example.com", check=False)
    (WORK / "report").write_bytes(b"report " * 900)
    for host, mirror in ((WEB_1, MIRROR), (WEB_2, f"[{MIRROR_6}]")):
        run(host.name, f"curl -sS --fail -o /dev/null http://{mirror}/package")
        # Uploads meet the narrow link: "fragmentation needed" and "packet too big".
        run(host.name, f"curl -sS --fail -T {WORK}/report http://{mirror}/report")


def operate() -> None:
    """Operators: in through the bastion, and what they may not do from there."""
    for host in ("bastion", "inner-web-1", "inner-lb"):
        run("internet", f"ssh -F {WORK}/ssh_config {host} uptime")
    run(BASTION.name, psql(DB.address, "-c", "copy orders to stdout"))


def intrude() -> None:
    """A stranger's scans, and a web server that somebody has taken over."""
    scan = "nmap -n -Pn --max-retries 0 --host-timeout 20s"
    run("internet", f"{scan} -sS -p {SCANNED} -S {SCANNER} -e eth0 {BASTION.public_address}")
    run("internet", f"{scan} -6 -sS -p 22,5432 -S {SCANNER_6} -e eth0 {DB.address_6}")
    run(WEB_1.name, f"ssh -F {WORK}/ssh_config {BASTION.address} uptime")
    run(WEB_1.name, f"ping -c 2 -i 0.3 -s 4000 {DB.address}")


def record(capture: Path) -> None:
    """Capture at every host's interface while the conversations run."""
    build_vpc()
    build_internet()
    translate()
    start_servers()
    # A session that is older than the capture.
    old = start("internet", f"ssh -F {WORK}/ssh_config bastion uptime; sleep 8; uptime")
    time.sleep(2)
    unsorted = WORK / "unsorted.pcapng"
    interfaces = [word for host in HOSTS for word in ("-i", host.name)]
    dumpcap = start(
        "vpc", ["dumpcap", "-q", "-s", str(SNAP_LENGTH), "-w", str(unsorted), *interfaces]
    )
    until = time.monotonic() + 20
    while not unsorted.exists() or unsorted.stat().st_size == 0:
        if time.monotonic() > until or dumpcap.poll() is not None:
            sys.exit("dumpcap does not capture:\n" + (WORK / "vpc-dumpcap.log").read_text())
        time.sleep(0.1)
    time.sleep(1)
    long = [*start_long_conversations(), old]
    for conversation in (visit, serve, operate, intrude):
        print(f"  {conversation.__doc__}", file=sys.stderr)
        conversation()
        time.sleep(1)
    print(f"  Waiting for those that idle {IDLE_S} seconds.", file=sys.stderr)
    for program in long:
        finish(program)
    time.sleep(2)
    dumpcap.terminate()
    finish(dumpcap)
    # dumpcap writes what it reads from each interface in turn, not by time.
    run("vpc", ["reordercap", str(unsorted), str(capture)])


def without_machine(capture: bytes) -> bytes:
    """Leave out of a pcapng file what it says of the machine that wrote it.

    Its processor and operating system are options of the section header and interface
    description blocks: draft-ietf-opsawg-pcapng, sections 4.1 and 4.2.
    """
    section_header, interface_description = 0x0A0D0D0A, 1
    left_out = {section_header: (24, {2, 3}), interface_description: (16, {12, 15})}
    blocks = bytearray()
    start = 0
    while start < len(capture):
        kind, length = struct.unpack_from("=II", capture, start)
        block = capture[start : start + length]
        if kind in left_out:
            at, unwanted = left_out[kind]
            kept = bytearray(block[8:at])
            while at < length - 4:
                option, size = struct.unpack_from("=HH", block, at)
                size = 4 + (size + 3) // 4 * 4
                if option not in unwanted:
                    kept += block[at : at + size]
                at += size
            total = struct.pack("=I", len(kept) + 12)
            block = struct.pack("=I", kind) + total + kept + total
        blocks += block
        start += length
    return bytes(blocks)


# ---------------------------------------------------------------------------- the way in


def enter_own_namespaces() -> None:
    """Start again where network, mounts and processes are ours alone, and end with us."""
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp(own[0], [*own, sys.executable, __file__, *sys.argv[1:], "--inside"])


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("output", nargs="?", type=Path, default=HERE / "traffic.pcapng.gz")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("record.py needs root, to make network namespaces")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        sys.exit(f"record.py needs {', '.join(missing)}")
    if not given.inside:
        enter_own_namespaces()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for folder in (WORK, Path("/run/netns")):
        folder.mkdir()
    capture = WORK / "traffic.pcapng"
    record(capture)
    beside = given.output.with_name(given.output.name + ".part")
    beside.write_bytes(gzip.compress(without_machine(capture.read_bytes()), mtime=0))
    beside.replace(given.output)
    print(f"{given.output}: {given.output.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
