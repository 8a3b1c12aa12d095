"""restic as a person uses it, against a running server: what was backed up comes back."""

import json
import os
import shutil
import unittest

from common import ENDPOINT, Command, client, listed_keys

RESTIC = os.environ["CLIENT"]


class Restic(Command):
    def setUp(self):
        super().setUp()
        self.environment["RESTIC_REPOSITORY"] = f"s3:{ENDPOINT}/restic-backups/host"
        self.environment["RESTIC_PASSWORD"] = "of these tests"

    def restic(self, *arguments, code=0):
        return self.run_for([RESTIC, *arguments], code)

    def restored(self, snapshot):
        target = self.path("restored", snapshot)
        self.restic("restore", snapshot, "--target", target)
        return os.path.join(target, self.path("tree").lstrip("/"))

    def test_a_life_of_backups(self):
        # It makes its bucket by itself.
        self.restic("init")
        for number in range(120):
            self.file(f"tree/{number % 4}/file {number}", 1000 * number)
        # Several packs' worth, and a file that is cut in pieces.
        self.file("tree/big", (40 << 20) + 1)
        first = self.path("first")
        shutil.copytree(self.path("tree"), first)
        self.restic("backup", self.path("tree"))

        os.remove(self.path("tree/0/file 0"))
        self.file("tree/1/file 1", 5000, "changed")
        self.file("tree/new", 3 << 20)
        self.restic("backup", self.path("tree"))
        self.restic("check", "--read-data")
        ids = [row["short_id"] for row in json.loads(self.restic("snapshots", "--json"))]
        self.assertEqual(len(ids), 2)
        self.same_tree(first, self.restored(ids[0]))
        self.same_tree(self.path("tree"), self.restored(ids[1]))

        before = len(listed_keys(client(), "restic-backups", Prefix="host/"))
        # So that the first backup's data can go, it must not be shared with the second's.
        self.file("tree/big", (40 << 20) + 1, "another big file")
        self.restic("backup", self.path("tree"))
        self.restic("forget", "--keep-last=1", "--prune")
        self.assertEqual(len(json.loads(self.restic("snapshots", "--json"))), 1)
        self.assertLessEqual(len(listed_keys(client(), "restic-backups", Prefix="host/")), before)
        self.restic("check", "--read-data")
        self.same_tree(self.path("tree"), self.restored("latest"))

    def test_rot_is_found(self):
        self.environment["RESTIC_REPOSITORY"] = f"s3:{ENDPOINT}/restic-rot"
        self.restic("init")
        self.file("tree/file", 100_000)
        self.restic("backup", self.path("tree"))
        self.restic("check", "--read-data")
        s3 = client()
        pack = next(
            row for row in s3.list_objects_v2(Bucket="restic-rot", Prefix="data/")["Contents"]
            if row["Size"] > 50_000
        )
        s3.put_object(Bucket="restic-rot", Key=pack["Key"], Body=b"x" * pack["Size"])
        self.restic("check", "--read-data", code=1)


if __name__ == "__main__":
    unittest.main()
