"""s3cmd as a person uses it, against a running server."""

import os
import sys
import unittest
from urllib.parse import urlsplit

from common import ENDPOINT, Command, client, pattern, read


class S3cmd(Command):
    def setUp(self):
        super().setUp()
        # What `s3cmd --configure` asks for, and nothing else.
        host = urlsplit(ENDPOINT).netloc
        with open(self.path(".s3cfg"), "w") as file:
            file.write(
                "[default]\n"
                f"access_key = {os.environ['AWS_ACCESS_KEY_ID']}\n"
                f"secret_key = {os.environ['AWS_SECRET_ACCESS_KEY']}\n"
                f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
            )

    def s3cmd(self, *arguments, code=0):
        script = os.path.join(os.path.dirname(sys.executable), "s3cmd")
        return self.run_for([sys.executable, script, *arguments], code)

    def keys(self, where):
        """The keys below a URL, as `ls` names them."""
        lines = self.s3cmd("ls", "--recursive", where).splitlines()
        return sorted(line.split("s3://", 1)[1].split("/", 1)[1] for line in lines)

    def test_buckets(self):
        self.s3cmd("mb", "s3://s3cmd-buckets")
        self.assertIn("s3://s3cmd-buckets", self.s3cmd("ls"))
        self.assertIn("us-east-1", self.s3cmd("info", "s3://s3cmd-buckets"))
        self.s3cmd("put", self.file("x", 1), "s3://s3cmd-buckets/x")
        self.assertIn("BucketNotEmpty", self.s3cmd("rb", "s3://s3cmd-buckets", code=13))
        self.s3cmd("del", "s3://s3cmd-buckets/x")
        self.s3cmd("rb", "s3://s3cmd-buckets")
        self.assertNotIn("s3://s3cmd-buckets", self.s3cmd("ls"))

    def test_small_objects(self):
        self.s3cmd("mb", "s3://s3cmd-small")
        source, back = self.file("a b/ü", 12_345), self.path("back")
        self.s3cmd("put", source, "s3://s3cmd-small/deep/a b/ü")
        self.s3cmd("get", "s3://s3cmd-small/deep/a b/ü", back)
        self.same_file(source, back)
        about = self.s3cmd("info", "s3://s3cmd-small/deep/a b/ü")
        self.assertIn("File size: 12345", about)
        self.assertIn("DIR", self.s3cmd("ls", "s3://s3cmd-small"))
        self.assertEqual(self.keys("s3://s3cmd-small"), ["deep/a b/ü"])
        self.assertIn("12345", self.s3cmd("du", "s3://s3cmd-small"))
        self.s3cmd("del", "--recursive", "--force", "s3://s3cmd-small")
        self.assertEqual(self.keys("s3://s3cmd-small"), [])
        gone = self.s3cmd("get", "s3://s3cmd-small/deep/a b/ü", "gone", code=64)
        self.assertIn("does not exist", gone)

    def test_twelve_mebibytes_in_parts(self):
        self.s3cmd("mb", "s3://s3cmd-parts")
        source, back = self.file("big", 12 << 20), self.path("back")
        self.s3cmd("put", "--multipart-chunk-size-mb=5", source, "s3://s3cmd-parts/big")
        tag = client().head_object(Bucket="s3cmd-parts", Key="big")["ETag"]
        self.assertTrue(tag.endswith('-3"'), tag)
        self.s3cmd("get", "s3://s3cmd-parts/big", back)
        self.same_file(source, back)
        # It stored the file's MD5 beside it, and knows by that what need not go again.
        folder = self.path("folder")
        os.mkdir(folder)
        os.rename(source, os.path.join(folder, "big"))
        sync = ("sync", "--no-progress", f"{folder}/", "s3://s3cmd-parts/")
        self.assertNotIn("upload:", self.s3cmd(*sync))
        self.file("folder/big", 12 << 20, "other bytes of the same length")
        self.assertIn("upload:", self.s3cmd(*sync))

    def test_sync_there_and_back(self):
        self.s3cmd("mb", "s3://s3cmd-sync")
        for number in range(150):
            self.file(f"tree/{number % 5}/file {number}", 100 * number)
        tree, back, there = self.path("tree"), self.path("back"), "s3://s3cmd-sync/copy/"
        self.s3cmd("sync", f"{tree}/", there)
        self.assertNotIn("upload:", self.s3cmd("sync", f"{tree}/", there))
        os.remove(self.path("tree/0/file 0"))
        self.file("tree/1/file 1", 100, "changed")
        said = self.s3cmd("sync", "--delete-removed", f"{tree}/", there)
        self.assertEqual((said.count("upload:"), said.count("delete:")), (1, 1))
        os.mkdir(back)
        self.s3cmd("sync", there, f"{back}/")
        self.same_tree(tree, back)

    def test_copy_and_move(self):
        self.s3cmd("mb", "s3://s3cmd-one")
        self.s3cmd("mb", "s3://s3cmd-two")
        self.s3cmd("put", "--mime-type=text/x-test", "--add-header=x-amz-meta-colour: blue",
                   self.file("x", 5000), "s3://s3cmd-one/x")
        self.s3cmd("cp", "s3://s3cmd-one/x", "s3://s3cmd-two/copy")
        self.s3cmd("mv", "s3://s3cmd-one/x", "s3://s3cmd-two/moved")
        self.assertEqual(self.keys("s3://s3cmd-one"), [])
        self.assertEqual(self.keys("s3://s3cmd-two"), ["copy", "moved"])
        for key in ("copy", "moved"):
            self.assertEqual(read(client(), "s3cmd-two", key), pattern("x", 5000))
            head = client().head_object(Bucket="s3cmd-two", Key=key)
            self.assertEqual(head["ContentType"], "text/x-test")
            self.assertEqual(head["Metadata"]["colour"], "blue")


if __name__ == "__main__":
    unittest.main()
