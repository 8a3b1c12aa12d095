"""boto3 with its default settings against a running server: one test per promise."""

import base64
import hashlib
import io
import unittest
import urllib.request
import zlib

import botocore

from common import ENDPOINT, Case, client, listed_keys, pattern, read


class Buckets(Case):
    def test_lifecycle(self):
        self.s3.head_bucket(Bucket=self.bucket)
        self.assertIn(self.bucket, [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        self.put("a")
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=self.bucket)
        self.s3.delete_object(Bucket=self.bucket, Key="a")
        self.s3.delete_bucket(Bucket=self.bucket)
        self.refused("404", 404, self.s3.head_bucket, Bucket=self.bucket)
        self.refused("NoSuchBucket", 404, self.s3.list_objects_v2, Bucket=self.bucket)
        self.assertNotIn(self.bucket, [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        self.s3.create_bucket(Bucket=self.bucket)
        self.assertEqual(listed_keys(self.s3, self.bucket), [])

    def test_location_is_us_east_1(self):
        answer = self.s3.get_bucket_location(Bucket=self.bucket)
        self.assertIsNone(answer["LocationConstraint"])

    def test_versioning_state(self):
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=self.bucket))
        for state in ("Enabled", "Suspended"):
            self.s3.put_bucket_versioning(
                Bucket=self.bucket, VersioningConfiguration={"Status": state}
            )
            self.assertEqual(self.s3.get_bucket_versioning(Bucket=self.bucket)["Status"], state)

    def test_settings_were_never_made(self):
        for read, code in (
            (self.s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
            (self.s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
            (self.s3.get_bucket_tagging, "NoSuchTagSet"),
        ):
            self.refused(code, 404, read, Bucket=self.bucket)
        acl = self.s3.get_bucket_acl(Bucket=self.bucket)
        self.assertEqual([grant["Permission"] for grant in acl["Grants"]], ["FULL_CONTROL"])
        self.assertEqual(acl["Grants"][0]["Grantee"]["Type"], "CanonicalUser")
        block = self.s3.get_public_access_block(Bucket=self.bucket)
        block = block["PublicAccessBlockConfiguration"]
        self.assertEqual(list(block.values()), [True] * 4)
        self.s3.put_public_access_block(
            Bucket=self.bucket, PublicAccessBlockConfiguration=block
        )
        self.s3.put_bucket_acl(Bucket=self.bucket, ACL="private")
        policy = {key: acl[key] for key in ("Grants", "Owner")}
        self.s3.put_bucket_acl(Bucket=self.bucket, AccessControlPolicy=policy)
        self.s3.delete_bucket_cors(Bucket=self.bucket)

    def test_what_nothing_would_obey_is_501(self):
        self.refused(
            "NotImplemented", 501, self.s3.put_bucket_policy, Bucket=self.bucket, Policy="{}"
        )
        tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
        self.refused(
            "NotImplemented", 501, self.s3.put_bucket_tagging, Bucket=self.bucket, Tagging=tags
        )


class Objects(Case):
    def test_round_trip_of_every_size_class(self):
        for size in (0, 1, 4095, 4096, 65_535, 65_536, 65_537, 1 << 20, (5 << 20) + 3):
            body = pattern(size, size)
            put = self.put(f"size-{size}", body)
            self.assertEqual(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
            head = self.s3.head_object(Bucket=self.bucket, Key=f"size-{size}")
            self.assertEqual((head["ContentLength"], head["ETag"]), (size, put["ETag"]))
            self.assertEqual(read(self.s3, self.bucket, f"size-{size}"), body)

    def test_fifty_mebibytes_in_one_part(self):
        body = pattern("fifty", 50 << 20)
        put = self.put("large", body)
        self.assertEqual(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
        self.assertEqual(read(self.s3, self.bucket, "large"), body)
        part = read(self.s3, self.bucket, "large", Range=f"bytes={33 << 20}-{(33 << 20) + 99_999}")
        self.assertEqual(part, body[33 << 20 : (33 << 20) + 100_000])

    def test_overwrite_shows_only_the_newest(self):
        for round in range(5):
            self.put("key", pattern(round, 100_000 * round + 7))
            self.assertEqual(
                read(self.s3, self.bucket, "key"), pattern(round, 100_000 * round + 7)
            )
        self.assertEqual(listed_keys(self.s3, self.bucket), ["key"])

    def test_delete_is_idempotent_and_final(self):
        self.put("key")
        for _ in range(2):
            answer = self.s3.delete_object(Bucket=self.bucket, Key="key")
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused("NoSuchKey", 404, self.s3.get_object, Bucket=self.bucket, Key="key")
        self.refused("404", 404, self.s3.head_object, Bucket=self.bucket, Key="key")

    def test_headers_and_user_metadata_come_back(self):
        self.put(
            "key",
            b"body",
            ContentType="text/x-test; charset=utf-8",
            CacheControl="max-age=7",
            ContentDisposition='attachment; filename="a b.txt"',
            ContentEncoding="identity",
            ContentLanguage="de",
            Metadata={"colour": "blue", "empty": ""},
        )
        head = self.s3.head_object(Bucket=self.bucket, Key="key")
        self.assertEqual(head["ContentType"], "text/x-test; charset=utf-8")
        self.assertEqual(head["CacheControl"], "max-age=7")
        self.assertEqual(head["ContentDisposition"], 'attachment; filename="a b.txt"')
        self.assertEqual(head["ContentLanguage"], "de")
        self.assertEqual(head["Metadata"]["colour"], "blue")
        self.assertEqual(head["AcceptRanges"], "bytes")

    def test_ranges(self):
        body = pattern("ranges", 200_000)
        self.put("key", body)
        for spec, first, last in (
            ("bytes=0-0", 0, 0),
            ("bytes=65535-65536", 65_535, 65_536),
            ("bytes=131072-", 131_072, 199_999),
            ("bytes=-1", 199_999, 199_999),
            ("bytes=-500000", 0, 199_999),
            ("bytes=199999-900000", 199_999, 199_999),
        ):
            answer = self.s3.get_object(Bucket=self.bucket, Key="key", Range=spec)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206, spec)
            self.assertEqual(answer["ContentRange"], f"bytes {first}-{last}/200000", spec)
            self.assertEqual(answer["Body"].read(), body[first : last + 1], spec)
        self.refused(
            "InvalidRange", 416, self.s3.get_object,
            Bucket=self.bucket, Key="key", Range="bytes=200000-",
        )

    def test_conditional_reads(self):
        tag = self.put("key", b"one")["ETag"]
        get = self.s3.get_object
        self.assertEqual(get(Bucket=self.bucket, Key="key", IfMatch=tag)["Body"].read(), b"one")
        self.refused(
            "PreconditionFailed", 412, get, Bucket=self.bucket, Key="key", IfMatch='"other"'
        )
        self.refused("304", 304, get, Bucket=self.bucket, Key="key", IfNoneMatch=tag)
        stamp = self.s3.head_object(Bucket=self.bucket, Key="key")["LastModified"]
        self.refused("304", 304, get, Bucket=self.bucket, Key="key", IfModifiedSince=stamp)

    def test_conditional_writes(self):
        self.put("key", b"one", IfNoneMatch="*")
        put = lambda **more: self.put("key", b"two", **more)
        self.refused("PreconditionFailed", 412, put, IfNoneMatch="*")
        self.refused("PreconditionFailed", 412, put, IfMatch='"other"')
        self.assertEqual(read(self.s3, self.bucket, "key"), b"one")
        tag = self.s3.head_object(Bucket=self.bucket, Key="key")["ETag"]
        put(IfMatch=tag)
        self.assertEqual(read(self.s3, self.bucket, "key"), b"two")

    def test_delete_objects_reports_each_key(self):
        for number in range(10):
            self.put(f"k{number}")
        wanted = [{"Key": f"k{number}"} for number in range(10)] + [{"Key": "never-there"}]
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": wanted})
        self.assertEqual({d["Key"] for d in answer["Deleted"]}, {w["Key"] for w in wanted})
        self.assertNotIn("Errors", answer)
        self.assertEqual(listed_keys(self.s3, self.bucket), [])
        self.put("quiet")
        answer = self.s3.delete_objects(
            Bucket=self.bucket, Delete={"Objects": [{"Key": "quiet"}], "Quiet": True}
        )
        self.assertNotIn("Deleted", answer)
        self.assertEqual(listed_keys(self.s3, self.bucket), [])

    def test_odd_keys_are_bytes_not_paths(self):
        keys = [
            "a", "a/", "a/b", "a//b", "/a", "//", ".", "..", "../a", "a/../b", "a/./b",
            " ", " lead", "trail ", "a b", "a+b", "a%2Fb", "%", "%00", "?", "#", "&=;:@$,",
            "quote'\"<>&", "tab\tx", "ümlaut", "e\u0301", "日本語/キー", "😀", "\u200b",
            "x" * 1024, "é" * 512, "con", "a\\b", "*", "~", "`|^{}[]",
        ]
        for number, key in enumerate(keys):
            self.put(key, pattern(number, 100 + number))
        expected = sorted(keys, key=lambda key: key.encode())
        self.assertEqual(listed_keys(self.s3, self.bucket), expected)
        for number, key in enumerate(keys):
            self.assertEqual(
                read(self.s3, self.bucket, key), pattern(number, 100 + number), repr(key)
            )
        for key in keys:
            self.s3.delete_object(Bucket=self.bucket, Key=key)
        self.assertEqual(listed_keys(self.s3, self.bucket), [])

    def test_a_key_of_1025_bytes_is_too_long(self):
        self.refused("KeyTooLongError", 400, lambda: self.put("x" * 1025))


class Integrity(Case):
    def test_default_checksum_is_stored_and_returned(self):
        body = b"checked"
        expected = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        self.assertEqual(self.put("key", body)["ChecksumCRC32"], expected)
        head = self.s3.head_object(Bucket=self.bucket, Key="key", ChecksumMode="ENABLED")
        self.assertEqual(head["ChecksumCRC32"], expected)
        # boto3 verifies what it reads against the checksum by itself.
        self.assertEqual(read(self.s3, self.bucket, "key", ChecksumMode="ENABLED"), body)

    def test_other_algorithms(self):
        body = pattern("algorithms", 70_000)
        for name, digest in (
            ("SHA256", hashlib.sha256(body).digest()),
            ("SHA1", hashlib.sha1(body).digest()),
        ):
            put = self.put(name, body, ChecksumAlgorithm=name)
            self.assertEqual(put[f"Checksum{name}"], base64.b64encode(digest).decode())
            self.assertEqual(read(self.s3, self.bucket, name, ChecksumMode="ENABLED"), body)

    def test_a_stream_is_sent_in_signed_or_trailing_chunks(self):
        body = pattern("stream", 300_000)
        self.put("stream", io.BytesIO(body))
        self.assertEqual(read(self.s3, self.bucket, "stream"), body)

    def test_content_md5(self):
        body = b"with md5"
        good = base64.b64encode(hashlib.md5(body).digest()).decode()
        bad = base64.b64encode(hashlib.md5(b"else").digest()).decode()
        self.put("key", body, ContentMD5=good)
        self.refused("BadDigest", 400, lambda: self.put("bad", body, ContentMD5=bad))
        self.refused("InvalidDigest", 400, lambda: self.put("bad", body, ContentMD5="zzz"))
        self.assertEqual(listed_keys(self.s3, self.bucket), ["key"])

    def test_a_wrong_checksum_stores_nothing(self):
        wrong = base64.b64encode(b"\0\0\0\1").decode()
        self.refused("BadDigest", 400, lambda: self.put("bad", b"body", ChecksumCRC32=wrong))
        self.assertEqual(listed_keys(self.s3, self.bucket), [])


class Listing(Case):
    def setUp(self):
        super().setUp()
        self.keys = sorted(
            [f"plain-{n:03}" for n in range(25)]
            + [f"photos/{year}/{n}.jpg" for year in (2024, 2025) for n in range(6)]
            + ["photos/index", "photos0", "z"]
        )
        for key in self.keys:
            self.put(key)

    def test_pages_join_to_the_whole(self):
        for size in (1, 7, 1000):
            keys = listed_keys(self.s3, self.bucket, PaginationConfig={"PageSize": size})
            self.assertEqual(keys, self.keys, size)

    def test_version_1_pages_join_to_the_whole(self):
        pages = self.s3.get_paginator("list_objects").paginate(
            Bucket=self.bucket, PaginationConfig={"PageSize": 6}
        )
        self.assertEqual([i["Key"] for p in pages for i in p.get("Contents", [])], self.keys)

    def test_prefix_and_start_after(self):
        self.assertEqual(
            listed_keys(self.s3, self.bucket, Prefix="photos/2025/"),
            [key for key in self.keys if key.startswith("photos/2025/")],
        )
        self.assertEqual(
            listed_keys(self.s3, self.bucket, StartAfter="plain-020"),
            [key for key in self.keys if key > "plain-020"],
        )

    def test_delimiter_folds_and_counts(self):
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="photos/", Delimiter="/")
        self.assertEqual(
            [p["Prefix"] for p in answer["CommonPrefixes"]], ["photos/2024/", "photos/2025/"]
        )
        self.assertEqual([c["Key"] for c in answer["Contents"]], ["photos/index"])
        self.assertEqual(answer["KeyCount"], 3)

    def test_delimiter_pages_neither_repeat_nor_skip(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Delimiter="/", PaginationConfig={"PageSize": 1}
        )
        seen = []
        for page in pages:
            seen += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            seen += [c["Key"] for c in page.get("Contents", [])]
        expected = sorted({"photos/"} | {k for k in self.keys if "/" not in k})
        self.assertEqual(seen, expected)

    def test_rows_tell_size_tag_and_class(self):
        row = self.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=1)["Contents"][0]
        self.assertEqual((row["Size"], row["StorageClass"]), (1, "STANDARD"))
        self.assertEqual(row["ETag"], f'"{hashlib.md5(b"x").hexdigest()}"')

    def test_url_encoding_of_keys(self):
        self.put("z z/+\u00fc")
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="z ", EncodingType="url")
        self.assertEqual(answer["EncodingType"], "url")
        self.assertIn(answer["Contents"][0]["Key"], ("z+z/%2B%C3%BC", "z%20z/%2B%C3%BC"))

    def test_max_keys_zero(self):
        answer = self.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=0)
        self.assertEqual((answer["KeyCount"], answer["IsTruncated"]), (0, False))


