"""boto3's upper layers with their default settings: resources, managed transfers in parts, every
checksum algorithm, and the URLs that it presigns unless told otherwise."""

import base64
import hashlib
import io
import unittest
import zlib
from urllib.error import HTTPError

import awscrt.checksums
import boto3

from common import ENDPOINT, Case, Command, pattern, read, request


def resource():
    """boto3's resource layer, for the root keys of the environment."""
    return boto3.resource("s3", endpoint_url=ENDPOINT)


class Resources(Case):
    def setUp(self):
        super().setUp()
        self.there = resource().Bucket(self.bucket)

    def test_collections(self):
        keys = sorted(f"{folder}/{number:04}" for folder in "ab" for number in range(550))
        for key in keys:
            self.there.put_object(Key=key, Body=key.encode())
        self.assertEqual([item.key for item in self.there.objects.all()], keys)
        some = self.there.objects.filter(Prefix="b/")
        self.assertEqual([item.key for item in some], keys[550:])
        self.assertEqual([item.key for item in self.there.objects.limit(3)], keys[:3])
        self.there.objects.filter(Prefix="a/").delete()
        self.assertEqual([item.key for item in self.there.objects.all()], keys[550:])
        self.there.objects.all().delete()
        self.there.delete()
        self.assertNotIn(self.bucket, [bucket.name for bucket in resource().buckets.all()])

    def test_an_object(self):
        item = self.there.Object("folder/item")
        item.put(Body=b"first", ContentType="text/x-test", Metadata={"colour": "blue"})
        item.wait_until_exists()
        self.assertEqual(item.get()["Body"].read(), b"first")
        self.assertEqual(item.content_length, 5)
        self.assertEqual(item.metadata, {"colour": "blue"})
        # A copy brings the headers along; one that replaces them keeps the bytes.
        copy = self.there.Object("copy")
        copy.copy_from(CopySource={"Bucket": self.bucket, "Key": "folder/item"})
        self.assertEqual((copy.content_type, copy.metadata), ("text/x-test", {"colour": "blue"}))
        copy.copy_from(
            CopySource={"Bucket": self.bucket, "Key": "copy"},
            MetadataDirective="REPLACE",
            Metadata={"colour": "red"},
        )
        copy.reload()
        self.assertEqual((copy.get()["Body"].read(), copy.metadata), (b"first", {"colour": "red"}))
        item.delete()
        item.wait_until_not_exists()
        self.assertEqual([left.key for left in self.there.objects.all()], ["copy"])

    def test_versions_of_a_bucket(self):
        self.there.Versioning().enable()
        for body in (b"one", b"two"):
            self.there.put_object(Key="key", Body=body)
        self.there.Object("key").delete()
        versions = list(self.there.object_versions.filter(Prefix="key"))
        bodies = [v.get()["Body"].read() for v in versions if v.size is not None]
        self.assertEqual((len(versions), bodies), (3, [b"two", b"one"]))
        self.there.object_versions.delete()
        self.assertEqual(list(self.there.object_versions.all()), [])

    def test_parts_by_hand(self):
        upload = self.there.Object("parts").initiate_multipart_upload(ContentType="text/x-test")
        pieces = [pattern("one", 5 << 20), pattern("two", 1000)]
        parts = []
        for number, piece in reversed(list(enumerate(pieces, 1))):
            answer = upload.Part(number).upload(Body=piece)
            parts.insert(0, {"PartNumber": number, "ETag": answer["ETag"]})
        self.assertEqual([part.size for part in upload.parts.all()], [5 << 20, 1000])
        self.assertEqual([u.id for u in self.there.multipart_uploads.all()], [upload.id])
        item = upload.complete(MultipartUpload={"Parts": parts})
        self.assertEqual(item.get()["Body"].read(), b"".join(pieces))
        self.assertEqual(item.content_type, "text/x-test")
        other = self.there.Object("given-up").initiate_multipart_upload()
        other.Part(1).upload(Body=b"never seen")
        other.abort()
        self.assertEqual(list(self.there.multipart_uploads.all()), [])
        self.assertEqual([left.key for left in self.there.objects.all()], ["parts"])


