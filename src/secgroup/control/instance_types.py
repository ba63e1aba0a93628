"""Instance types: what of them matters to interfaces, for the usual families and sizes.

Interfaces and addresses by size are EC2's for these families; memory is by class of family.
Source: Amazon EC2 Instance Types guide, network specifications; EC2 User Guide, connection
tracking timeouts.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error
from secgroup.model.defaults import tracking_defaults


@dataclass(frozen=True, slots=True)
class Size:
    """What a size has: virtual processors, interfaces, IPv4 addresses of each."""

    vcpus: int
    interfaces: int
    addresses: int


_SIZES: Final = {
    "medium": Size(1, 2, 4),
    "large": Size(2, 3, 10),
    "xlarge": Size(4, 4, 15),
    "2xlarge": Size(8, 4, 15),
    "4xlarge": Size(16, 8, 30),
    "8xlarge": Size(32, 8, 30),
    "12xlarge": Size(48, 8, 30),
    "16xlarge": Size(64, 15, 50),
    "24xlarge": Size(96, 15, 50),
}
_BURSTABLE: Final = {
    "nano": (Size(2, 2, 2), 512),
    "micro": (Size(2, 2, 2), 1024),
    "small": (Size(2, 3, 4), 2048),
    "medium": (Size(2, 3, 6), 4096),
    "large": (Size(2, 3, 12), 8192),
    "xlarge": (Size(4, 4, 15), 16384),
    "2xlarge": (Size(8, 4, 15), 32768),
}
_GIB_OF_VCPU: Final = {"c": 2, "m": 4, "r": 8}
_FAMILIES: Final = (
    *("c5", "c6g", "c6i", "c7g", "c7i", "c8g", "c8i"),
    *("m5", "m6g", "m6i", "m7g", "m7i", "m8g", "m8i"),
    *("r5", "r6g", "r6i", "r7g", "r7i", "r8g", "r8i"),
)
#: Sizes that a family has not.
_WITHOUT: Final = {
    "c5": ("8xlarge", "16xlarge"),
    **dict.fromkeys(("c6g", "c7g", "m6g", "m7g", "r6g", "r7g"), ("24xlarge",)),
}


def _described(name: str, size: Size, memory_mib: int) -> dict[str, Any]:
    family = name.partition(".")[0]
    is_arm = family.endswith("g")
    is_xen = family in ("t2", "m1")
    tcp_s, udp_s, stream_s = tracking_defaults(name)
    is_single = is_arm or size.vcpus == 1
    return {
        "InstanceType": name,
        "CurrentGeneration": family != "m1",
        "FreeTierEligible": name in ("t2.micro", "t3.micro"),
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "Hypervisor": "xen" if is_xen else "nitro",
        "ProcessorInfo": {"SupportedArchitectures": ["arm64" if is_arm else "x86_64"]},
        "VCpuInfo": {
            "DefaultVCpus": size.vcpus,
            "DefaultCores": size.vcpus if is_single else size.vcpus // 2,
            "DefaultThreadsPerCore": 1 if is_single else 2,
        },
        "MemoryInfo": {"SizeInMiB": memory_mib},
        "InstanceStorageSupported": False,
        "EbsInfo": {"EbsOptimizedSupport": "default", "EncryptionSupport": "supported"},
        "NetworkInfo": {
            "MaximumNetworkInterfaces": size.interfaces,
            "MaximumNetworkCards": 1,
            "DefaultNetworkCardIndex": 0,
            "Ipv4AddressesPerInterface": size.addresses,
            "Ipv6AddressesPerInterface": size.addresses,
            "Ipv6Supported": True,
            "EnaSupport": "unsupported" if is_xen else "required",
            "EfaSupported": False,
            **(
                {}
                if is_xen
                else {
                    "ConnectionTrackingConfiguration": {
                        "DefaultTcpEstablishedTimeout": tcp_s,
                        "DefaultUdpTimeout": udp_s,
                        "DefaultUdpStreamTimeout": stream_s,
                    }
                }
            ),
        },
        "BurstablePerformanceSupported": family.startswith("t"),
        "DedicatedHostsSupported": not family.startswith("t"),
        "HibernationSupported": False,
        "AutoRecoverySupported": True,
    }


@cache
def instance_types() -> dict[str, dict[str, Any]]:
    """Return what is described of each type, by its name."""
    found = {"m1.small": _described("m1.small", Size(1, 2, 4), 1740)}
    for family in ("t2", "t3", "t3a", "t4g"):
        for size, (what, memory_mib) in _BURSTABLE.items():
            found[f"{family}.{size}"] = _described(f"{family}.{size}", what, memory_mib)
    for family in _FAMILIES:
        for size, what in _SIZES.items():
            if size in _WITHOUT.get(family, ()):
                continue
            if size != "medium" or family.endswith("g"):
                memory_mib = what.vcpus * _GIB_OF_VCPU[family[0]] * 1024
                found[f"{family}.{size}"] = _described(f"{family}.{size}", what, memory_mib)
    return found


def needed_type(name: str) -> dict[str, Any]:
    """Return what is described of a type.

    Raises
    ------
    Ec2Error
        It is none that is served.

    """
    found = instance_types().get(name)
    if found is None:
        raise Ec2Error("instance_type_invalid", value=name)
    return found


def interface_limit(name: str) -> int:
    """Return how many interfaces an instance of a type may have."""
    limit: int = needed_type(name)["NetworkInfo"]["MaximumNetworkInterfaces"]
    return limit


def member_path(name: str) -> str:
    """Return the members that a filter's name spells: `memory-info.size`, MemoryInfo.Size."""
    parts = name.split(".")
    return ".".join("".join(word.capitalize() for word in part.split("-")) for part in parts)


