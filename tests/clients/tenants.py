"""Two tenants on one server: nothing of the one can be seen, changed or inferred by the other.

The keys come as A_* and B_*; both are accounts of the configuration file.
"""

import unittest

from botocore.exceptions import ClientError

from common import client, listed_keys, pattern, read

A = client("A_")
B = client("B_")
BUCKET = "tenant-a-only"


def operations(bucket, key, version):
    """Every operation that is served, with arguments that would succeed for the owner."""
    at = {"Bucket": bucket, "Key": key}
    enabled = {"Status": "Enabled"}
    return [
        ("head_bucket", {"Bucket": bucket}),
        ("get_bucket_location", {"Bucket": bucket}),
        ("get_bucket_versioning", {"Bucket": bucket}),
        ("put_bucket_versioning", {"Bucket": bucket, "VersioningConfiguration": enabled}),
        ("list_objects", {"Bucket": bucket}),
        ("list_objects_v2", {"Bucket": bucket}),
        ("list_object_versions", {"Bucket": bucket}),
        ("put_object", {**at, "Body": b"intruder"}),
        ("put_object", {"Bucket": bucket, "Key": "new", "Body": b"intruder"}),
        ("get_object", at),
        ("get_object", {**at, "VersionId": version}),
        ("get_object", {**at, "Range": "bytes=0-0"}),
        ("head_object", at),
        ("get_object", {"Bucket": bucket, "Key": "not-there"}),
        ("head_object", {"Bucket": bucket, "Key": "not-there"}),
        ("delete_object", at),
        ("delete_object", {**at, "VersionId": version}),
        ("delete_objects", {"Bucket": bucket, "Delete": {"Objects": [{"Key": key}]}}),
        ("delete_bucket", {"Bucket": bucket}),
    ]


class Tenants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        A.create_bucket(Bucket=BUCKET)
        A.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        cls.version = A.put_object(Bucket=BUCKET, Key="secret", Body=pattern(1, 500))["VersionId"]

    def tearDown(self):
        self.assertEqual(listed_keys(A, BUCKET), ["secret"])
        self.assertEqual(read(A, BUCKET, "secret"), pattern(1, 500))
        rows = A.list_object_versions(Bucket=BUCKET)
        self.assertEqual(len(rows["Versions"]), 1)
        self.assertNotIn("DeleteMarkers", rows)

    def test_every_operation_on_the_others_bucket_is_refused(self):
        for name, arguments in operations(BUCKET, "secret", self.version):
            with self.subTest(name, arguments=arguments):
                if name == "delete_objects":
                    self.check_delete_objects(arguments)
                    continue
                with self.assertRaises(ClientError) as caught:
                    getattr(B, name)(**arguments)
                status = caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]
                code = caught.exception.response["Error"]["Code"]
                self.assertEqual(status, 403)
                self.assertIn(code, ("AccessDenied", "403"))

    def check_delete_objects(self, arguments):
        """Refused as a whole, or key by key: S3 knows both."""
        try:
            answer = B.delete_objects(**arguments)
        except ClientError as error:
            self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 403)
            return
        self.assertNotIn("Deleted", answer)
        self.assertEqual([e["Code"] for e in answer["Errors"]], ["AccessDenied"])

    def test_each_lists_only_its_own_buckets(self):
        B.create_bucket(Bucket="tenant-b-only")
        self.assertEqual([b["Name"] for b in A.list_buckets()["Buckets"]], [BUCKET])
        self.assertEqual([b["Name"] for b in B.list_buckets()["Buckets"]], ["tenant-b-only"])
        self.assertNotEqual(A.list_buckets()["Owner"]["ID"], B.list_buckets()["Owner"]["ID"])
        B.delete_bucket(Bucket="tenant-b-only")

    def test_a_name_taken_by_another_is_taken(self):
        with self.assertRaises(ClientError) as caught:
            B.create_bucket(Bucket=BUCKET)
        self.assertEqual(caught.exception.response["Error"]["Code"], "BucketAlreadyExists")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 409)

    def test_a_presigned_url_carries_only_its_signers_rights(self):
        import urllib.error
        import urllib.request

        url = B.generate_presigned_url(
            "get_object", Params={"Bucket": BUCKET, "Key": "secret"}, ExpiresIn=60
        )
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url, timeout=10)
        self.assertEqual(caught.exception.code, 403)

    def test_the_other_works_on_its_own(self):
        B.create_bucket(Bucket="tenant-b-works")
        B.put_object(Bucket="tenant-b-works", Key="secret", Body=b"of b")
        self.assertEqual(read(B, "tenant-b-works", "secret"), b"of b")
        with self.assertRaises(ClientError) as caught:
            read(A, "tenant-b-works", "secret")
        self.assertEqual(caught.exception.response["Error"]["Code"], "AccessDenied")
        B.delete_object(Bucket="tenant-b-works", Key="secret")
        B.delete_bucket(Bucket="tenant-b-works")


if __name__ == "__main__":
    unittest.main()
