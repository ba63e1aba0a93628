import json
import subprocess
import sys

import pytest

import secgroup
from secgroup import InputError, load
from tests.support.networks import every_noun


def write(path, document):
    path.write_text(json.dumps(document))
    return path


def refused(path, **arguments):
    with pytest.raises(InputError) as caught:
        load(path, **arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def folder(tmp_path):
    """The whole network as a folder: a file for each key, as a person would save them."""
    path = tmp_path / "account"
    path.mkdir()
    for key, nodes in every_noun().items():
        write(path / f"{key}.json", {key: nodes})
    return path


def test_file_and_folder_make_the_same_network(tmp_path, folder):
    whole = load(write(tmp_path / "network.json", every_noun()))
    parts = load(folder)
    for field in (
        "vpcs",
        "subnets",
        "groups",
        "acls",
        "interfaces",
        "prefix_lists",
        "route_tables",
    ):
        assert getattr(parts, field) == getattr(whole, field)


def test_pages_of_one_call_add_up_and_their_tokens_say_nothing(tmp_path, folder):
    document = every_noun()
    first, second = document["SecurityGroups"]
    (folder / "SecurityGroups.json").unlink()
    write(folder / "groups-1.json", {"SecurityGroups": [first], "NextToken": "abc"})
    write(folder / "groups-2.json", {"SecurityGroups": [second, first], "NextToken": None})
    network = load(folder)
    assert set(network.groups) == {"sg-0a", "sg-0b"}
    assert not any("NextToken" in warning for warning in network.warnings)


def test_one_id_with_different_contents_is_refused(folder):
    other = every_noun()["SecurityGroups"][1]
    other["GroupName"] = "other"
    write(folder / "zz.json", {"SecurityGroups": [other]})
    assert refused(folder) == (
        f"{folder}/zz.json: SecurityGroups[0]: security group sg-0b differs from the one in "
        f"{folder}/SecurityGroups.json: SecurityGroups[1] "
        "(expected each once, or the same contents)"
    )


def test_entries_of_a_prefix_list_told_by_the_name_of_their_file(folder):
    lists = every_noun()["ManagedPrefixLists"]
    del lists[0]["Entries"]
    write(folder / "ManagedPrefixLists.json", {"PrefixLists": lists})
    write(folder / "pl-0000000a.json", {"Entries": [{"Cidr": "192.0.2.0/24"}]})
    write(folder / "pl-0000000a-2.json", {"Entries": [{"Cidr": "198.51.100.0/24"}]})
    entries = load(folder).prefix_lists["pl-0000000a"].entries
    assert [str(entry) for entry in sorted(entries)] == ["192.0.2.0/24", "198.51.100.0/24"]


def test_entries_of_an_unknown_prefix_list_are_refused(folder):
    write(folder / "entries.json", {"Entries": []})
    assert refused(folder).startswith(
        f"{folder}/entries.json: Entries: entries of an unknown prefix list (expected PrefixListId"
    )


def test_dns_support_from_files_of_describe_vpc_attribute(folder):
    write(folder / "dns.json", {"VpcId": "vpc-0a", "EnableDnsSupport": {"Value": False}})
    assert not load(folder).vpcs["vpc-0a"].enable_dns_support
    write(folder / "dns-2.json", {"VpcId": "vpc-0a", "EnableDnsSupport": {"Value": True}})
    assert "has another value in another file" in refused(folder)


def test_with_brings_what_the_first_only_mentions(tmp_path):
    base = write(tmp_path / "base.json", every_noun())
    peer = {
        "Vpcs": [{"VpcId": "vpc-0f", "CidrBlock": "10.9.0.0/16", "OwnerId": "999999999999"}],
        "SecurityGroups": [{"GroupId": "sg-0f", "VpcId": "vpc-0f", "GroupName": "peer"}],
    }
    network = load(base, also=[write(tmp_path / "peer.json", peer)])
    assert network.groups["sg-0f"].vpc_id == "vpc-0f"
    assert not any("sg-0f" in warning for warning in network.warnings)


def test_with_that_contradicts_the_first_is_refused(tmp_path):
    base = write(tmp_path / "base.json", every_noun())
    vpc = every_noun()["Vpcs"][0] | {"IsDefault": True}
    other = write(tmp_path / "other.json", {"Vpcs": [vpc]})
    assert refused(base, also=[other]).startswith(
        f"{other}: Vpcs[0]: VPC vpc-0a differs from the one in {base}: Vpcs[0]"
    )


NOT_READ = "which is not read yet (expected a CloudFormation template or the output of"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("plan.json", '{"format_version": "1.2", "planned_values": {}}', "plan"),
        ("state.json", '{"format_version": "1.0", "values": {}}', "state"),
        ("terraform.tfstate", '{"version": 4, "terraform_version": "1.9.0"}', "state"),
        ("main.tf.json", '{"resource": {"aws_vpc": {}}}', "configuration"),
        ("main.tf", 'resource "aws_vpc" "main" {\n}\n', "configuration"),
        ("main.tf", "# a comment\nterraform {\n}\n", "configuration"),
        ("main.tf", 'provider "aws" {}\n', "configuration"),
    ],
)
def test_terraform_is_recognised_and_answered_with_one_line(tmp_path, name, content, what):
    path = tmp_path / name
    path.write_text(content)
    text = refused(path)
    assert text.startswith(f"{path}: a Terraform {what}, {NOT_READ}")


