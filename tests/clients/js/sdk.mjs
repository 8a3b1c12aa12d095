// The AWS SDK for JavaScript with its default settings, against a running server. Run by node's own
// test runner; endpoint, region and keys come by the environment, as the SDK reads them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";

// The packages are installed outside the sources, where `import` does not look.
const require = createRequire(join(process.env.CLIENT, "package.json"));
const {
  CopyObjectCommand, CreateBucketCommand, DeleteBucketCommand, DeleteObjectCommand,
  DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListBucketsCommand,
  ListObjectsV2Command, PutObjectCommand, S3Client, paginateListObjectsV2,
  waitUntilObjectNotExists,
} = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

// The names of buckets have no place in this server's address, so they go into the path.
const s3 = new S3Client({ forcePathStyle: true });

/** `length` bytes that follow from `seed`. */
function pattern(seed, length) {
  return createHash("shake128", { outputLength: length }).update(String(seed)).digest();
}

/** The bytes of an object. */
async function read(Bucket, Key, more = {}) {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from(await answer.Body.transformToByteArray());
}

/** Equal, without printing mebibytes if not. */
function same(one, other) {
  assert.equal(one.length, other.length);
  assert.ok(Buffer.compare(one, other) === 0, "other bytes");
}

/** All keys, over all pages. */
async function keys(Bucket, more = {}, pageSize = 1000) {
  const found = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize }, { Bucket, ...more })) {
    found.push(...(page.Contents ?? []).map((row) => row.Key));
  }
  return found;
}

/** A test with a bucket of its own. */
function withBucket(name, work) {
  test(name, async () => {
    const Bucket = `js-${name.replaceAll(" ", "-")}`.slice(0, 60);
    await s3.send(new CreateBucketCommand({ Bucket }));
    await work(Bucket);
  });
}

withBucket("put and get", async (Bucket) => {
  for (const size of [0, 1, 65_537, 6 << 20]) {
    const Body = pattern(size, size);
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: "a b/ü+", Body }));
    assert.equal(put.ETag, `"${createHash("md5").update(Body).digest("hex")}"`);
    // The SDK adds a checksum by itself, and checks it by itself when it reads.
    assert.ok(put.ChecksumCRC32);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "a b/ü+" }));
    assert.equal(got.ChecksumCRC32, put.ChecksumCRC32);
    same(Buffer.from(await got.Body.transformToByteArray()), Body);
  }
  same(await read(Bucket, "a b/ü+", { Range: "bytes=70000-70099" }),
    pattern(6 << 20, 6 << 20).subarray(70_000, 70_100));
  await assert.rejects(read(Bucket, "not-there"), { name: "NoSuchKey" });
});

withBucket("headers and metadata", async (Bucket) => {
  await s3.send(new PutObjectCommand({
    Bucket, Key: "key", Body: "text", ContentType: "text/x-test", Metadata: { colour: "blue" },
  }));
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "key" }));
  assert.equal(head.ContentType, "text/x-test");
  assert.deepEqual(head.Metadata, { colour: "blue" });
  assert.equal(head.ContentLength, 4);
});

withBucket("a stream from a file", async (Bucket) => {
  const folder = await mkdtemp(join(tmpdir(), "js-"));
  try {
    const body = pattern("file", 3_000_001);
    await writeFile(join(folder, "file"), body);
    const Body = createReadStream(join(folder, "file"));
    await s3.send(new PutObjectCommand({ Bucket, Key: "file", Body }));
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "file" }));
    assert.ok(got.Body instanceof Readable || got.Body.pipe);
    const blocks = [];
    for await (const block of got.Body) blocks.push(block);
    same(Buffer.concat(blocks), body);
  } finally {
    await rm(folder, { recursive: true });
  }
});

withBucket("an upload in parts", async (Bucket) => {
  const body = pattern("parts", (12 << 20) + 1);
  const blocks = function* () {
    for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000);
  };
  let loaded = 0;
  const upload = new Upload({
    client: s3,
    params: { Bucket, Key: "large", Body: Readable.from(blocks()), ContentType: "text/x-test" },
  });
  upload.on("httpUploadProgress", (progress) => { loaded = Math.max(loaded, progress.loaded); });
  await upload.done();
  assert.equal(loaded, body.length);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "large" }));
  assert.match(head.ETag, /^"[0-9a-f]{32}-3"$/);
  assert.equal(head.ContentType, "text/x-test");
  same(await read(Bucket, "large"), body);
});

