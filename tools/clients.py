"""Install the real clients that tests/clients runs: `python -m tools.clients`, or names of some.

Each in a folder of its own under `.clients`, because they pin what others pin otherwise.
"""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".clients"

#: Client -> what pip installs for it.
PYTHON = {
    "awscli": ("awscli==1.46.3",),
    "ansible": ("ansible==12.3.0", "boto3==1.44.5", "botocore==1.44.5"),
    "custodian": ("c7n==0.9.53",),
    "prowler": ("prowler==5.46.0",),
}
#: Client -> what npm installs for it.
NODE = {"javascript": ("@aws-sdk/client-ec2@3.723.0",)}


def install(name: str) -> None:
    """Install a client, unless the same one is there."""
    pins = PYTHON.get(name) or NODE[name]
    folder, stamp = FOLDER / name, FOLDER / name / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == list(pins):
        return
    print(f"{name}: {', '.join(pins)}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name in PYTHON:
        venv.create(folder, with_pip=True)
        quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "install", *quiet, *pins], check=True
        )
    else:
        (folder / "package.json").write_text('{"private": true}')
        subprocess.run(["npm", "install", "--silent", "--no-fund", *pins], cwd=folder, check=True)
    stamp.write_text(json.dumps(pins))


if __name__ == "__main__":
    for each in sys.argv[1:] or [*PYTHON, *NODE]:
        install(each)