def test_folder_of_terraform_files(tmp_path):
    (tmp_path / "main.tf").write_text("locals {}\n")
    assert "a Terraform configuration" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "an empty file ("),
        (b" \n", "an empty file ("),
        (b"hello: world\n", "neither JSON nor a template ("),
        (b"[1, 2]", "a JSON list without a key ("),
        (b'{"a": 1, "b\\n": 2}', "a JSON object with the keys 'a', 'b\\n' ("),
        (b"{}", "a JSON object with the keys none ("),
        (b'{"Vpcs": [', "line 1: not JSON: Expecting value"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "byte 0 is not text ("),
        (b'{"Vpcs": ' + b"[" * 100_000, "JSON nested too deep"),
        (b'{"Vpcs": ' + b"1" * 5_000 + b"}", "JSON nested too deep, or a number too long"),
        (b'{"Vpcs": [{"VpcId": "\\ud800"}]}', "Vpcs[0].VpcId: '\\ud800' is not a text"),
    ],
)
def test_what_is_no_network_is_refused_by_what_it_is(tmp_path, content, problem):
    path = tmp_path / "file"
    path.write_bytes(content)
    text = refused(path)
    assert text.startswith(f"{path}: {problem}")
    text.encode()


def test_missing_file_and_empty_folder(tmp_path):
    assert refused(tmp_path / "absent") == (
        f"{tmp_path}/absent: cannot be read: No such file or directory"
    )
    assert refused(tmp_path).startswith(f"{tmp_path}: a folder without a file *.json")


def test_other_files_in_a_folder_are_refused_by_name(folder):
    write(folder / "package.json", {"name": "x"})
    assert refused(folder).startswith(f"{folder}/package.json: a JSON object with the keys 'name'")


def test_answers_about_other_nouns_in_a_folder_are_named(folder):
    write(folder / "flow-logs.json", {"FlowLogs": [{"FlowLogId": "fl-1"}], "NextToken": None})
    network = load(folder)
    assert "vpc-0a" in network.vpcs
    assert f"{folder}/flow-logs.json: FlowLogs is not read" in network.warnings
    assert "a JSON object with the keys 'FlowLogs'" in refused(folder / "flow-logs.json")


def test_folder_of_nothing_but_other_answers_is_refused(tmp_path):
    for key in ("FlowLogs", "DhcpOptions"):
        write(tmp_path / f"{key}.json", {key: []})
    assert refused(tmp_path).startswith(f"{tmp_path}: nothing that is read (expected a")


def test_hidden_files_and_other_suffixes_are_no_part_of_a_folder(folder):
    (folder / ".cache.json").write_text("{")
    (folder / "notes.txt").write_text("{")
    assert "vpc-0a" in load(folder).vpcs


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_that_shells_write(tmp_path, encoding):
    path = tmp_path / "network.json"
    path.write_bytes(json.dumps(every_noun()).encode(encoding))
    assert "vpc-0a" in load(path).vpcs


def test_template_is_read_by_its_content_in_either_syntax(tmp_path):
    text = (
        "Resources:\n  Main:\n    Type: AWS::EC2::VPC\n    Properties: {CidrBlock: 10.0.0.0/16}\n"
    )
    path = tmp_path / "anything"
    path.write_text(text)
    assert [vpc.ipv4_blocks[0].prefixlen for vpc in load(path).vpcs.values()] == [16]
    properties = {"CidrBlock": "10.0.0.0/16"}
    document = {"Resources": {"Main": {"Type": "AWS::EC2::VPC", "Properties": properties}}}
    assert len(load(write(path, document)).vpcs) == 1


def test_public_names_load_when_used():
    assert set(secgroup.__all__) <= set(dir(secgroup))
    for name in secgroup.__all__:
        assert getattr(secgroup, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = secgroup.nothing


def test_import_is_quick_because_it_loads_no_library():
    code = (
        "import sys, secgroup; from secgroup import load; "
        "print([m for m in ('yaml', 'rich', 'click', 'pyarrow', 'numba', 'botocore') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
