"""rclone as a person uses it, against a running server."""

import json
import os
import unittest

from common import ENDPOINT, Command, pattern

RCLONE = os.environ["CLIENT"]


class Rclone(Command):
    def setUp(self):
        super().setUp()
        # What `rclone config` writes for a store that it has no name for.
        config = self.path("rclone.conf")
        with open(config, "w") as file:
            file.write(
                f"[there]\ntype = s3\nprovider = Other\nendpoint = {ENDPOINT}\n"
                f"access_key_id = {os.environ['AWS_ACCESS_KEY_ID']}\n"
                f"secret_access_key = {os.environ['AWS_SECRET_ACCESS_KEY']}\n"
            )
        self.environment["RCLONE_CONFIG"] = config

    def rclone(self, *arguments, code=0, text=True):
        # One try, so that an error is seen and not mended.
        return self.run_for([RCLONE, "--retries=1", "--low-level-retries=1", *arguments], code, text)

    def names(self, where):
        rows = json.loads(self.rclone("lsjson", "--recursive", "--files-only", where))
        return sorted(row["Path"] for row in rows)

    def test_sync_and_check(self):
        self.rclone("mkdir", "there:rclone-sync")
        for number in range(200):
            self.file(f"tree/{number % 5}/file {number} ü+", 100 * number)
        tree, back, there = self.path("tree"), self.path("back"), "there:rclone-sync/copy"
        self.rclone("sync", tree, there)
        self.rclone("check", tree, there)
        self.rclone("check", "--download", tree, there)
        os.remove(self.path("tree/0/file 0 ü+"))
        self.file("tree/1/file 1 ü+", 100, "changed")
        self.rclone("check", tree, there, code=1)
        # Same length and time: only the hash tells.
        self.rclone("sync", "--checksum", tree, there)
        self.rclone("check", "--download", tree, there)
        self.rclone("sync", there, back)
        self.same_tree(tree, back)
        # The times of the files came along, as metadata.
        self.assertEqual(os.stat(self.path("back/1/file 1 ü+")).st_mtime, 1_600_000_000)
        self.rclone("purge", there)
        self.assertEqual(self.names("there:rclone-sync"), [])

    def test_a_large_file_goes_in_parts(self):
        # rclone's threshold is 200 MiB.
        size = (205 << 20) + 3
        self.rclone("mkdir", "there:rclone-large")
        source, back = self.file("large/big", size), self.path("back")
        self.rclone("copy", self.path("large"), "there:rclone-large")
        self.is_multipart("rclone-large", "big")
        self.rclone("check", "--download", self.path("large"), "there:rclone-large")
        self.rclone("copyto", "there:rclone-large/big", back)
        self.same_file(source, back)

    def test_parts_of_a_smaller_file(self):
        self.rclone("mkdir", "there:rclone-parts")
        source = self.file("folder/file", (11 << 20) + 3)
        options = ("--s3-upload-cutoff=5M", "--s3-copy-cutoff=5M")
        self.rclone("copyto", *options, source, "there:rclone-parts/file")
        self.is_multipart("rclone-parts", "file")
        # A copy in parts; the file's hash is in its metadata, and comes along.
        self.rclone("copyto", *options, "there:rclone-parts/file", "there:rclone-parts/copy/file")
        self.is_multipart("rclone-parts", "copy/file")
        self.rclone("check", self.path("folder"), "there:rclone-parts/copy")
        self.rclone("check", "--download", self.path("folder"), "there:rclone-parts/copy")

    def test_copies_and_moves_on_the_server(self):
        self.rclone("mkdir", "there:rclone-one")
        self.rclone("mkdir", "there:rclone-two")
        source, back = self.file("file", 70_000), self.path("back")
        self.rclone("copyto", source, "there:rclone-one/a/file")
        self.rclone("copyto", "there:rclone-one/a/file", "there:rclone-two/copy")
        self.rclone("moveto", "there:rclone-one/a/file", "there:rclone-two/b/moved")
        self.assertEqual(self.names("there:rclone-one"), [])
        self.assertEqual(self.names("there:rclone-two"), ["b/moved", "copy"])
        for name in ("copy", "b/moved"):
            self.rclone("copyto", f"there:rclone-two/{name}", back)
            self.same_file(source, back)
            os.remove(back)

    def test_listing_and_ranges(self):
        self.rclone("mkdir", "there:rclone-list")
        self.rclone("copyto", self.file("x", 200_000), "there:rclone-list/folder/x")
        rows = json.loads(self.rclone("lsjson", "there:rclone-list"))
        self.assertEqual([(r["Path"], r["IsDir"]) for r in rows], [("folder", True)])
        rows = json.loads(self.rclone("lsjson", "--hash", "there:rclone-list/folder"))
        self.assertEqual([(r["Path"], r["Size"]) for r in rows], [("x", 200_000)])
        self.assertEqual(rows[0]["ModTime"][:19], "2020-09-13T12:26:40")
        self.assertEqual(len(rows[0]["Hashes"]["md5"]), 32)
        body = pattern("x", 200_000)
        where = "there:rclone-list/folder/x"
        self.assertEqual(self.rclone("cat", where, text=False), body)
        some = self.rclone("cat", "--offset=65000", "--count=1000", where, text=False)
        self.assertEqual(some, body[65_000:66_000])
        self.assertEqual(self.rclone("cat", "--tail=77", where, text=False), body[-77:])


if __name__ == "__main__":
    unittest.main()
