"""What the client scripts share: connections, known bytes, and the shape of a refusal."""

import hashlib
import os
import unittest

import boto3
import botocore
from botocore.config import Config

ENDPOINT = os.environ["ENDPOINT"]


def client(prefix="", **config):
    """An S3 client for the keys that the test handed down under `prefix`."""
    settings = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 1}}
    settings.update(config)
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=os.environ[prefix + "AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ[prefix + "AWS_SECRET_ACCESS_KEY"],
        config=Config(**settings),
    )


def pattern(seed, length):
    """`length` bytes that follow from `seed`."""
    return hashlib.shake_128(str(seed).encode()).digest(length)


def read(s3, bucket, key, **arguments):
    """The bytes of an object."""
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def listed_keys(s3, bucket, **arguments):
    """All keys of a listing, over all its pages."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **arguments)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


class Case(unittest.TestCase):
    """A test with a client, a bucket of its own, and a check of refusals."""

    maxDiff = None
    s3 = client()

    def setUp(self):
        name = "-".join(self.id().split(".")[-2:]).lower().replace("_", "-")
        self.bucket = name[:60].strip("-")
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key, body=b"x", **arguments):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **arguments)

    def refused(self, code, status, call, **arguments):
        """`call` must be refused with this code and status, and name its request."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**arguments)
        response = caught.exception.response
        self.assertEqual(
            (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]),
            (code, status),
            response,
        )
        self.assertTrue(
            response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-request-id"), response
        )
