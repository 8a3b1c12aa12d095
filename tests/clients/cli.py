"""aws-cli as a person uses it, against a running server."""

import json
import os
import unittest
from urllib.error import HTTPError

from common import ENDPOINT, Command, pattern, request

AWS = os.environ["AWS"]


class Aws(Command):
    def aws(self, *arguments, code=0, config="/dev/null"):
        """Runs aws-cli and gives what it printed."""
        self.environment["AWS_CONFIG_FILE"] = config
        return self.run_for([AWS, "--endpoint-url", ENDPOINT, *arguments], code)


class Cli(Aws):
    def test_walk_of_the_readme(self):
        self.aws("s3", "mb", "s3://walk")
        self.assertIn("walk", self.aws("s3", "ls"))
        small = self.file("small.txt", 1000)
        # Below aws-cli's threshold, so in one part.
        large = self.file("large.bin", 7 << 20)
        self.aws("s3", "cp", small, "s3://walk/docs/small.txt")
        self.aws("s3", "cp", large, "s3://walk/large.bin")
        listing = self.aws("s3", "ls", "s3://walk", "--recursive")
        self.assertIn("docs/small.txt", listing)
        self.assertIn(str(7 << 20), listing)
        self.assertIn("PRE docs/", self.aws("s3", "ls", "s3://walk"))
        for name, source in (("docs/small.txt", small), ("large.bin", large)):
            target = self.path("back")
            self.aws("s3", "cp", f"s3://walk/{name}", target)
            self.same_file(source, target)
        self.assertIn("BucketNotEmpty", self.aws("s3", "rb", "s3://walk", code=1))
        self.aws("s3", "rb", "s3://walk", "--force")
        self.assertNotIn("walk", self.aws("s3", "ls"))

    def test_fifty_mebibytes_in_one_part(self):
        self.aws("s3", "mb", "s3://fifty")
        source = self.file("fifty.bin", 50 << 20)
        self.aws("s3api", "put-object", "--bucket", "fifty", "--key", "big", "--body", source)
        target = self.path("back")
        self.aws("s3api", "get-object", "--bucket", "fifty", "--key", "big", target)
        self.same_file(source, target)

    def test_two_hundred_mebibytes_in_parts(self):
        self.aws("s3", "mb", "s3://parts")
        source, back = self.file("big.bin", (200 << 20) + 17), self.path("back")
        self.aws("s3", "cp", source, "s3://parts/big")
        self.is_multipart("parts", "big")
        self.aws("s3", "cp", "s3://parts/big", back)
        self.same_file(source, back)
        # Above the threshold a copy is one of parts as well, and a move is a copy.
        self.aws("s3", "mv", "s3://parts/big", "s3://parts/moved")
        self.assertEqual(self.aws("s3", "ls", "s3://parts/").split()[-1], "moved")
        self.is_multipart("parts", "moved")
        os.remove(back)
        self.aws("s3", "cp", "s3://parts/moved", back)
        self.same_file(source, back)

    def test_streams_through_a_pipe(self):
        self.aws("s3", "mb", "s3://pipe")
        source = self.file("piped", (20 << 20) + 1)
        there = f"'{AWS}' --endpoint-url '{ENDPOINT}' s3 cp"
        self.run_for(["sh", "-c", f"cat '{source}' | {there} - s3://pipe/piped"])
        self.is_multipart("pipe", "piped")
        self.run_for(["sh", "-c", f"{there} s3://pipe/piped - > back"])
        self.same_file(source, self.path("back"))

    def test_api_level_versions(self):
        self.aws("s3api", "create-bucket", "--bucket", "cli-versions")
        self.aws("s3api", "put-bucket-versioning", "--bucket", "cli-versions",
                 "--versioning-configuration", "Status=Enabled")
        body = self.file("v", 10)
        for _ in range(2):
            self.aws("s3api", "put-object", "--bucket", "cli-versions", "--key", "k",
                     "--body", body)
        self.aws("s3api", "delete-object", "--bucket", "cli-versions", "--key", "k")
        listing = json.loads(self.aws("s3api", "list-object-versions", "--bucket", "cli-versions"))
        self.assertEqual(len(listing["Versions"]), 2)
        self.assertEqual(len(listing["DeleteMarkers"]), 1)
        self.assertTrue(listing["DeleteMarkers"][0]["IsLatest"])

    def test_presigned_urls(self):
        self.aws("s3", "mb", "s3://presign")
        self.aws("s3", "cp", self.file("p", 321), "s3://presign/p")
        # For us-east-1 aws-cli 1 signs with version 2 unless told otherwise.
        config = self.path("config")
        with open(config, "w") as file:
            file.write("[default]\ns3 =\n    signature_version = s3v4\n")
        for settings, mark in (("/dev/null", "&Signature="), (config, "X-Amz-Signature=")):
            with self.subTest(mark):
                url = self.aws("s3", "presign", "s3://presign/p", config=settings).strip()
                self.assertIn(mark, url.replace("?", "&"))
                self.assertEqual(request("GET", url), (200, pattern("p", 321)))
                with self.assertRaises(HTTPError) as caught:
                    request("GET", url.replace("/p?", "/q?"))
                self.assertEqual(caught.exception.code, 403)

    def test_a_mistake_is_told_in_words(self):
        self.assertIn("NoSuchBucket", self.aws("s3", "ls", "s3://not-there-at-all", code=255))


class Sync(Aws):
    def test_five_thousand_small_files_there_and_back(self):
        self.aws("s3", "mb", "s3://sync")
        for number in range(5000):
            self.file(f"tree/{number % 7}/of {number % 50}/file {number}", number % 4099, number)
        tree, back = self.path("tree"), self.path("back")
        self.aws("s3", "sync", tree, "s3://sync/copy")
        self.assertEqual(self.aws("s3", "sync", tree, "s3://sync/copy"), "")
        self.aws("s3", "sync", "s3://sync/copy", back)
        self.same_tree(tree, back)
        # Only what changed goes, and what is gone here goes there.
        os.remove(self.path("tree/0/of 0/file 0"))
        self.file("tree/1/of 1/file 1", 77)
        said = self.aws("s3", "sync", "--delete", "--no-progress", tree, "s3://sync/copy")
        self.assertEqual(
            sorted(line.split(":")[0] for line in said.splitlines()), ["delete", "upload"]
        )
        self.aws("s3", "sync", "--delete", "s3://sync/copy", back)
        self.same_tree(tree, back)
        self.aws("s3", "rm", "s3://sync/copy/0/", "--recursive")
        self.assertNotIn(" copy/0/", self.aws("s3", "ls", "s3://sync", "--recursive"))
        self.assertEqual(self.aws("s3", "ls", "s3://sync/copy/").count("PRE"), 6)


if __name__ == "__main__":
    unittest.main()
