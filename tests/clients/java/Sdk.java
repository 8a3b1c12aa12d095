// The AWS SDK for Java 2 with its default settings, against a running server: one file that `java`
// runs as it is. Endpoint, region and keys come by the environment, as the SDK reads them. Each
// test has a bucket of its own; all of them run, and the last line counts them.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletionException;

import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.Delete;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.PutObjectResponse;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

public class Sdk {
    private static final long MIB = 1 << 20;
    private static final URI ENDPOINT = URI.create(System.getenv("AWS_ENDPOINT_URL"));

    // The names of buckets have no place in this server's address, so they go into the path.
    private static final S3Client S3 =
            S3Client.builder().endpointOverride(ENDPOINT).forcePathStyle(true).build();
    // In parts, by the SDK's own Java.
    private static final S3AsyncClient ASYNC = S3AsyncClient.builder()
            .endpointOverride(ENDPOINT).forcePathStyle(true).multipartEnabled(true).build();

    private interface Test {
        void run(String bucket) throws Exception;
    }

    public static void main(String[] arguments) {
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("put-and-get", Sdk::putAndGet);
        tests.put("checksums", Sdk::checksums);
        tests.put("headers-and-metadata", Sdk::headersAndMetadata);
        tests.put("async-in-parts", Sdk::asyncInParts);
        tests.put("transfer-manager", Sdk::transferManager);
        tests.put("copies", Sdk::copies);
        tests.put("presigned", Sdk::presigned);
        tests.put("listings", Sdk::listings);
        tests.put("conditions", Sdk::conditions);
        tests.put("versions", Sdk::versions);
        tests.put("deletes", Sdk::deletes);
        int failed = 0;
        for (Map.Entry<String, Test> test : tests.entrySet()) {
            String bucket = "java-" + test.getKey();
            try {
                S3.createBucket(r -> r.bucket(bucket));
                test.getValue().run(bucket);
                System.out.println("ok " + test.getKey());
            } catch (Throwable error) {
                failed++;
                System.out.println("FAILED " + test.getKey());
                error.printStackTrace(System.out);
            }
        }
        ASYNC.close();
        S3.close();
        System.out.println("Ran " + tests.size() + " tests, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void putAndGet(String bucket) throws Exception {
        for (int size : new int[] {0, 1, 65_537, (int) (6 * MIB)}) {
            byte[] body = pattern(size, size);
            PutObjectResponse put = put(bucket, "a b/\u00fc+", body);
            same(put.eTag(), '"' + hex("MD5", body) + '"');
            sameBytes(get(bucket, "a b/\u00fc+"), body);
        }
        byte[] whole = pattern(6 * MIB, (int) (6 * MIB));
        ResponseBytes<GetObjectResponse> part = S3.getObjectAsBytes(
                r -> r.bucket(bucket).key("a b/\u00fc+").range("bytes=70000-70099"));
        same(part.response().contentRange(), "bytes 70000-70099/" + whole.length);
        sameBytes(part.asByteArray(), Arrays.copyOfRange(whole, 70_000, 70_100));
        refused(416, "InvalidRange", () -> S3.getObjectAsBytes(
                r -> r.bucket(bucket).key("a b/\u00fc+").range("bytes=99999999-")));
        try {
            get(bucket, "not-there");
            throw new AssertionError("there is no such key");
        } catch (NoSuchKeyException expected) {
            same(expected.statusCode(), 404);
        }
    }

    private static void checksums(String bucket) {
        byte[] body = pattern(1, 100_000);
        // The SDK adds a CRC-32 by itself; it asks for one only when it is told to.
        PutObjectResponse put = put(bucket, "default", body);
        check(put.checksumCRC32() != null, "a CRC-32 by default");
        ResponseBytes<GetObjectResponse> got = S3.getObjectAsBytes(
                r -> r.bucket(bucket).key("default").checksumMode(ChecksumMode.ENABLED));
        same(got.response().checksumCRC32(), put.checksumCRC32());
        for (ChecksumAlgorithm algorithm : List.of(
                ChecksumAlgorithm.CRC32, ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256)) {
            String key = algorithm.toString();
            S3.putObject(r -> r.bucket(bucket).key(key).checksumAlgorithm(algorithm),
                    RequestBody.fromBytes(body));
            GetObjectResponse read = S3.getObjectAsBytes(
                    r -> r.bucket(bucket).key(key).checksumMode(ChecksumMode.ENABLED)).response();
            int shown = 0;
            for (String value : Arrays.asList(
                    read.checksumCRC32(), read.checksumSHA1(), read.checksumSHA256())) {
                shown += value == null ? 0 : 1;
            }
            same(shown, 1);
        }
        refused(400, "BadDigest", () -> S3.putObject(
                r -> r.bucket(bucket).key("wrong").checksumCRC32("AAAAAA=="),
                RequestBody.fromBytes(body)));
        refused(404, null, () -> S3.headObject(r -> r.bucket(bucket).key("wrong")));
    }

    private static void headersAndMetadata(String bucket) {
        S3.putObject(r -> r.bucket(bucket).key("k").contentType("text/x-java")
                .cacheControl("no-cache").contentDisposition("attachment; filename=\"a b\"")
                .metadata(Map.of("one", "1", "two-words", "a  b")), RequestBody.fromString("x"));
        var head = S3.headObject(r -> r.bucket(bucket).key("k"));
        same(head.contentType(), "text/x-java");
        same(head.cacheControl(), "no-cache");
        same(head.contentDisposition(), "attachment; filename=\"a b\"");
        same(head.metadata().get("one"), "1");
        same(head.contentLength(), 1L);
    }

    private static void asyncInParts(String bucket) throws Exception {
        // Above the 8 MiB from which on the SDK uploads in parts.
        byte[] body = pattern(2, (int) (21 * MIB) + 1);
        ASYNC.putObject(r -> r.bucket(bucket).key("large"), AsyncRequestBody.fromBytes(body)).join();
        inParts(bucket, "large");
        ResponseBytes<GetObjectResponse> got = ASYNC.getObject(
                r -> r.bucket(bucket).key("large"), AsyncResponseTransformer.toBytes()).join();
        sameBytes(got.asByteArray(), body);
        sameBytes(get(bucket, "large"), body);
        // A stream whose length nobody tells.
        ByteBuffer[] pieces = new ByteBuffer[22];
        for (int at = 0; at < pieces.length; at++) {
            int from = (int) (at * MIB);
            pieces[at] = ByteBuffer.wrap(body, from, Math.min((int) MIB, body.length - from)).slice();
        }
        ASYNC.putObject(r -> r.bucket(bucket).key("stream"),
                AsyncRequestBody.fromPublisher(software.amazon.awssdk.core.async.SdkPublisher
                        .fromIterable(Arrays.asList(pieces)))).join();
        inParts(bucket, "stream");
        sameBytes(get(bucket, "stream"), body);
        try {
            ASYNC.getObject(r -> r.bucket(bucket).key("not-there"),
                    AsyncResponseTransformer.toBytes()).join();
            throw new AssertionError("there is no such key");
        } catch (CompletionException expected) {
            check(expected.getCause() instanceof NoSuchKeyException, "" + expected.getCause());
        }
    }

    private static void transferManager(String bucket) throws Exception {
        Path folder = Files.createTempDirectory("coffer-java");
        try (S3TransferManager manager = S3TransferManager.builder().s3Client(ASYNC).build()) {
            byte[] body = pattern(3, (int) (35 * MIB) + 17);
            Path there = folder.resolve("there");
            Path back = folder.resolve("back");
            Files.write(there, body);
            manager.uploadFile(r -> r.source(there)
                    .putObjectRequest(p -> p.bucket(bucket).key("file"))).completionFuture().join();
            inParts(bucket, "file");
            manager.downloadFile(r -> r.destination(back)
                    .getObjectRequest(g -> g.bucket(bucket).key("file"))).completionFuture().join();
            sameBytes(Files.readAllBytes(back), body);
            manager.copy(r -> r.copyObjectRequest(c -> c.sourceBucket(bucket).sourceKey("file")
                    .destinationBucket(bucket).destinationKey("copy"))).completionFuture().join();
            sameBytes(get(bucket, "copy"), body);

            // A folder there and back.
            Path tree = folder.resolve("tree");
            Files.createDirectories(tree.resolve("a/b"));
            for (String name : List.of("one", "a/two", "a/b/three")) {
                Files.writeString(tree.resolve(name), name);
            }
            var up = manager.uploadDirectory(
                    r -> r.source(tree).bucket(bucket).s3Prefix("tree")).completionFuture().join();
            check(up.failedTransfers().isEmpty(), "" + up.failedTransfers());
            Path again = folder.resolve("again");
            var down = manager.downloadDirectory(r -> r.destination(again).bucket(bucket)
                    .listObjectsV2RequestTransformer(l -> l.prefix("tree/"))).completionFuture().join();
            check(down.failedTransfers().isEmpty(), "" + down.failedTransfers());
            for (String name : List.of("one", "a/two", "a/b/three")) {
                same(Files.readString(again.resolve(name)), name);
            }
        } finally {
            try (var paths = Files.walk(folder)) {
                paths.sorted(java.util.Comparator.reverseOrder()).forEach(p -> p.toFile().delete());
            }
        }
    }

    private static void copies(String bucket) {
        byte[] body = pattern(4, 100_001);
        put(bucket, "from \u00fc", body);
        var copied = S3.copyObject(r -> r.sourceBucket(bucket).sourceKey("from \u00fc")
                .destinationBucket(bucket).destinationKey("to"));
        same(copied.copyObjectResult().eTag(), '"' + hex("MD5", body) + '"');
        sameBytes(get(bucket, "to"), body);
        refused(404, "NoSuchKey", () -> S3.copyObject(r -> r.sourceBucket(bucket).sourceKey("none")
                .destinationBucket(bucket).destinationKey("to")));
        sameBytes(get(bucket, "to"), body);
    }

    private static void presigned(String bucket) throws Exception {
        byte[] body = pattern(5, 70_000);
        HttpClient plain = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var style = S3Configuration.builder().pathStyleAccessEnabled(true).build();
        try (S3Presigner presigner = S3Presigner.builder().endpointOverride(ENDPOINT)
                .serviceConfiguration(style).build()) {
            var put = presigner.presignPutObject(r -> r.signatureDuration(Duration.ofMinutes(5))
                    .putObjectRequest(p -> p.bucket(bucket).key("a b").contentType("text/plain")));
            HttpRequest.Builder up = HttpRequest.newBuilder(put.url().toURI())
                    .PUT(HttpRequest.BodyPublishers.ofByteArray(body));
            put.signedHeaders().forEach((name, values) -> {
                if (!name.equalsIgnoreCase("host")) {
                    values.forEach(value -> up.header(name, value));
                }
            });
            var stored = plain.send(up.build(), HttpResponse.BodyHandlers.ofString());
            same(stored.statusCode(), 200);
            sameBytes(get(bucket, "a b"), body);
            same(S3.headObject(r -> r.bucket(bucket).key("a b")).contentType(), "text/plain");

            var get = presigner.presignGetObject(r -> r.signatureDuration(Duration.ofMinutes(5))
                    .getObjectRequest(g -> g.bucket(bucket).key("a b")
                            .responseContentType("image/x-test")));
            HttpRequest down = HttpRequest.newBuilder(get.url().toURI()).build();
            var got = plain.send(down, HttpResponse.BodyHandlers.ofByteArray());
            same(got.statusCode(), 200);
            same(got.headers().firstValue("content-type").orElse(null), "image/x-test");
            sameBytes(got.body(), body);

            URI other = URI.create(get.url().toString().replace("/a%20b?", "/another?"));
            check(!other.equals(get.url().toURI()), "the key was changed");
            var refused = plain.send(HttpRequest.newBuilder(other).build(),
                    HttpResponse.BodyHandlers.ofString());
            same(refused.statusCode(), 403);
            check(refused.body().contains("<Code>SignatureDoesNotMatch</Code>"), refused.body());
        }
    }

    private static void listings(String bucket) {
        List<String> keys = new ArrayList<>();
        for (int number = 0; number < 25; number++) {
            keys.add(String.format("%s/%02d \u00fc&", number % 2 == 0 ? "even" : "odd", number));
        }
        keys.sort(null);
        keys.forEach(key -> put(bucket, key, pattern(6, 3)));
        List<String> found = new ArrayList<>();
        int pages = 0;
        for (var page : S3.listObjectsV2Paginator(r -> r.bucket(bucket).maxKeys(7))) {
            pages++;
            page.contents().forEach(object -> found.add(object.key()));
        }
        same(found, keys);
        same(pages, 4);
        List<String> even = S3.listObjectsV2Paginator(r -> r.bucket(bucket).prefix("even/").maxKeys(5))
                .contents().stream().map(S3Object::key).toList();
        same(even, keys.subList(0, 13));
        var folders = S3.listObjectsV2(r -> r.bucket(bucket).delimiter("/")).commonPrefixes();
        same(folders.stream().map(folder -> folder.prefix()).toList(), List.of("even/", "odd/"));
        check(S3.listBuckets().buckets().stream().anyMatch(b -> b.name().equals(bucket)), "listed");
    }

    private static void conditions(String bucket) {
        String tag = S3.putObject(r -> r.bucket(bucket).key("k").ifNoneMatch("*"),
                RequestBody.fromString("first")).eTag();
        refused(412, "PreconditionFailed", () -> S3.putObject(
                r -> r.bucket(bucket).key("k").ifNoneMatch("*"), RequestBody.fromString("second")));
        refused(412, "PreconditionFailed", () -> S3.putObject(
                r -> r.bucket(bucket).key("k").ifMatch("\"" + "0".repeat(32) + '"'),
                RequestBody.fromString("third")));
        sameBytes(get(bucket, "k"), "first".getBytes());
        S3.putObject(r -> r.bucket(bucket).key("k").ifMatch(tag), RequestBody.fromString("fourth"));
        sameBytes(get(bucket, "k"), "fourth".getBytes());
        refused(412, "PreconditionFailed",
                () -> S3.getObjectAsBytes(r -> r.bucket(bucket).key("k").ifMatch(tag)));
        String now = S3.headObject(r -> r.bucket(bucket).key("k")).eTag();
        refused(304, null, () -> S3.getObjectAsBytes(r -> r.bucket(bucket).key("k").ifNoneMatch(now)));
    }

    private static void versions(String bucket) {
        S3.putBucketVersioning(r -> r.bucket(bucket)
                .versioningConfiguration(v -> v.status(BucketVersioningStatus.ENABLED)));
        List<String> ids = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            ids.add(put(bucket, "k", pattern(number, 1_000 + number)).versionId());
        }
        String marker = S3.deleteObject(r -> r.bucket(bucket).key("k")).versionId();
        refused(404, "NoSuchKey", () -> get(bucket, "k"));
        for (int number = 0; number < 3; number++) {
            String id = ids.get(number);
            var got = S3.getObjectAsBytes(r -> r.bucket(bucket).key("k").versionId(id));
            same(got.response().versionId(), id);
            sameBytes(got.asByteArray(), pattern(number, 1_000 + number));
        }
        var listed = S3.listObjectVersionsPaginator(r -> r.bucket(bucket).maxKeys(2));
        same(listed.versions().stream().map(version -> version.versionId()).toList(),
                List.of(ids.get(2), ids.get(1), ids.get(0)));
        S3.deleteObject(r -> r.bucket(bucket).key("k").versionId(marker));
        sameBytes(get(bucket, "k"), pattern(2, 1_002));
    }

