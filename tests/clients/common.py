"""What the client scripts share: connections, known bytes, commands with files of their own, and
the shape of a refusal."""

import hashlib
import os
import re
import subprocess
import tempfile
import unittest
import urllib.request

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


def digest(path):
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def tree(root):
    """What `diff -r` compares: every folder and file below `root`, with a digest of its bytes."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders:
            found[os.path.relpath(os.path.join(folder, name), root)] = "folder"
        for name in files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = digest(path)
    return found


def request(method, url, body=None, headers=None):
    """Status and body of a plain request, as any program without an S3 client makes it."""
    asked = urllib.request.Request(url, method=method, data=body, headers=headers or {})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.status, answer.read()


def bucket_name(test):
    """A bucket's name that no other test of the script has."""
    name = "-".join(test.id().split(".")[-2:]).lower().replace("_", "-")
    return name[:60].strip("-")


class InParts:
    """A check that both kinds of tests need."""

    def is_multipart(self, bucket, key):
        """The object was stored in parts, as its tag tells: the test would else test less."""
        tag = client().head_object(Bucket=bucket, Key=key)["ETag"]
        self.assertTrue(re.fullmatch(r'"[0-9a-f]{32}-[0-9]+"', tag), tag)


class Command(InParts, unittest.TestCase):
    """A test of a command line, with a home folder that is new and nobody else's."""

    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        # Nothing of the machine's own configuration may decide a test.
        theirs = ("XDG_", "RCLONE_", "RESTIC_", "MC_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
        self.environment = {**kept, "HOME": self.folder}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def file(self, name, size, seed=None):
        """Writes a file of known bytes below the test's folder and gives its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(pattern(seed or name, size))
        # Older than any answer of the server, or clients would think it changed since.
        os.utime(path, (1_600_000_000, 1_600_000_000))
        return path

    def run_for(self, command, code=0, text=True):
        """Runs a command to its end and gives what it printed; `code` has to be its exit code."""
        done = subprocess.run(
            command, capture_output=True, timeout=240, env=self.environment, cwd=self.folder
        )
        if done.returncode != code:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"{command}: exit code {done.returncode}\n{said}")
        printed = done.stdout if code == 0 else done.stdout + done.stderr
        return printed.decode() if text else printed

    def same_file(self, one, other):
        """Both files have the same bytes; said without printing them."""
        self.assertEqual(digest(one), digest(other), f"{one} and {other}")

    def same_tree(self, one, other):
        """`diff -r` finds nothing."""
        expected = tree(one)
        self.assertTrue(expected, f"{one} is empty, which would compare with anything")
        self.assertEqual(expected, tree(other))


class Case(InParts, unittest.TestCase):
    """A test with a client, a bucket of its own, and a check of refusals."""

    maxDiff = None
    s3 = client()

    def setUp(self):
        self.bucket = bucket_name(self)
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
