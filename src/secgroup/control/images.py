"""Images: any AMI id is one, and all are alike.

Shown are those that are asked for by id, and those that instances were launched from.
"""

from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.instance_types import member_path
from secgroup.control.state import Resource, World

_OWNER: Final = "137112412989"
_PLAIN: Final = """
    architecture boot-mode creation-date description ena-support free-tier-eligible hypervisor
    image-allowed image-id image-type kernel-id name owner-id platform public-ssm-parameter-name
    ramdisk-id root-device-name root-device-type source-image-id source-image-region
    source-instance-id state sriov-net-support virtualization-type
"""
#: Of what images have on AWS and none has here: no image passes them.
_ABSENT: Final = """
    image-watermark.source-image-creation-time image-watermark.source-image-id
    image-watermark.source-image-region image-watermark.watermark-creation-time
    image-watermark.watermark-key instance-type-specification.supported-instance-type
    instance-type-specification.unsupported-instance-type
    scan-result.critical-fix-available-since scan-result.finding-scan-date
    scan-result.high-fix-available-since scan-result.highest-finding-severity-label
    scan-result.informational-fix-available-since scan-result.low-fix-available-since
    scan-result.medium-fix-available-since
"""
_RENAMED: Final = {
    "is-public": "Public",
    "manifest-location": "ImageLocation",
    "owner-alias": "ImageOwnerAlias",
    "product-code": "ProductCodes.ProductCodeId",
    "product-code.type": "ProductCodes.ProductCodeType",
    "state-reason-code": "StateReason.Code",
    "state-reason-message": "StateReason.Message",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    **{
        f"block-device-mapping.{name}": f"BlockDeviceMappings.Ebs.{member_path(name)}"
        for name in (
            *("delete-on-termination", "snapshot-id", "volume-size", "volume-type", "encrypted"),
        )
    },
}

_DESCRIBE: Final = Describe(
    kind="Image",
    result="Images",
    ids="ImageIds",
    filters={
        **{name: member_path(name) for name in (_PLAIN + _ABSENT).split()},
        **_RENAMED,
    },
)


def image(image_id: str) -> dict[str, Any]:
    """Return what is described of an image."""
    return {
        "ImageId": image_id,
        "Name": image_id,
        "ImageLocation": f"amazon/{image_id}",
        "ImageOwnerAlias": "amazon",
        "ImageType": "machine",
        "OwnerId": _OWNER,
        "Public": True,
        "State": "available",
        "CreationDate": "2026-01-01T00:00:00.000Z",
        "Architecture": "x86_64",
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda",
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"DeleteOnTermination": True, "VolumeSize": 8, "VolumeType": "gp3"},
            }
        ],
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
    }


def describe_images(world: World, request: Resource) -> dict[str, Any]:
    """DescribeImages."""
    ids = request.get("ImageIds") or sorted({each["ImageId"] for each in world.every("Instance")})
    owners = request.get("Owners")
    if owners and not {"amazon", _OWNER} & set(owners):
        ids = []
    return describe(world, request, _DESCRIBE, [image(each) for each in dict.fromkeys(ids)])


OPERATIONS: Final = {"DescribeImages": describe_images}
