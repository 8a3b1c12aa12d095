"""boto3 against a model: random requests, every answer compared, and everything compared after
each restart.

    model.py        prints `clean` or `kill` when it wants the server stopped so and started again,
                    and reads the new endpoint; prints `done` when all agreed

`clean` waits. `kill` goes on changing things until the connection breaks: the last request, which
got no answer, has then happened or has not, and the store must be one of the two, in all of it.
The same MODEL_SEED asks the same things, but for how far it gets before a kill.
"""

import hashlib
import os
import random
import sys
import traceback

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from common import ENDPOINT, pattern
from s3_model import Bucket, Refused, Version, extent

SEED = os.environ.get("MODEL_SEED", "20061")
ROUNDS = 8
REQUESTS = 700
BURST_MAX = 2_000
SIZES = (0, 1, 17, 900, 4_096, 65_535, 65_536, 65_537, 200_000, 1_100_000)
WEIGHTS = (8, 4, 10, 10, 6, 2, 2, 2, 2, 1)
PART = 5 << 20
KEYS = [
    "a", "a/", "a//b", "a/b", "a/b/c", "a/b/d", "a b", "a+b", "a-b", "ab", "b/1", "b/2", "b/2/x",
    "b/3", "c%2Fd", "c/d", "c&d<e>", "quote'\"", "u/\u00fc", "u/u\u0308", "\u65e5\u672c/\u8a9e",
    "\U0001f408", "z", "z/" + "k" * 900,
]
PREFIXES = ["", "", "a", "a/", "a/b", "b/", "b/2", "c", "u/", "\u65e5", "z", "nothing"]
DELIMITERS = [None, None, "/", "/", "b", "/b", "\u672c"]


class Disagreement(AssertionError):
    """An answer is not the model's."""


class Gone(Exception):
    """The server did not answer."""


def agree(what, got, expected):
    if got != expected:
        raise Disagreement(f"{what}: the server says {got!r:.2000}, the model {expected!r:.2000}")


def connect(endpoint):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1, "mode": "standard"}
        ),
    )