    private static void deletes(String bucket) {
        List<ObjectIdentifier> keys = new ArrayList<>();
        for (String key : List.of("one", "two \u00fc&<", "three")) {
            put(bucket, key, pattern(7, 10));
            keys.add(ObjectIdentifier.builder().key(key).build());
        }
        S3.deleteObject(r -> r.bucket(bucket).key("one"));
        refused(404, "NoSuchKey", () -> get(bucket, "one"));
        refused(409, "BucketNotEmpty", () -> S3.deleteBucket(r -> r.bucket(bucket)));
        var deleted = S3.deleteObjects(
                r -> r.bucket(bucket).delete(Delete.builder().objects(keys).build()));
        same(deleted.deleted().size(), 3);
        same(deleted.errors().size(), 0);
        same(S3.listObjectsV2(r -> r.bucket(bucket)).keyCount(), 0);
        S3.deleteBucket(r -> r.bucket(bucket));
        refused(404, null, () -> S3.headBucket(r -> r.bucket(bucket)));
    }

    // --- What they share ---

    private static PutObjectResponse put(String bucket, String key, byte[] body) {
        return S3.putObject(r -> r.bucket(bucket).key(key), RequestBody.fromBytes(body));
    }

    private static byte[] get(String bucket, String key) {
        return S3.getObjectAsBytes(r -> r.bucket(bucket).key(key)).asByteArray();
    }

    /** The object was stored in parts, as its tag tells: the test would else test less. */
    private static void inParts(String bucket, String key) {
        String tag = S3.headObject(r -> r.bucket(bucket).key(key)).eTag();
        check(tag.matches("\"[0-9a-f]{32}-[0-9]+\""), tag);
    }

    private static void refused(int status, String code, Runnable call) {
        try {
            call.run();
        } catch (S3Exception refusal) {
            same(refusal.statusCode(), status);
            check(refusal.requestId() != null, "a refusal names its request");
            if (code != null) {
                same(refusal.awsErrorDetails().errorCode(), code);
            }
            return;
        }
        throw new AssertionError("not refused with " + status + ' ' + code);
    }

    /** So many bytes that follow from the seed. */
    private static byte[] pattern(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private static String hex(String algorithm, byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(bytes));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static void same(Object got, Object expected) {
        check(expected.equals(got), "got " + got + ", expected " + expected);
    }

    /** Equal, without printing mebibytes if not. */
    private static void sameBytes(byte[] got, byte[] expected) {
        check(Arrays.equals(got, expected), "other bytes: " + got.length + " of " + expected.length);
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
