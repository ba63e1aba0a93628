"""Three interfaces, their groups and an ACL, as `support.described` takes them."""

GROUPS = {
    "sg-web": [
        "in tcp/22 203.0.113.0/24",
        "in tcp/80 0.0.0.0/0",
        "in icmp/8 0.0.0.0/0",
        "in udp/53 10.0.0.0/8",
        "out tcp/5432 sg-db",
        "out udp/53 198.51.100.53/32",
        "out tcp/80 0.0.0.0/0",
    ],
    "sg-db": ["in tcp/5432 sg-web", "in tcp/0-65535 10.0.0.0/8", "out all 0.0.0.0/0"],
    "sg-all": ["in all 0.0.0.0/0", "in all ::/0", "out all ::/0", "out tcp/80 0.0.0.0/0"],
}
INTERFACES = {
    "eni-web": "10.0.1.5 2001:db8:1::5 sg-web",
    "eni-db": "10.0.2.5 10.0.2.6 2001:db8:2::5 sg-db",
    "eni-all": "10.0.3.5 2001:db8:3::5 sg-all sg-db",
}
ACLS = {
    "subnet-1-10.0.2": [
        "in 100 deny tcp/80 0.0.0.0/0",
        "in 200 allow all 0.0.0.0/0",
        "in 210 allow all ::/0",
        "out 100 allow tcp/0-65535 0.0.0.0/0",
    ]
}
