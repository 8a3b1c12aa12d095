"""aws-cli as a person uses it, against a running server."""

import filecmp
import json
import os
import subprocess
import tempfile
import unittest

from common import ENDPOINT, pattern

AWS = os.environ["AWS"]


def aws(*arguments, code=0, config=None):
    """Runs aws-cli and gives what it printed; the exit code must be `code`."""
    command = [AWS, "--endpoint-url", ENDPOINT, *arguments]
    environment = {**os.environ, "AWS_CONFIG_FILE": config or "/dev/null"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    if done.returncode != code:
        raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout if code == 0 else done.stderr


class Cli(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, size):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(pattern(name, size))
        # Older than any answer of the server, or `sync` would think it changed since.
        os.utime(path, (1_600_000_000, 1_600_000_000))
        return path

    def test_walk_of_the_readme(self):
        aws("s3", "mb", "s3://walk")
        self.assertIn("walk", aws("s3", "ls"))
        small = self.file("small.txt", 1000)
        # Below aws-cli's threshold, so in one part.
        large = self.file("large.bin", 7 << 20)
        aws("s3", "cp", small, "s3://walk/docs/small.txt")
        aws("s3", "cp", large, "s3://walk/large.bin")
        listing = aws("s3", "ls", "s3://walk", "--recursive")
        self.assertIn("docs/small.txt", listing)
        self.assertIn(str(7 << 20), listing)
        self.assertIn("PRE docs/", aws("s3", "ls", "s3://walk"))
        for name, source in (("docs/small.txt", small), ("large.bin", large)):
            target = os.path.join(self.folder.name, "back")
            aws("s3", "cp", f"s3://walk/{name}", target)
            self.assertTrue(filecmp.cmp(source, target, shallow=False), name)
        self.assertIn("BucketNotEmpty", aws("s3", "rb", "s3://walk", code=1))
        aws("s3", "rb", "s3://walk", "--force")
        self.assertNotIn("walk", aws("s3", "ls"))

    def test_fifty_mebibytes_in_one_part(self):
        aws("s3", "mb", "s3://fifty")
        source = self.file("fifty.bin", 50 << 20)
        aws("s3api", "put-object", "--bucket", "fifty", "--key", "big", "--body", source)
        target = os.path.join(self.folder.name, "back")
        aws("s3api", "get-object", "--bucket", "fifty", "--key", "big", target)
        self.assertTrue(filecmp.cmp(source, target, shallow=False))

    def test_sync_there_and_back(self):
        aws("s3", "mb", "s3://sync")
        for number in range(12):
            self.file(f"tree/{number % 3}/file {number}", 100 * number)
        tree, back = (os.path.join(self.folder.name, name) for name in ("tree", "back"))
        aws("s3", "sync", tree, "s3://sync/copy")
        self.assertEqual(aws("s3", "sync", tree, "s3://sync/copy"), "")
        aws("s3", "sync", "s3://sync/copy", back)
        for number in range(12):
            name = f"{number % 3}/file {number}"
            paths = [os.path.join(root, name) for root in (tree, back)]
            self.assertTrue(filecmp.cmp(*paths, shallow=False), name)
        aws("s3", "rm", "s3://sync/copy", "--recursive")
        self.assertEqual(aws("s3", "ls", "s3://sync", "--recursive"), "")

    def test_api_level_versions(self):
        aws("s3api", "create-bucket", "--bucket", "cli-versions")
        aws("s3api", "put-bucket-versioning", "--bucket", "cli-versions",
            "--versioning-configuration", "Status=Enabled")
        body = self.file("v", 10)
        for _ in range(2):
            aws("s3api", "put-object", "--bucket", "cli-versions", "--key", "k", "--body", body)
        aws("s3api", "delete-object", "--bucket", "cli-versions", "--key", "k")
        listing = json.loads(aws("s3api", "list-object-versions", "--bucket", "cli-versions"))
        self.assertEqual(len(listing["Versions"]), 2)
        self.assertEqual(len(listing["DeleteMarkers"]), 1)
        self.assertTrue(listing["DeleteMarkers"][0]["IsLatest"])

    def test_presigned_url(self):
        aws("s3", "mb", "s3://presign")
        source = self.file("p", 321)
        aws("s3", "cp", source, "s3://presign/p")
        # aws-cli 1 presigns with version 2 for us-east-1 unless told otherwise.
        config = os.path.join(self.folder.name, "config")
        with open(config, "w") as file:
            file.write("[default]\ns3 =\n    signature_version = s3v4\n")
        url = aws("s3", "presign", "s3://presign/p", config=config).strip()
        self.assertIn("X-Amz-Signature", url)
        done = subprocess.run(["curl", "-fsS", url], capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, pattern("p", 321))

    def test_a_mistake_is_told_in_words(self):
        self.assertIn("NoSuchBucket", aws("s3", "ls", "s3://not-there-at-all", code=255))


if __name__ == "__main__":
    unittest.main()
