"""mc as a person uses it, against a running server."""

import json
import os
import unittest

from common import ENDPOINT, Command, client, pattern, read

MC = os.environ["CLIENT"]


class Mc(Command):
    def setUp(self):
        super().setUp()
        keys = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        self.mc("alias", "set", "there", ENDPOINT, *keys)

    def mc(self, *arguments, code=0, text=True):
        return self.run_for([MC, "--config-dir", self.path(".mc"), *arguments], code, text)

    def rows(self, *arguments):
        return [json.loads(line) for line in self.mc("--json", *arguments).splitlines()]

    def test_mirror_there_and_back(self):
        self.mc("mb", "there/mc-mirror")
        for number in range(200):
            self.file(f"tree/{number % 5}/file {number}", 100 * number)
        tree, back, there = self.path("tree"), self.path("back"), "there/mc-mirror/copy"
        self.mc("mirror", tree, there)
        self.assertEqual(self.mc("diff", tree, there), "")
        os.remove(self.path("tree/0/file 0"))
        self.file("tree/1/file 1", 99, "changed")
        self.assertEqual(len(self.mc("diff", tree, there).splitlines()), 2)
        self.mc("mirror", "--overwrite", "--remove", tree, there)
        self.assertEqual(self.mc("diff", tree, there), "")
        self.mc("mirror", there, back)
        self.same_tree(tree, back)
        self.assertEqual(len(self.rows("find", there)), 199)
        found = self.rows("find", there, "--name", "file 19*")
        self.assertEqual(len(found), 11)
        size = sum(os.path.getsize(os.path.join(f, n)) for f, _, ns in os.walk(tree) for n in ns)
        self.assertEqual(self.rows("du", there)[0]["size"], size)
        self.mc("rm", "--recursive", "--force", there)
        self.assertEqual(self.rows("ls", "--recursive", "there/mc-mirror"), [])
        self.mc("rb", "there/mc-mirror")
        self.assertNotIn("mc-mirror", self.mc("ls", "there"))

    def test_objects(self):
        self.mc("mb", "there/mc-objects")
        source, back = self.file("a b/ü", 12_345), self.path("back")
        self.mc("cp", "--attr", "colour=blue", source, "there/mc-objects/deep/a b/ü")
        self.assertEqual(
            self.mc("cat", "there/mc-objects/deep/a b/ü", text=False), pattern("a b/ü", 12_345)
        )
        about = self.rows("stat", "there/mc-objects/deep/a b/ü")[0]
        self.assertEqual(about["size"], 12_345)
        self.assertIn("blue", about["metadata"].values())
        self.mc("cp", "there/mc-objects/deep/a b/ü", back)
        self.same_file(source, back)
        self.mc("cp", "there/mc-objects/deep/a b/ü", "there/mc-objects/copy")
        self.mc("mv", "there/mc-objects/copy", "there/mc-objects/moved")
        names = sorted(row["key"] for row in self.rows("ls", "--recursive", "there/mc-objects"))
        self.assertEqual(names, ["deep/a b/ü", "moved"])
        self.assertEqual(read(client(), "mc-objects", "moved"), pattern("a b/ü", 12_345))
        self.mc("stat", "there/mc-objects/copy", code=1)
        self.mc("rb", "there/mc-objects", code=1)
        self.mc("rb", "--force", "there/mc-objects")
        self.assertNotIn("mc-objects", self.mc("ls", "there"))

    def test_a_large_file_goes_in_parts(self):
        self.mc("mb", "there/mc-parts")
        source, back = self.file("big", (70 << 20) + 3), self.path("back")
        self.mc("cp", source, "there/mc-parts/big")
        self.is_multipart("mc-parts", "big")
        self.mc("cp", "there/mc-parts/big", back)
        self.same_file(source, back)
        self.run_for(["sh", "-c", f"cat '{source}' | '{MC}' --config-dir .mc pipe "
                      "there/mc-parts/piped"])
        self.mc("cp", "there/mc-parts/piped", back)
        self.same_file(source, back)


if __name__ == "__main__":
    unittest.main()