class Player:
    """Asks the server and the model the same."""

    def __init__(self):
        self.s3 = connect(ENDPOINT)
        self.buckets = {name: Bucket(name) for name in ("plain", "versioned", "late")}
        self.random = None
        self.asked = 0
        self.last = []

    # --- Asking ---

    def ask(self, operation, bucket, **arguments):
        """The answer, or the Refused that it is. Arguments that are None are not sent."""
        arguments = {name: value for name, value in arguments.items() if value is not None}
        self.asked += 1
        self.last = [*self.last[-19:], (operation, bucket, shortened(arguments))]
        try:
            return getattr(self.s3, operation)(Bucket=bucket, **arguments)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return Refused(error.response["Error"]["Code"], status)
        except (HTTPClientError, BotoCoreError) as error:
            raise Gone(str(error)) from error

    def check(self, answer, expect, bodiless=False):
        """`expect()` must give what the answer is about, or refuse as the server did. Gives None if
        both refused."""
        what = str(self.last[-1])
        try:
            expected = expect()
        except Refused as refused:
            if not isinstance(answer, Refused):
                raise Disagreement(f"{what}: the server succeeds, the model {refused}") from None
            code = str(refused.status) if bodiless else refused.code
            agree(what, (answer.code, answer.status), (code, refused.status))
            return None
        if isinstance(answer, Refused):
            raise Disagreement(f"{what}: the server {answer}, the model succeeds")
        return (expected,)

    def chance(self, probability):
        return self.random.random() < probability

    def some_tag(self, bucket, key):
        """A tag for a condition: the right one, one of another version, any, or a wrong one."""
        tags = [version.etag for version in bucket.keys.get(key, []) if not version.marker]
        return self.random.choice([*tags[:1], *tags, "*", '"' + "0" * 32 + '"'])

    def some_version(self, bucket, key):
        """An id: of one of the key's versions, of one that is gone, or null."""
        ids = [version.id for version in bucket.keys.get(key, [])]
        ids += [id for of, id in bucket.gone[-50:] if of == key][-1:]
        return self.random.choice([*ids, "null"])

    # --- Changes ---

    def put(self, bucket):
        key = self.random.choice(KEYS)
        body = pattern(self.random.random(), self.random.choices(SIZES, WEIGHTS)[0])
        told = self.some_headers()
        if_match = self.some_tag(bucket, key) if self.chance(0.15) else None
        if_none_match = "*" if if_match is None and self.chance(0.15) else None
        version = Version(None, body, told)

        def change():
            return bucket.put(key, version, if_match, if_none_match)

        def send():
            return self.ask(
                "put_object", bucket.name, Key=key, Body=body, IfMatch=if_match,
                IfNoneMatch=if_none_match, **told,
            )

        return send, change, lambda answer, stored: self.put_answered(bucket, answer, stored)

    def put_answered(self, bucket, answer, version):
        agree("ETag", answer["ETag"], version.etag)
        agree("ChecksumCRC32", answer.get("ChecksumCRC32"), version.crc32())
        self.learn_id(bucket, answer, version)

    def learn_id(self, bucket, answer, version):
        """The answer tells the id of a version that it made."""
        id = answer.get("VersionId")
        if bucket.versioning == "Enabled":
            known = {v.id for versions in bucket.keys.values() for v in versions}
            if not id or id == "null" or id in known or (id in (gone for _, gone in bucket.gone)):
                raise Disagreement(f"{self.last[-1]}: {id!r} is no new version")
            version.id = id
        else:
            # Of the versions without an id of their own only delete markers are named.
            named = bucket.versioning is not None and version.marker
            agree("VersionId", id, "null" if named else None)

    def some_headers(self):
        told = {}
        if self.chance(0.5):
            told["ContentType"] = self.random.choice(["text/plain", "image/png; a=b"])
        if self.chance(0.2):
            told["CacheControl"] = f"max-age={self.random.randrange(100)}"
        if self.chance(0.2):
            told["ContentDisposition"] = 'attachment; filename="a b"'
        if self.chance(0.2):
            told["ContentLanguage"] = "de"
        if self.chance(0.5):
            numbers = range(self.random.randrange(4))
            told["Metadata"] = {f"name-{n}": str(self.random.random()) for n in numbers}
        return told

    def delete(self, bucket):
        key = self.random.choice(KEYS)
        if_match = self.some_tag(bucket, key) if self.chance(0.15) else None

        def change():
            # A model's None would say that the server had nothing to answer.
            return bucket.delete(key, if_match) or "no marker"

        def answered(answer, marker):
            agree("DeleteMarker", answer.get("DeleteMarker"), marker != "no marker" or None)
            if marker == "no marker":
                agree("VersionId", answer.get("VersionId"), None)
            else:
                self.learn_id(bucket, answer, marker)

        return (
            lambda: self.ask("delete_object", bucket.name, Key=key, IfMatch=if_match),
            change,
            answered,
        )

    def delete_version(self, bucket):
        key = self.random.choice([*bucket.keys, *KEYS])
        id = self.some_version(bucket, key)

        def answered(answer, found):
            marker = found != "nothing" and found.marker
            agree("DeleteMarker", answer.get("DeleteMarker"), marker or None)
            agree("VersionId", answer.get("VersionId"), id)

        return (
            lambda: self.ask("delete_object", bucket.name, Key=key, VersionId=id),
            lambda: bucket.delete_version(key, id) or "nothing",
            answered,
        )

    def set_versioning(self, bucket):
        state = self.random.choice(["Enabled", "Enabled", "Suspended"])

        def change():
            bucket.versioning = state
            return state

        return (
            lambda: self.ask(
                "put_bucket_versioning", bucket.name, VersioningConfiguration={"Status": state}
            ),
            change,
            lambda answer, state: None,
        )

    def some_change(self, bucket):
        """A change as three functions: send it, make it in the model, compare the answer."""
        makers = [self.put] * 10 + [self.delete] * 4
        if bucket.name != "plain":
            makers += [self.delete_version] * 5
            if bucket.name == "versioned" or self.asked > REQUESTS * ROUNDS // 4:
                makers += [self.set_versioning]
        return self.random.choice(makers)(bucket)

    def change(self, bucket):
        send, change, answered = self.some_change(bucket)
        answer = send()
        if expected := self.check(answer, change):
            answered(answer, expected[0])

    def delete_objects(self, bucket):
        keys = self.random.sample(KEYS, self.random.randrange(1, 8))
        asked, quiet = [], self.chance(0.2)
        for key in keys:
            item = {"Key": key}
            if bucket.name != "plain" and self.chance(0.4):
                item["VersionId"] = self.some_version(bucket, key)
            elif self.chance(0.15):
                item["ETag"] = self.some_tag(bucket, key)
            asked.append(item)
        answer = self.ask("delete_objects", bucket.name, Delete={"Objects": asked, "Quiet": quiet})
        (answer,) = self.check(answer, lambda: answer)
        got = {row["Key"]: row for row in answer.get("Deleted", [])}
        errors = {row["Key"]: row["Code"] for row in answer.get("Errors", [])}
        for item in asked:
            key = item["Key"]
            try:
                expected = self.deleted_one(bucket, item, got.get(key, {}), quiet)
            except Refused as refused:
                agree(f"the error of {item}", errors.pop(key, None), refused.code)
                expected = None
            if not quiet:
                agree(f"what became of {item}", got.get(key), expected)
        agree("errors of nothing", errors, {})
        if quiet:
            agree("quietly deleted", got, {})
            self.learn_ids(bucket)

    def deleted_one(self, bucket, item, row, quiet):
        key, expected = item["Key"], {"Key": item["Key"]}
        if "VersionId" in item:
            found = bucket.delete_version(key, item["VersionId"])
            expected["VersionId"] = item["VersionId"]
            marker = found if found and found.marker else None
        else:
            marker = bucket.delete(key, item.get("ETag"))
            if marker and marker.id is None and not quiet:
                self.learn_id(bucket, {"VersionId": row.get("DeleteMarkerVersionId")}, marker)
        if marker:
            expected |= {"DeleteMarker": True, "DeleteMarkerVersionId": marker.id}
        return expected

    def learn_ids(self, bucket):
        """Ids that no answer told are those that a listing shows in their places."""
        if bucket.versioning is None:
            return
        rows = self.listed_versions(bucket, "", None, None, 1_000)
        shown = {}
        for row in rows:
            shown.setdefault(row["Key"], []).append(row["VersionId"])
        for key, versions in bucket.keys.items():
            for version, id in zip(versions, shown.get(key, [])):
                if version.id is None:
                    version.id = id

    # --- Reads ---

    def read(self, bucket):
        key = self.random.choice(KEYS)
        id = self.some_version(bucket, key) if self.chance(0.4) else None
        if_match = self.some_tag(bucket, key) if self.chance(0.1) else None
        if_none_match = self.some_tag(bucket, key) if self.chance(0.1) else None
        part = self.some_range() if self.chance(0.3) else None
        head = self.chance(0.4)
        answer = self.ask(
            "head_object" if head else "get_object", bucket.name, Key=key, VersionId=id,
            IfMatch=if_match, IfNoneMatch=if_none_match, Range=range_header(part),
        )

        def expect():
            version = bucket.read(key, id, if_match, if_none_match)
            return version, extent(part, len(version.body)) if part else None

        if expected := self.check(answer, expect, bodiless=head):
            version, bytes = expected[0]
            self.compare_read(bucket, answer, version, bytes, with_body=not head)

    def some_range(self):
        first = self.random.choice([0, 1, 16, 899, 65_535, 65_536, 150_000])
        return self.random.choice(
            [(first, None), (first, first), (first, first + 70_000), (None, first + 1)]
        )

    def compare_read(self, bucket, answer, version, bytes, with_body):
        what = str(self.last[-1])
        size = len(version.body)
        first, end = bytes or (0, size)
        span = f"bytes {first}-{end - 1}/{size}" if bytes else None
        got = {name: answer.get(name) for name in TOLD}
        expected = {name: version.told.get(name) for name in TOLD}
        expected["ContentType"] = version.told.get("ContentType", "binary/octet-stream")
        expected["Metadata"] = version.told.get("Metadata", {})
        expected |= {"ETag": version.etag, "ContentLength": end - first, "ContentRange": span}
        expected["VersionId"] = None if bucket.versioning is None else version.id
        agree(what, got, expected)
        self.compare_modified(what, version, answer["LastModified"])
        if with_body:
            try:
                body = answer["Body"].read()
            except (HTTPClientError, BotoCoreError) as error:
                raise Gone(str(error)) from error
            if body != version.body[first:end]:
                raise Disagreement(f"{what}: other bytes")

    def compare_modified(self, what, version, modified):
        modified = modified.replace(microsecond=0)
        if version.modified is None:
            version.modified = modified
        agree(f"LastModified of {what}", modified, version.modified)

    # --- Listings ---

    def list(self, bucket):
        prefix, delimiter = self.random.choice(PREFIXES), self.random.choice(DELIMITERS)
        after = self.random.choice([None, None, *KEYS, "b/", "a0"])
        page = self.random.choice([1, 2, 3, 7, 1_000])
        kind = self.random.choice(["v1", "v2", "versions"])
        self.compare_listing(bucket, kind, prefix, delimiter, after, page)

    def compare_listing(self, bucket, kind, prefix, delimiter, after, page):
        if kind == "versions":
            return self.compare_versions(bucket, prefix, delimiter, after, page)
        rows = self.listed(bucket, kind, prefix, delimiter, after, page)
        expected = bucket.objects(prefix, delimiter, after)
        what = f"{kind} of {bucket.name} {(prefix, delimiter, after, page)}"
        agree(what, [name(row) for row in rows], [key for key, _ in expected])
        for row, (_, version) in zip(rows, expected):
            if version:
                got = (row["Size"], row["ETag"], row["StorageClass"])
                agree(f"{what}: {name(row)}", got, (len(version.body), version.etag, "STANDARD"))
                self.compare_modified(name(row), version, row["LastModified"])

    def compare_versions(self, bucket, prefix, delimiter, after, page):
        rows = self.listed_versions(bucket, prefix, delimiter, after, page)
        expected = bucket.versions(prefix, delimiter, after)
        what = f"versions of {bucket.name} {(prefix, delimiter, after, page)}"
        got = [(name(row), row.get("VersionId"), row.get("IsLatest")) for row in rows]
        wanted = [(key, *((it[0].id, it[1]) if it else (None, None))) for key, it in expected]
        agree(what, got, wanted)
        for row, (_, version) in zip(rows, expected):
            if version:
                version = version[0]
                got = (row.get("Size"), row.get("ETag"))
                tagged = (None, None) if version.marker else (len(version.body), version.etag)
                agree(f"{what}: {name(row)}", got, tagged)
                self.compare_modified(name(row), version, row["LastModified"])

    def listed(self, bucket, kind, prefix, delimiter, after, page):
        """All rows of a listing of objects, page by page."""
        rows, operation = [], "list_objects_v2" if kind == "v2" else "list_objects"
        start = {"StartAfter" if kind == "v2" else "Marker": after}
        while True:
            answer = self.ask(
                operation, bucket.name, Prefix=prefix, Delimiter=delimiter, MaxKeys=page, **start
            )
            (answer,) = self.check(answer, lambda: answer)
            shown = answer.get("Contents", []) + answer.get("CommonPrefixes", [])
            if kind == "v2":
                agree("KeyCount", answer["KeyCount"], len(shown))
            rows += self.page_of(shown, rows, page)
            if not answer["IsTruncated"]:
                return rows
            if kind == "v2":
                start = {"ContinuationToken": answer["NextContinuationToken"]}
            else:
                start = {"Marker": answer.get("NextMarker") or name(rows[-1])}

    def listed_versions(self, bucket, prefix, delimiter, after, page):
        """All rows of a listing of versions, page by page."""
        rows, start = [], {"KeyMarker": after}
        while True:
            answer = self.ask(
                "list_object_versions", bucket.name, Prefix=prefix, Delimiter=delimiter,
                MaxKeys=page, **start,
            )
            (answer,) = self.check(answer, lambda: answer)
            shown = [row for at in ROWS for row in self.newest_first(bucket, answer.get(at, []))]
            rows += self.page_of(sorted(shown, key=lambda row: self.place(bucket, row)), rows, page)
            if not answer["IsTruncated"]:
                return rows
            start = {
                "KeyMarker": answer["NextKeyMarker"],
                "VersionIdMarker": answer.get("NextVersionIdMarker"),
            }

    def newest_first(self, bucket, shown):
        """boto3 parts versions from markers, so their order is compared within each kind, and then
        made anew for all."""
        ordered = sorted(shown, key=lambda row: (name(row).encode(), self.place(bucket, row)))
        agree(f"order of {self.last[-1]}", [place_of(r) for r in shown], [place_of(r) for r in ordered])
        return shown

    def place(self, bucket, row):
        ids = [version.id for version in bucket.keys.get(name(row), [])]
        id = row.get("VersionId")
        if id not in ids:
            # The one that the model has no id of yet, if there is one.
            id = None
        return ids.index(id) if id in ids else len(ids)

    def page_of(self, shown, rows, page):
        """The rows of a page in the order of their names, which follow those of the last page."""
        shown = sorted(shown, key=lambda row: name(row).encode())
        if len(shown) > page:
            raise Disagreement(f"{self.last[-1]}: {len(shown)} rows")
        if rows and shown and name(rows[-1]).encode() > name(shown[0]).encode():
            raise Disagreement(f"{self.last[-1]}: goes back to {name(shown[0])!r}")
        return shown

    # --- Copies and uploads in parts ---

    def copy(self, bucket):
        source = self.random.choice(list(self.buckets.values()))
        of, key = self.random.choice(KEYS), self.random.choice(KEYS)
        id = self.some_version(source, of) if self.chance(0.3) else None
        told = self.some_headers() if self.chance(0.4) else None
        if told is None and (source.name, of, id) == (bucket.name, key, None):
            return
        answer = self.ask(
            "copy_object", bucket.name, Key=key,
            CopySource={"Bucket": source.name, "Key": of} | ({"VersionId": id} if id else {}),
            MetadataDirective="COPY" if told is None else "REPLACE", **(told or {}),
        )

        tags = []

        def expect():
            try:
                found = source.find(of, id)
            except Refused as refused:
                # "may not specifically refer to a delete marker by version id" (CopyObject).
                marker = refused.code == "MethodNotAllowed"
                raise Refused("InvalidRequest", 400) if marker else refused
            tags.append(found.etag)
            version = Version(None, found.body, found.told if told is None else told)
            version.of_parts = found.of_parts
            return bucket.put(key, version)

        if expected := self.check(answer, expect):
            # A copy within a group keeps the tag of what was uploaded in parts; one that is written
            # again has the MD5 of its bytes.
            got = answer["CopyObjectResult"]["ETag"]
            if got != expected[0].etag:
                agree("ETag", got, tags[0])
                expected[0].etag = got
            self.learn_id(bucket, answer, expected[0])

    def upload(self, bucket):
        key, told = self.random.choice(KEYS), self.some_headers()
        upload = self.ask("create_multipart_upload", bucket.name, Key=key, **told)["UploadId"]
        count = self.random.randrange(1, 4)
        sizes = [PART] * (count - 1) + [self.random.choice(SIZES)]
        bodies = [pattern(self.random.random(), size) for size in sizes]
        parts = {}
        for number in self.random.sample(range(1, count + 1), count):
            answer = self.ask(
                "upload_part", bucket.name, Key=key, UploadId=upload, PartNumber=number,
                Body=bodies[number - 1],
            )
            parts[number] = Version("null", bodies[number - 1])
            agree("ETag", answer["ETag"], parts[number].etag)
        at = {"Key": key, "UploadId": upload}
        listed = self.ask("list_parts", bucket.name, **at).get("Parts", [])
        got = [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed]
        agree("parts", got, [(n, len(p.body), p.etag) for n, p in sorted(parts.items())])
        if self.chance(0.2):
            self.ask("abort_multipart_upload", bucket.name, **at)
            agree("aborted", self.ask("list_parts", bucket.name, **at).code, "NoSuchUpload")
            return
        answer = self.ask(
            "complete_multipart_upload", bucket.name, **at,
            MultipartUpload={
                "Parts": [{"PartNumber": n, "ETag": p.etag} for n, p in sorted(parts.items())]
            },
        )
        tag = parts_tag([parts[number].etag for number in sorted(parts)])
        version = Version(None, b"".join(bodies), told, tag)
        version.of_parts = True
        if expected := self.check(answer, lambda: bucket.put(key, version)):
            agree("ETag", answer["ETag"], tag)
            self.learn_id(bucket, answer, expected[0])

    # --- Rounds ---

    def begin(self):
        for bucket in self.buckets.values():
            self.check(self.ask("create_bucket", bucket.name), lambda: bucket)
        bucket = self.buckets["versioned"]
        state = {"Status": "Enabled"}
        self.ask("put_bucket_versioning", bucket.name, VersioningConfiguration=state)
        bucket.versioning = "Enabled"

    def round(self):
        """As many requests of all kinds."""
        steps = [self.change] * 10 + [self.delete_objects] + [self.read] * 7 + [self.list] * 4
        steps += [self.copy] * 3 + [self.upload]
        for _ in range(REQUESTS):
            bucket = self.random.choice(list(self.buckets.values()))
            self.random.choice(steps)(bucket)

    def burst(self):
        """Changes until the server is gone. Gives the two stores of which one must be there."""
        for _ in range(BURST_MAX):
            bucket = self.random.choice(list(self.buckets.values()))
            before = bucket.clone()
            send, change, answered = self.some_change(bucket)
            try:
                answer = send()
            except Gone:
                try:
                    change()
                except Refused:
                    pass
                return bucket, before
            if expected := self.check(answer, change):
                answered(answer, expected[0])
        raise Disagreement("nobody killed the server")

    def after_kill(self, after, before):
        """Takes the store that is there for the model: with the last change, or without."""
        try:
            self.learn_ids(after)
            self.compare(after)
            return "with"
        except Disagreement as with_it:
            # Ids that were learned from the listing were of versions that are not there.
            self.buckets[before.name] = before
            try:
                self.compare(before)
                return "without"
            except Disagreement as without:
                raise Disagreement(f"with the last change: {with_it}\nwithout: {without}") from None

    def compare_all(self):
        (answer,) = [self.s3.list_buckets()]
        agree("buckets", [row["Name"] for row in answer["Buckets"]], sorted(self.buckets))
        for bucket in self.buckets.values():
            self.compare(bucket)

    def compare(self, bucket):
        """Everything: listings, bytes, and all that is told about them."""
        answer = self.ask("get_bucket_versioning", bucket.name)
        agree("versioning", answer.get("Status"), bucket.versioning)
        for kind in ("v1", "v2", "versions"):
            self.compare_listing(bucket, kind, "", None, None, 1_000)
            self.compare_listing(bucket, kind, "", "/", None, 5)
        for key, versions in bucket.keys.items():
            for version in versions:
                at = {"Key": key, "VersionId": version.id}
                answer = self.ask("get_object", bucket.name, ChecksumMode="ENABLED", **at)
                if self.check(answer, lambda: bucket.find(key, version.id)):
                    self.compare_read(bucket, answer, version, None, with_body=True)
                    # What was uploaded in parts was begun without a checksum, and has the default one.
                    if version.of_parts:
                        agree("CRC64NVME", "ChecksumCRC64NVME" in answer, True)
                    else:
                        agree("CRC32", answer.get("ChecksumCRC32"), version.crc32())