class Transfers(Case, Command):
    def setUp(self):
        Case.setUp(self)
        Command.setUp(self)

    def test_a_file_in_parts_there_and_back(self):
        source, back = self.file("source", (21 << 20) + 5), self.path("back")
        sent, received = [], []
        self.s3.upload_file(
            source, self.bucket, "large", Callback=sent.append,
            ExtraArgs={"ContentType": "text/x-test", "Metadata": {"colour": "blue"}},
        )
        self.is_multipart(self.bucket, "large")
        self.s3.download_file(self.bucket, "large", back, Callback=received.append)
        self.same_file(source, back)
        self.assertEqual((sum(sent), sum(received)), ((21 << 20) + 5,) * 2)
        head = self.s3.head_object(Bucket=self.bucket, Key="large")
        self.assertEqual(head["ContentType"], "text/x-test")
        self.assertEqual(head["Metadata"], {"colour": "blue"})

    def test_a_small_file_is_one_request(self):
        source, back = self.file("source", 70_001), self.path("back")
        self.s3.upload_file(source, self.bucket, "small")
        self.assertNotIn("-", self.s3.head_object(Bucket=self.bucket, Key="small")["ETag"])
        self.s3.download_file(self.bucket, "small", back)
        self.same_file(source, back)

    def test_a_stream_whose_length_nobody_knows(self):
        body = pattern("stream", (9 << 20) + 1)

        class Stream(io.RawIOBase):
            """Can be read once and not be asked for its length."""

            rest = io.BytesIO(body)

            def readable(self):
                return True

            def read(self, size=-1):
                return self.rest.read(size)

        self.s3.upload_fileobj(Stream(), self.bucket, "stream")
        self.is_multipart(self.bucket, "stream")
        back = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "stream", back)
        self.assertTrue(back.getvalue() == body)

    def test_managed_copies(self):
        for name, size in (("small", 1000), ("large", (17 << 20) + 3)):
            source, back = self.file(name, size), self.path("back")
            self.s3.upload_file(source, self.bucket, name)
            self.s3.copy({"Bucket": self.bucket, "Key": name}, self.bucket, f"{name}-copy")
            self.s3.delete_object(Bucket=self.bucket, Key=name)
            self.s3.download_file(self.bucket, f"{name}-copy", back)
            self.same_file(source, back)
        self.is_multipart(self.bucket, "large-copy")


class Checksums(Case):
    body = pattern("checksums", 70_003)

    def expected(self):
        """Each algorithm's digest of the body, from code that the client does not use if there is
        any."""
        crt = awscrt.checksums
        return {
            "CRC32": zlib.crc32(self.body).to_bytes(4, "big"),
            "CRC32C": crt.crc32c(self.body).to_bytes(4, "big"),
            "CRC64NVME": crt.crc64nvme(self.body).to_bytes(8, "big"),
            "SHA1": hashlib.sha1(self.body).digest(),
            "SHA256": hashlib.sha256(self.body).digest(),
        }

    def test_every_algorithm_is_stored_and_given_back(self):
        for name, digest in self.expected().items():
            with self.subTest(name):
                text = base64.b64encode(digest).decode()
                field = f"Checksum{name}"
                self.assertEqual(self.put(name, self.body, ChecksumAlgorithm=name)[field], text)
                stream = io.BytesIO(self.body)
                self.assertEqual(self.put("s", stream, ChecksumAlgorithm=name)[field], text)
                got = self.s3.get_object(Bucket=self.bucket, Key=name, ChecksumMode="ENABLED")
                self.assertEqual(got[field], text)
                self.assertEqual(got["Body"].read(), self.body)

    def test_every_algorithm_refuses_other_bytes(self):
        for name, digest in self.expected().items():
            with self.subTest(name):
                wrong = {f"Checksum{name}": base64.b64encode(digest).decode()}
                self.refused("BadDigest", 400, lambda: self.put("k", self.body[:-1], **wrong))
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))

    def test_every_algorithm_for_parts(self):
        large = self.body * 80
        for name in self.expected():
            with self.subTest(name):
                self.s3.upload_fileobj(
                    io.BytesIO(large * 2), self.bucket, name,
                    ExtraArgs={"ChecksumAlgorithm": name},
                )
                head = self.s3.head_object(Bucket=self.bucket, Key=name, ChecksumMode="ENABLED")
                self.assertIn("-", head["ETag"])
                self.assertTrue(head[f"Checksum{name}"])
                self.assertTrue(read(self.s3, self.bucket, name) == large * 2)


class Presigned(Case):
    """Version 2 in us-east-1, as botocore does by itself."""

    def url(self, operation, **params):
        params["Bucket"] = self.bucket
        s3 = boto3.client("s3", endpoint_url=ENDPOINT)
        url = s3.generate_presigned_url(operation, Params=params, ExpiresIn=60)
        self.assertIn("Signature=", url)
        self.assertNotIn("X-Amz", url)
        return url

    def test_put_then_get(self):
        body = pattern("presigned", 5000)
        url = self.url("put_object", Key="a b/ü", ContentType="text/x-test")
        status, _ = request("PUT", url, body, {"Content-Type": "text/x-test"})
        self.assertEqual(status, 200)
        self.assertEqual(read(self.s3, self.bucket, "a b/ü"), body)
        self.assertEqual(request("GET", self.url("get_object", Key="a b/ü")), (200, body))

    def test_what_was_not_signed_is_refused(self):
        self.put("key", b"x")
        put = self.url("put_object", Key="key", ContentType="text/x-test")
        get = self.url("get_object", Key="key")
        for method, url, headers in (
            ("PUT", put, {"Content-Type": "text/y-test"}),
            ("PUT", get, {}),
            ("DELETE", get, {}),
            ("GET", get.replace("/key?", "/other?"), {}),
            ("GET", get.replace("Expires=", "Expires=1"), {}),
        ):
            with self.subTest(method, url=url), self.assertRaises(HTTPError) as caught:
                request(method, url, b"new" if method == "PUT" else None, headers)
            self.assertEqual(caught.exception.code, 403)
        self.assertEqual(read(self.s3, self.bucket, "key"), b"x")


if __name__ == "__main__":
    unittest.main()
