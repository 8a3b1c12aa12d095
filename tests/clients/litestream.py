"""litestream as a person uses it, against a running server: a database that is written to comes
back as it was when the replica said that it has it all."""

import os
import signal
import sqlite3
import subprocess
import time
import unittest

from common import ENDPOINT, Command, client, listed_keys

LITESTREAM = os.environ["CLIENT"]


class Litestream(Command):
    def setUp(self):
        super().setUp()
        client().create_bucket(Bucket="litestream")
        self.config = self.path("litestream.yml")
        with open(self.config, "w") as file:
            file.write(
                f"dbs:\n  - path: {self.path('live.db')}\n    replica:\n      type: s3\n"
                f"      bucket: litestream\n      path: live\n      endpoint: {ENDPOINT}\n"
                "      force-path-style: true\n      region: us-east-1\n"
            )

    def rows(self, path):
        database = sqlite3.connect(path)
        try:
            self.assertEqual(database.execute("pragma integrity_check").fetchall(), [("ok",)])
            return database.execute("select id, text from row order by id").fetchall()
        finally:
            database.close()

    def restored_rows(self):
        """The rows of a restored copy; `None` while there is nothing to restore."""
        back = self.path("back.db")
        for end in ("", "-wal", "-shm"):
            if os.path.exists(back + end):
                os.remove(back + end)
        command = [LITESTREAM, "restore", "-config", self.config, "-o", back, self.path("live.db")]
        done = subprocess.run(command, capture_output=True, env=self.environment, timeout=60)
        self.said = done.stdout + done.stderr
        return self.rows(back) if done.returncode == 0 else None

    def test_replicate_and_restore(self):
        live = sqlite3.connect(self.path("live.db"))
        self.addCleanup(live.close)
        live.execute("pragma journal_mode = wal")
        live.execute("create table row (id integer primary key, text text)")
        live.commit()
        with open(self.path("log"), "wb") as log:
            replica = subprocess.Popen(
                [LITESTREAM, "replicate", "-config", self.config],
                stdout=log, stderr=log, env=self.environment,
            )
        try:
            for round in range(20):
                texts = [(f"{round}/{number} ü" * 20,) for number in range(500)]
                live.executemany("insert into row (text) values (?)", texts)
                live.execute("delete from row where id % 7 = ?", (round % 7,))
                live.commit()
            expected = live.execute("select id, text from row order by id").fetchall()
            self.until_restored(expected, replica)
            live.execute("update row set text = 'changed' where id % 2 = 0")
            live.commit()
            expected = live.execute("select id, text from row order by id").fetchall()
        finally:
            # Told to stop, it sends what is left.
            replica.send_signal(signal.SIGTERM)
            code = replica.wait(timeout=60)
        self.assertIn(code, (0, -signal.SIGTERM), self.log())
        self.until_restored(expected)
        self.assertTrue(listed_keys(client(), "litestream", Prefix="live/"))

    def until_restored(self, expected, replica=None):
        limit = time.monotonic() + 60
        while self.restored_rows() != expected:
            ended = replica is not None and replica.poll() is not None
            if ended or time.monotonic() > limit:
                self.fail(f"the replica does not follow: {self.said}\n{self.log()}")

    def log(self):
        with open(self.path("log"), errors="replace") as log:
            return log.read()[-4000:]


if __name__ == "__main__":
    unittest.main()