withBucket("an upload that is given up", async (Bucket) => {
  const upload = new Upload({
    client: s3, params: { Bucket, Key: "large", Body: pattern("aborted", 20 << 20) }, queueSize: 1,
  });
  upload.on("httpUploadProgress", () => upload.abort());
  await assert.rejects(upload.done(), { name: "AbortError" });
  assert.deepEqual(await keys(Bucket), []);
});

withBucket("a copy", async (Bucket) => {
  const Body = pattern("copy", 70_000);
  await s3.send(new PutObjectCommand({ Bucket, Key: "from", Body, Metadata: { colour: "blue" } }));
  const copied = await s3.send(
    new CopyObjectCommand({ Bucket, Key: "to/here", CopySource: `${Bucket}/from` }));
  assert.equal(copied.CopyObjectResult.ETag, `"${createHash("md5").update(Body).digest("hex")}"`);
  await s3.send(new DeleteObjectCommand({ Bucket, Key: "from" }));
  await waitUntilObjectNotExists({ client: s3, maxWaitTime: 10 }, { Bucket, Key: "from" });
  same(await read(Bucket, "to/here"), Body);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "to/here" }));
  assert.deepEqual(head.Metadata, { colour: "blue" });
});

withBucket("pages of a listing", async (Bucket) => {
  const all = [];
  for (let number = 0; number < 60; number += 1) {
    all.push(`${"abc"[number % 3]}/${String(number).padStart(3, "0")} +ü`);
  }
  await Promise.all(
    all.map((Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }))));
  all.sort();
  assert.deepEqual(await keys(Bucket, {}, 7), all);
  assert.deepEqual(await keys(Bucket, { Prefix: "b/" }, 3), all.slice(20, 40));
  const top = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
  assert.deepEqual(top.CommonPrefixes.map((row) => row.Prefix), ["a/", "b/", "c/"]);

  const Objects = all.slice(0, 59).map((Key) => ({ Key }));
  const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  assert.equal(gone.Deleted.length, 59);
  assert.equal(gone.Errors, undefined);
  assert.deepEqual(await keys(Bucket), all.slice(59));
  await assert.rejects(s3.send(new DeleteBucketCommand({ Bucket })), { name: "BucketNotEmpty" });
  await s3.send(new DeleteObjectCommand({ Bucket, Key: all[59] }));
  await s3.send(new DeleteBucketCommand({ Bucket }));
  const left = await s3.send(new ListBucketsCommand({}));
  assert.ok(!left.Buckets.some((row) => row.Name === Bucket));
});

withBucket("presigned urls", async (Bucket) => {
  const body = pattern("presigned", 5000);
  const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "a b/ü" }));
  const sent = await fetch(put, { method: "PUT", body });
  assert.equal(sent.status, 200, await sent.text());
  same(await read(Bucket, "a b/ü"), body);
  const get = await getSignedUrl(
    s3, new GetObjectCommand({ Bucket, Key: "a b/ü" }), { expiresIn: 60 });
  const got = await fetch(get);
  assert.equal(got.status, 200);
  same(Buffer.from(await got.arrayBuffer()), body);
  const other = await fetch(get.replace("/a%20b", "/a%20c"));
  assert.equal(other.status, 403, await other.text());
});

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  withBucket(`checksum ${ChecksumAlgorithm.toLowerCase()}`, async (Bucket) => {
    const Body = pattern(ChecksumAlgorithm, 70_003);
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key: "key", Body, ChecksumAlgorithm }));
    assert.ok(put[`Checksum${ChecksumAlgorithm}`]);
    same(await read(Bucket, "key", { ChecksumMode: "ENABLED" }), Body);
    const wrong = { [`Checksum${ChecksumAlgorithm}`]: put[`Checksum${ChecksumAlgorithm}`] };
    await assert.rejects(
      s3.send(new PutObjectCommand({ Bucket, Key: "bad", Body: Body.subarray(1), ...wrong })),
      { name: "BadDigest" },
    );
    assert.deepEqual(await keys(Bucket), ["key"]);
  });
}