_FILTERS: Final = """
    auto-recovery-supported bare-metal burstable-performance-supported current-generation
    dedicated-hosts-supported ebs-info.attachment-limit-type ebs-info.maximum-ebs-attachments
    ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps
    ebs-info.ebs-optimized-info.baseline-iops
    ebs-info.ebs-optimized-info.baseline-throughput-in-mbps
    ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps
    ebs-info.ebs-optimized-info.maximum-iops
    ebs-info.ebs-optimized-info.maximum-throughput-in-mbps
    ebs-info.ebs-optimized-support ebs-info.encryption-support ebs-info.nvme-support
    free-tier-eligible hibernation-supported hypervisor instance-storage-info.disk.count
    instance-storage-info.disk.size-in-gb instance-storage-info.disk.type
    instance-storage-info.encryption-support instance-storage-info.nvme-support
    instance-storage-info.total-size-in-gb instance-storage-supported instance-type
    network-info.bandwidth-weightings network-info.efa-info.maximum-efa-interfaces
    network-info.efa-supported network-info.ena-support network-info.flexible-ena-queues-support
    network-info.encryption-in-transit-supported network-info.ipv4-addresses-per-interface
    network-info.ipv6-addresses-per-interface network-info.ipv6-supported
    network-info.maximum-network-cards network-info.maximum-network-interfaces
    network-info.network-performance nitro-enclaves-support nitro-tpm-support
    nitro-tpm-info.supported-versions processor-info.sustained-clock-speed-in-ghz
    processor-info.supported-features reboot-migration-support vcpu-info.default-cores
    vcpu-info.default-threads-per-core vcpu-info.valid-cores vcpu-info.valid-threads-per-core
"""

_DESCRIBE: Final = Describe(
    kind="InstanceTypeInfo",
    result="InstanceTypes",
    ids="InstanceTypes",
    has_tags=False,
    filters={
        **{name: member_path(name).replace("VcpuInfo", "VCpuInfo") for name in _FILTERS.split()},
        "memory-info.size-in-mib": "MemoryInfo.SizeInMiB",
        "vcpu-info.default-vcpus": "VCpuInfo.DefaultVCpus",
        "processor-info.supported-architecture": "ProcessorInfo.SupportedArchitectures",
        "supported-boot-mode": "SupportedBootModes",
        "supported-root-device-type": "SupportedRootDeviceTypes",
        "supported-usage-class": "SupportedUsageClasses",
        "supported-virtualization-type": "SupportedVirtualizationTypes",
    },
    max_results=(5, 100),
)


def describe_instance_types(world: World, request: Resource) -> dict[str, Any]:
    """DescribeInstanceTypes."""
    names = request.get("InstanceTypes")
    if not names:
        return describe(world, request, _DESCRIBE, instance_types().values())
    return describe(world, request, _DESCRIBE, [needed_type(name) for name in dict.fromkeys(names)])


OPERATIONS: Final = {"DescribeInstanceTypes": describe_instance_types}
