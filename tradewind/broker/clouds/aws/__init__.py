"""AWS: EC2 instances through boto3. boto3 is imported on the first call, not before."""

from tradewind.broker.clouds.aws.provider import AwsProvider

__all__ = ["AwsProvider"]