class Versions(Case):
    def setUp(self):
        super().setUp()
        self.set_versioning("Enabled")

    def set_versioning(self, state):
        self.s3.put_bucket_versioning(
            Bucket=self.bucket, VersioningConfiguration={"Status": state}
        )

    def versions(self, **arguments):
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, **arguments
        )
        rows, markers = [], []
        for page in pages:
            rows += page.get("Versions", [])
            markers += page.get("DeleteMarkers", [])
        return rows, markers

    def test_each_put_is_a_version_newest_first(self):
        ids = [self.put("key", pattern(n, 50 + n))["VersionId"] for n in range(4)]
        self.assertEqual(len(set(ids)), 4)
        rows, _ = self.versions()
        self.assertEqual([row["VersionId"] for row in rows], ids[::-1])
        self.assertEqual([row["IsLatest"] for row in rows], [True, False, False, False])
        for number, version in enumerate(ids):
            body = read(self.s3, self.bucket, "key", VersionId=version)
            self.assertEqual(body, pattern(number, 50 + number))

    def test_delete_marker_hides_and_its_removal_restores(self):
        self.put("key", b"one")
        marker = self.s3.delete_object(Bucket=self.bucket, Key="key")
        self.assertTrue(marker["DeleteMarker"])
        self.refused("NoSuchKey", 404, self.s3.get_object, Bucket=self.bucket, Key="key")
        self.assertEqual(listed_keys(self.s3, self.bucket), [])
        self.refused(
            "MethodNotAllowed", 405, self.s3.get_object,
            Bucket=self.bucket, Key="key", VersionId=marker["VersionId"],
        )
        rows, markers = self.versions()
        self.assertEqual((len(rows), len(markers)), (1, 1))
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=self.bucket)
        self.s3.delete_object(Bucket=self.bucket, Key="key", VersionId=marker["VersionId"])
        self.assertEqual(read(self.s3, self.bucket, "key"), b"one")

    def test_deleting_the_newest_version_brings_the_one_before(self):
        self.put("key", b"one")
        second = self.put("key", b"two")["VersionId"]
        self.s3.delete_object(Bucket=self.bucket, Key="key", VersionId=second)
        self.assertEqual(read(self.s3, self.bucket, "key"), b"one")
        self.refused(
            "NoSuchVersion", 404, self.s3.get_object,
            Bucket=self.bucket, Key="key", VersionId=second,
        )

    def test_suspended_overwrites_only_the_null_version(self):
        kept = self.put("key", b"kept")["VersionId"]
        self.set_versioning("Suspended")
        for body in (b"null one", b"null two"):
            self.put("key", body)
        rows, _ = self.versions()
        self.assertEqual([row["VersionId"] for row in rows], ["null", kept])
        self.assertEqual(read(self.s3, self.bucket, "key", VersionId="null"), b"null two")
        self.s3.delete_object(Bucket=self.bucket, Key="key")
        rows, markers = self.versions()
        self.assertEqual([row["VersionId"] for row in rows], [kept])
        self.assertEqual([marker["VersionId"] for marker in markers], ["null"])

    def test_objects_from_before_versioning_are_null_versions(self):
        bucket = self.bucket + "-2"
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(Bucket=bucket, Key="key", Body=b"before")
        self.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        self.s3.put_object(Bucket=bucket, Key="key", Body=b"after")
        self.assertEqual(read(self.s3, bucket, "key", VersionId="null"), b"before")
        self.assertEqual(read(self.s3, bucket, "key"), b"after")

    def test_version_pages_join_to_the_whole(self):
        for number in range(3):
            for key in ("a", "b", "c"):
                self.put(key, pattern(number, 10))
        whole, _ = self.versions()
        paged, _ = self.versions(PaginationConfig={"PageSize": 2})
        key = lambda row: (row["Key"], row["VersionId"])
        self.assertEqual([key(r) for r in paged], [key(r) for r in whole])
        self.assertEqual(len(whole), 9)

    def test_delete_objects_with_versions(self):
        ids = [self.put("key", pattern(n, 9))["VersionId"] for n in range(3)]
        answer = self.s3.delete_objects(
            Bucket=self.bucket,
            Delete={"Objects": [{"Key": "key", "VersionId": v} for v in ids]},
        )
        self.assertEqual({d["VersionId"] for d in answer["Deleted"]}, set(ids))
        self.assertEqual(self.versions(), ([], []))
        self.s3.delete_bucket(Bucket=self.bucket)


