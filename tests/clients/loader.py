"""boto3 under `kill -9`: writes until the server is gone, notes what was acknowledged, and later
reads all of it back.

    loader.py write BUCKET JOURNAL ROUND     runs until the connection breaks
    loader.py verify BUCKET JOURNAL          exits 1 and names the keys if anything is missing

A line of the journal is `KEY SIZE`, written only after the server answered 200; the bytes follow
from the key.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from common import client, pattern, read

THREADS = 4
SIZES = (0, 11, 700, 4096, 30_000, 65_536, 65_537, 300_000, 1_500_000)


def write(bucket, journal, round):
    s3 = client(retries={"max_attempts": 0, "mode": "standard"}, max_pool_connections=THREADS)
    lock = threading.Lock()
    with open(journal, "a", buffering=1) as log:

        def work(thread):
            for number in range(1_000_000):
                key = f"r{round}/t{thread}/{number:06}"
                size = SIZES[(number * 7 + thread) % len(SIZES)]
                try:
                    s3.put_object(Bucket=bucket, Key=key, Body=pattern(key, size))
                except (HTTPClientError, BotoCoreError):
                    return
                with lock:
                    log.write(f"{key} {size}\n")

        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(work, thread) for thread in range(THREADS)]:
                done.result()


def verify(bucket, journal):
    s3 = client(max_pool_connections=THREADS)
    with open(journal) as log:
        rows = [line.split() for line in log]

    def check(row):
        key, size = row
        try:
            body = read(s3, bucket, key)
        except ClientError as error:
            return f"{key}: {error}"
        return None if body == pattern(key, int(size)) else f"{key}: other bytes"

    with ThreadPoolExecutor(THREADS) as pool:
        wrong = [message for message in pool.map(check, rows) if message]
    for message in wrong:
        print(message)
    print(f"{len(rows)} acknowledged, {len(wrong)} wrong")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    if sys.argv[1] == "write":
        sys.exit(write(sys.argv[2], sys.argv[3], sys.argv[4]))
    sys.exit(verify(sys.argv[2], sys.argv[3]))
