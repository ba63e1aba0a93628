// Make a group with a rule, find both again page by page, and be refused.
import { createRequire } from "node:module";
const require = createRequire(`${process.argv[2]}/package.json`);
const {
  EC2Client, CreateSecurityGroupCommand, AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupRulesCommand, DescribeSecurityGroupsCommand,
  paginateDescribeSecurityGroups, waitUntilSecurityGroupExists,
} = require("@aws-sdk/client-ec2");

const client = new EC2Client({});
const { GroupId } = await client.send(
  new CreateSecurityGroupCommand({ GroupName: "script", Description: "d" }));
await waitUntilSecurityGroupExists({ client, maxWaitTime: 10 }, { GroupIds: [GroupId] });
const made = await client.send(new AuthorizeSecurityGroupIngressCommand({
  GroupId,
  IpPermissions: [{ IpProtocol: "udp", FromPort: 53, ToPort: 53, Ipv6Ranges: [{ CidrIpv6: "2001:db8::/32" }] }],
}));
const { SecurityGroupRules } = await client.send(new DescribeSecurityGroupRulesCommand({
  Filters: [{ Name: "group-id", Values: [GroupId] }],
}));
const names = [];
for await (const page of paginateDescribeSecurityGroups({ client, pageSize: 5 }, {})) {
  names.push(...page.SecurityGroups.map((group) => group.GroupName));
}
let refusal = null;
try {
  await client.send(new DescribeSecurityGroupsCommand({ GroupIds: ["sg-x"] }));
} catch (error) {
  refusal = error.name;
}
console.log(JSON.stringify({
  made: made.SecurityGroupRules[0].SecurityGroupRuleId,
  rules: SecurityGroupRules.map((rule) => [rule.SecurityGroupRuleId, rule.IsEgress, rule.CidrIpv6 ?? rule.CidrIpv4]),
  names, refusal,
}));
