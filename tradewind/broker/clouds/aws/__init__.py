"""AWS: EC2 instances through boto3, reached over SSH. boto3 and asyncssh are imported on the first call, not before."""

from __future__ import annotations

from tradewind.broker.clouds.aws.provider import AwsProvider

__all__ = ["AwsProvider"]
