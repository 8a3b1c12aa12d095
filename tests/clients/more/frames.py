"""What data is read and written with in Python, at default settings: pyarrow's own S3 client, s3fs
under pandas, and smart_open."""

import os
import sys
import unittest

import boto3
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import s3fs
import smart_open

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from common import ENDPOINT, Case, pattern, read


def table(rows):
    """A table whose columns are of several types."""
    return pyarrow.table({
        "number": list(range(rows)),
        "text": [f"row {number % 97} ü" for number in range(rows)],
        "group": [number % 3 for number in range(rows)],
    })


class Pyarrow(Case):
    def setUp(self):
        super().setUp()
        self.there = pyarrow.fs.S3FileSystem(
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=ENDPOINT, scheme="http", region="us-east-1",
        )

    def test_parquet_there_and_back(self):
        path = f"{self.bucket}/folder/table.parquet"
        pyarrow.parquet.write_table(table(50_000), path, filesystem=self.there)
        back = pyarrow.parquet.read_table(path, filesystem=self.there, columns=["text"])
        self.assertEqual(back, table(50_000).select(["text"]))

    def test_a_dataset_in_partitions(self):
        pyarrow.dataset.write_dataset(
            table(3000), f"{self.bucket}/set", filesystem=self.there, format="parquet",
            partitioning=["group"],
        )
        found = pyarrow.dataset.dataset(
            f"{self.bucket}/set", filesystem=self.there, partitioning=["group"]
        )
        back = found.to_table(filter=pyarrow.dataset.field("group") == 1)
        self.assertEqual(back["number"].to_pylist(), list(range(1, 3000, 3)))

    def test_streams_files_and_folders(self):
        body = pattern("arrow", (23 << 20) + 1)
        with self.there.open_output_stream(f"{self.bucket}/a/large") as out:
            for at in range(0, len(body), 1 << 20):
                out.write(body[at : at + (1 << 20)])
        with self.there.open_input_file(f"{self.bucket}/a/large") as file:
            self.assertEqual(file.read_at(1000, 11 << 20), body[11 << 20 : (11 << 20) + 1000])
            self.assertTrue(file.readall() == body)
        self.there.copy_file(f"{self.bucket}/a/large", f"{self.bucket}/b/copy")
        self.there.move(f"{self.bucket}/b/copy", f"{self.bucket}/b/moved")
        files = self.there.get_file_info(pyarrow.fs.FileSelector(self.bucket, recursive=True))
        names = {f.path.split("/", 1)[1]: f.size for f in files if f.is_file}
        self.assertEqual(names, {"a/large": len(body), "b/moved": len(body)})
        self.assertTrue(read(self.s3, self.bucket, "b/moved") == body)
        self.there.delete_dir(f"{self.bucket}/a")
        left = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="a/")
        self.assertNotIn("Contents", left)


class Pandas(Case):
    options = {"client_kwargs": {"endpoint_url": ENDPOINT}}

    def test_frames_there_and_back(self):
        frame = table(40_000).to_pandas()
        for name in ("parquet", "csv"):
            where = f"s3://{self.bucket}/deep/frame.{name}"
            if name == "csv":
                frame.to_csv(where, index=False, storage_options=self.options)
                back = pandas.read_csv(where, storage_options=self.options)
            else:
                frame.to_parquet(where, storage_options=self.options)
                back = pandas.read_parquet(where, storage_options=self.options)
            pandas.testing.assert_frame_equal(frame, back)

    def test_files_of_a_file_system(self):
        there = s3fs.S3FileSystem(**self.options)
        body = pattern("s3fs", (60 << 20) + 1)
        # Above a block of 50 MiB, so in parts.
        with there.open(f"{self.bucket}/a/large", "wb") as file:
            file.write(body)
        self.is_multipart(self.bucket, "a/large")
        with there.open(f"{self.bucket}/a/large", "rb") as file:
            file.seek(33 << 20)
            self.assertEqual(file.read(1000), body[33 << 20 : (33 << 20) + 1000])
        self.assertTrue(there.cat(f"{self.bucket}/a/large") == body)
        there.cp(f"{self.bucket}/a/large", f"{self.bucket}/b/copy")
        there.mv(f"{self.bucket}/b/copy", f"{self.bucket}/b/moved")
        names = [f"{self.bucket}/a/large", f"{self.bucket}/b/moved"]
        self.assertEqual(sorted(there.find(self.bucket)), names)
        self.assertTrue(read(self.s3, self.bucket, "b/moved") == body)
        there.rm(f"{self.bucket}/a", recursive=True)
        self.assertEqual(there.find(self.bucket), names[1:])


class SmartOpen(Case):
    def test_streams(self):
        body = pattern("smart", (60 << 20) + 1)
        given = {"client": boto3.client("s3", endpoint_url=ENDPOINT)}
        where = f"s3://{self.bucket}/large.bin"
        with smart_open.open(where, "wb", transport_params=given) as file:
            file.write(body)
        self.is_multipart(self.bucket, "large.bin")
        with smart_open.open(where, "rb", transport_params=given) as file:
            self.assertTrue(file.read() == body)
            file.seek(50 << 20)
            self.assertEqual(file.read(100), body[50 << 20 : (50 << 20) + 100])
        lines = [f"line {number} ü\n" for number in range(20_000)]
        packed = f"s3://{self.bucket}/lines.gz"
        with smart_open.open(packed, "w", encoding="utf-8", transport_params=given) as file:
            file.writelines(lines)
        with smart_open.open(packed, encoding="utf-8", transport_params=given) as file:
            self.assertEqual(list(file), lines)
        self.assertEqual(read(self.s3, self.bucket, "lines.gz")[:2], b"\x1f\x8b")


if __name__ == "__main__":
    unittest.main()
