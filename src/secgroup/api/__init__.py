"""EC2 on the wire: requests in, answers out, by botocore's model. It holds no rule of EC2's."""