TOLD = (
    "ContentType", "CacheControl", "ContentDisposition", "ContentLanguage", "Metadata", "ETag",
    "ContentLength", "ContentRange", "VersionId",
)
ROWS = ("Versions", "DeleteMarkers", "CommonPrefixes")


def name(row):
    return row.get("Key") or row["Prefix"]


def place_of(row):
    return name(row), row.get("VersionId")


def parts_tag(tags):
    digests = b"".join(bytes.fromhex(tag.strip('"')) for tag in tags)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(tags)}"'


def range_header(part):
    if part is None:
        return None
    first, last = part
    return f"bytes={'' if first is None else first}-{'' if last is None else last}"


def shortened(arguments):
    return {
        name: f"{len(value)} bytes" if isinstance(value, bytes) else value
        for name, value in arguments.items()
    }


PLAYER = Player()


def restart(how):
    print(how, flush=True)
    return connect(sys.stdin.readline().strip())


def main():
    print(f"MODEL_SEED={SEED}", flush=True)
    player = PLAYER
    player.begin()
    for number in range(ROUNDS):
        player.random = random.Random(f"{SEED}/{number}")
        player.round()
        if number % 2 == 0:
            player.s3 = restart("clean")
        else:
            print("kill", flush=True)
            start = player.asked
            bucket, before = player.burst()
            player.s3 = connect(sys.stdin.readline().strip())
            last = player.last[-1]
            kept = player.after_kill(bucket, before)
            print(f"killed in change {player.asked - start}; the store is {kept} {last}", flush=True)
        player.compare_all()
    versions = sum(len(rows) for b in player.buckets.values() for rows in b.keys.values())
    print(f"{player.asked} requests agreed, {versions} versions at the end", flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (Disagreement, Gone):
        traceback.print_exc()
        print(*PLAYER.last, sep="\n", flush=True)
        print(f"repeat with MODEL_SEED={SEED}", flush=True)
        sys.exit(1)