class Presigned(Case):
    def open(self, method, operation, body=None, expires=60, **params):
        s3 = client(signature_version="s3v4")
        url = s3.generate_presigned_url(
            operation, Params={"Bucket": self.bucket, **params}, ExpiresIn=expires
        )
        request = urllib.request.Request(url, method=method, data=body)
        return urllib.request.urlopen(request, timeout=10)

    def test_put_get_head_delete(self):
        body = pattern("presigned", 5000)
        self.open("PUT", "put_object", body, Key="a b/ü")
        with self.open("GET", "get_object", Key="a b/ü") as answer:
            self.assertEqual(answer.read(), body)
        with self.open("HEAD", "head_object", Key="a b/ü") as answer:
            self.assertEqual(answer.headers["Content-Length"], "5000")
        self.open("DELETE", "delete_object", Key="a b/ü")
        self.assertEqual(listed_keys(self.s3, self.bucket), [])

    def test_response_headers_may_be_chosen(self):
        self.put("key", b"x")
        with self.open(
            "GET", "get_object", Key="key", ResponseContentType="text/csv"
        ) as answer:
            self.assertEqual(answer.headers["Content-Type"], "text/csv")

    def test_a_changed_or_unsigned_url_is_refused(self):
        self.put("key", b"x")
        url = client(signature_version="s3v4").generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": "key"}
        )
        for changed in (url.replace("/key", "/kez"), url + "&versionId=null",
                        f"{ENDPOINT}/{self.bucket}/key"):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(changed, timeout=10)
            self.assertEqual(caught.exception.code, 403, changed)


class Signatures(Case):
    def test_a_wrong_secret_is_refused(self):
        import os

        before = os.environ["AWS_SECRET_ACCESS_KEY"]
        os.environ["AWS_SECRET_ACCESS_KEY"] = before[::-1]
        try:
            stranger = client()
        finally:
            os.environ["AWS_SECRET_ACCESS_KEY"] = before
        self.refused("SignatureDoesNotMatch", 403, stranger.list_buckets)

    def test_an_unknown_key_is_refused(self):
        import os

        before = os.environ["AWS_ACCESS_KEY_ID"]
        os.environ["AWS_ACCESS_KEY_ID"] = "NOBODYSACCESSKEY1234"
        try:
            stranger = client()
        finally:
            os.environ["AWS_ACCESS_KEY_ID"] = before
        self.refused("InvalidAccessKeyId", 403, stranger.list_buckets)

    def test_no_signature_is_refused(self):
        anonymous = client(signature_version=botocore.UNSIGNED)
        self.refused("AccessDenied", 403, anonymous.list_objects_v2, Bucket=self.bucket)

    def test_signed_payload(self):
        s3 = client(s3={"addressing_style": "path", "payload_signing_enabled": True})
        body = pattern("signed", 80_000)
        s3.put_object(Bucket=self.bucket, Key="key", Body=body)
        self.assertEqual(read(s3, self.bucket, "key"), body)


if __name__ == "__main__":
    unittest.main()
