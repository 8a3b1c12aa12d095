//! Settings that are never made: what reading, deleting and writing them says.

use hyper::Method;

use super::client::{Answer, Draft};
use super::{Stand, with_bucket};

/// A request for a setting: `acl` or `metrics&id=x` of a path.
fn ask<G>(stand: &Stand<G>, method: &Method, path: &str, query: &str) -> Draft {
    let draft = stand.main.request(method.clone(), path);
    query.split('&').fold(draft, |draft, parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        draft.query(name, value)
    })
}

async fn get<G>(stand: &Stand<G>, path: &str, query: &str) -> Answer {
    ask(stand, &Method::GET, path, query).send().await
}

async fn put<G>(stand: &Stand<G>, path: &str, query: &str, body: &str) -> Answer {
    ask(stand, &Method::PUT, path, query).body(body.to_owned()).send().await
}

/// What a bucket without a setting says, by the setting's parameter.
const MISSING: [(&str, u16, &str); 16] = [
    ("cors", 404, "NoSuchCORSConfiguration"),
    ("lifecycle", 404, "NoSuchLifecycleConfiguration"),
    ("tagging", 404, "NoSuchTagSet"),
    ("policy", 404, "NoSuchBucketPolicy"),
    ("policyStatus", 404, "NoSuchBucketPolicy"),
    ("website", 404, "NoSuchWebsiteConfiguration"),
    ("replication", 404, "ReplicationConfigurationNotFoundError"),
    ("encryption", 404, "ServerSideEncryptionConfigurationNotFoundError"),
    ("object-lock", 404, "ObjectLockConfigurationNotFoundError"),
    ("metadataTable", 404, "MetadataConfigurationNotFound"),
    ("metadataConfiguration", 404, "MetadataConfigurationNotFound"),
    ("analytics&id=x", 404, "NoSuchConfiguration"),
    ("inventory&id=x", 404, "NoSuchConfiguration"),
    ("metrics&id=x", 404, "NoSuchConfiguration"),
    ("intelligent-tiering&id=x", 404, "NoSuchConfiguration"),
    ("object-lock&x-id=GetObjectLockConfiguration", 404, "ObjectLockConfigurationNotFoundError"),
];

/// The documents of a bucket without settings, without declaration and namespace.
const DOCUMENTS: [(&str, &str); 13] = [
    ("accelerate", "<AccelerateConfiguration></AccelerateConfiguration>"),
    ("logging", "<BucketLoggingStatus></BucketLoggingStatus>"),
    ("notification", "<NotificationConfiguration></NotificationConfiguration>"),
    ("abac", "<AbacStatus><Status>Disabled</Status></AbacStatus>"),
    (
        "requestPayment",
        "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
    ),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>\
         </OwnershipControls>",
    ),
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
         <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
         <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
    ),
    (
        "analytics",
        "<ListBucketAnalyticsConfigurationResult><IsTruncated>false</IsTruncated>\
         </ListBucketAnalyticsConfigurationResult>",
    ),
    (
        "inventory",
        "<ListInventoryConfigurationsResult><IsTruncated>false</IsTruncated>\
         </ListInventoryConfigurationsResult>",
    ),
    (
        "metrics",
        "<ListMetricsConfigurationsResult><IsTruncated>false</IsTruncated>\
         </ListMetricsConfigurationsResult>",
    ),
    (
        "intelligent-tiering",
        "<ListBucketIntelligentTieringConfigurationsOutput><IsTruncated>false</IsTruncated>\
         </ListBucketIntelligentTieringConfigurationsOutput>",
    ),
    ("versioning", "<VersioningConfiguration></VersioningConfiguration>"),
    ("location", "<LocationConstraint></LocationConstraint>"),
];

#[tokio::test]
async fn a_fresh_bucket_says_that_nothing_was_set() {
    let stand = with_bucket().await;
    for (query, status, code) in MISSING {
        let told = get(&stand, "/photos", query).await;
        assert_eq!(told.error(), (status, code), "{query}");
        assert_eq!(told.element("BucketName"), Some("photos"), "{query}");
    }
    for (query, expected) in DOCUMENTS {
        let told = get(&stand, "/photos", query).await;
        assert_eq!(told.status, 200, "{query}: {}", told.text());
        assert_eq!(told.header("content-type"), "application/xml", "{query}");
        let namespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
        let (_, root) = told.text().split_once('\n').expect("a declaration");
        assert_eq!(root.replacen(namespace, "", 1), expected, "{query}");
    }
    let acl = get(&stand, "/photos", "acl").await;
    assert_eq!(acl.elements("ID"), [stand.main_id.as_str(), &stand.main_id]);
    assert_eq!(acl.elements("Permission"), ["FULL_CONTROL"]);
    assert!(acl.text().contains("xsi:type=\"CanonicalUser\""), "{}", acl.text());
    assert_eq!(acl.operation, Some("GetBucketAcl"));
}

#[tokio::test]
async fn a_fresh_object_says_that_nothing_was_set() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    let acl = get(&stand, "/photos/a", "acl").await;
    assert_eq!((acl.status, acl.elements("Permission")), (200, vec!["FULL_CONTROL"]));
    let tags = get(&stand, "/photos/a", "tagging").await;
    assert!(tags.text().ends_with("<TagSet></TagSet></Tagging>"), "{}", tags.text());
    assert_eq!(tags.header("x-amz-version-id"), "", "the bucket never kept versions");
    for query in ["retention", "legal-hold"] {
        let told = get(&stand, "/photos/a", query).await;
        assert_eq!(told.error(), (400, "InvalidRequest"), "{query}");
    }
    for query in ["acl", "tagging", "retention", "legal-hold"] {
        let told = get(&stand, "/photos/none", query).await;
        assert_eq!(told.error(), (404, "NoSuchKey"), "{query}");
        assert_eq!(told.element("Key"), Some("none"));
        let told = get(&stand, "/photos/a", &format!("{query}&versionId=nonsense")).await;
        assert_eq!(told.error(), (400, "InvalidArgument"), "{query}");
    }
    let deleted = ask(&stand, &Method::DELETE, "/photos/a", "tagging").send().await;
    assert_eq!((deleted.status, deleted.operation), (204, Some("DeleteObjectTagging")));
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "x", "only the tags were deleted");
}

#[tokio::test]
async fn settings_of_versions_name_them() {
    let stand = with_bucket().await;
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(put(&stand, "/photos", "versioning", enabled).await.status, 200);
    let first = stand.main.put("/photos/a").body("1").send().await;
    let first = first.header("x-amz-version-id").to_owned();
    stand.main.put("/photos/a").body("2").send().await;
    let of_first = format!("tagging&versionId={first}");
    assert_eq!(get(&stand, "/photos/a", &of_first).await.header("x-amz-version-id"), first);
    let gone = stand.main.delete("/photos/a").send().await;
    assert_eq!(get(&stand, "/photos/a", "acl").await.error(), (404, "NoSuchKey"));
    let marker = format!("acl&versionId={}", gone.header("x-amz-version-id"));
    assert_eq!(get(&stand, "/photos/a", &marker).await.error(), (405, "MethodNotAllowed"));
    assert_eq!(get(&stand, "/photos/a", &of_first).await.status, 200);
    let deleted = ask(&stand, &Method::DELETE, "/photos/a", &of_first).send().await;
    assert_eq!((deleted.status, deleted.header("x-amz-version-id")), (204, first.as_str()));
}

#[tokio::test]
async fn deleting_what_was_never_made_changes_nothing() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    let delete = |query: &str| ask(&stand, &Method::DELETE, "/photos", query).send();
    for query in [
        "cors",
        "encryption",
        "lifecycle",
        "metadataConfiguration",
        "metadataTable",
        "policy",
        "replication",
        "tagging",
        "website",
    ] {
        let told = delete(query).await;
        assert_eq!((told.status, told.body.len()), (204, 0), "{query}: {}", told.text());
    }
    for query in ["analytics", "inventory", "metrics", "intelligent-tiering"] {
        let told = delete(&format!("{query}&id=x")).await;
        assert_eq!(told.error(), (404, "NoSuchConfiguration"), "{query}");
    }
    // What holds always cannot be taken away.
    for query in ["publicAccessBlock", "ownershipControls"] {
        assert_eq!(delete(query).await.error(), (501, "NotImplemented"), "{query}");
        assert_eq!(get(&stand, "/photos", query).await.status, 200, "{query}");
    }
    assert_eq!(delete("cors&shiny").await.error(), (501, "NotImplemented"));
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "x");
}

const OWNED: &str = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced\
    </ObjectOwnership></Rule></OwnershipControls>";
const BLOCKED: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
    <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
    <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

#[tokio::test]
async fn writes_that_ask_for_what_is_so_are_taken() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    for (query, body) in [
        (
            "accelerate",
            "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>",
        ),
        ("abac", "<AbacStatus><Status>Disabled</Status></AbacStatus>"),
        ("logging", "<BucketLoggingStatus xmlns=\"http://doc.s3.amazonaws.com/2006-03-01\" />"),
        ("notification", "<NotificationConfiguration></NotificationConfiguration>"),
        ("ownershipControls", OWNED),
        ("publicAccessBlock", BLOCKED),
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        ),
        ("tagging", "<Tagging><TagSet></TagSet></Tagging>"),
    ] {
        let told = put(&stand, "/photos", query, body).await;
        assert_eq!(told.status, 200, "{query}: {}", told.text());
    }
    let tags = put(&stand, "/photos/a", "tagging", "<Tagging><TagSet/></Tagging>").await;
    assert_eq!(tags.status, 200, "{}", tags.text());
    for path in ["/photos", "/photos/a"] {
        for acl in ["private", "bucket-owner-full-control"] {
            let told = ask(&stand, &Method::PUT, path, "acl").header("x-amz-acl", acl).send().await;
            assert_eq!(told.status, 200, "{path} {acl}: {}", told.text());
        }
        let read = get(&stand, path, "acl").await;
        let told = put(&stand, path, "acl", read.text()).await;
        assert_eq!(told.status, 200, "{path}: what was read can be written: {}", told.text());
    }
    let bad = ask(&stand, &Method::PUT, "/photos", "publicAccessBlock").body(BLOCKED);
    let bad = bad.header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").send().await;
    assert_eq!(bad.error(), (400, "BadDigest"));
}

/// Access control lists that give more, or less, than full control for the owner alone.
fn other_lists(owner: &str) -> [String; 4] {
    let list = |grant: &str| {
        format!(
            "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grant}\
             </AccessControlList></AccessControlPolicy>"
        )
    };
    let grant = |kind: &str, grantee: &str, permission: &str| {
        list(&format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"{kind}\">{grantee}</Grantee><Permission>{permission}</Permission></Grant>"
        ))
    };
    let everybody = "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>";
    [
        grant("Group", everybody, "READ"),
        grant("CanonicalUser", &format!("<ID>{}</ID>", super::OTHER), "FULL_CONTROL"),
        grant("CanonicalUser", &format!("<ID>{owner}</ID>"), "READ"),
        list(""),
    ]
}

/// Settings of a bucket that something would have to obey.
const OBEYED: [(&str, &str); 8] = [
    (
        "notification",
        "<NotificationConfiguration><TopicConfiguration><Topic>t</Topic><Event>s3:ObjectCreated:*\
         </Event></TopicConfiguration></NotificationConfiguration>",
    ),
    (
        "notification",
        "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>",
    ),
    ("notification", "<NotificationConfiguration><Shiny/></NotificationConfiguration>"),
    ("tagging", TAGS),
    ("accelerate", "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"),
    ("abac", "<AbacStatus><Status>Enabled</Status></AbacStatus>"),
    (
        "logging",
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>\
         </TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
    ),
    (
        "requestPayment",
        "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
    ),
];
const TAGS: &str = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";

#[tokio::test]
async fn writes_that_something_would_have_to_obey_are_refused() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    let refused = (501, "NotImplemented");
    for list in other_lists(&stand.main_id) {
        for path in ["/photos", "/photos/a"] {
            assert_eq!(put(&stand, path, "acl", &list).await.error(), refused, "{path} {list}");
        }
    }
    for (query, body) in OBEYED {
        assert_eq!(put(&stand, "/photos", query, body).await.error(), refused, "{query} {body}");
    }
    assert_eq!(put(&stand, "/photos/a", "tagging", TAGS).await.error(), refused);
    let read = get(&stand, "/photos", "acl").await;
    for (query, body) in [
        ("acl", read.text().replacen("<Owner>", "<Shiny/><Owner>", 1)),
        ("publicAccessBlock", BLOCKED.replacen("true", "false", 1)),
        ("publicAccessBlock", BLOCKED.replace("<BlockPublicPolicy>true</BlockPublicPolicy>", "")),
        ("publicAccessBlock", BLOCKED.replacen("<B", "<Shiny>true</Shiny><B", 1)),
        ("ownershipControls", OWNED.replace("BucketOwnerEnforced", "BucketOwnerPreferred")),
    ] {
        assert_eq!(put(&stand, "/photos", query, &body).await.error(), refused, "{query} {body}");
    }
    for (name, value) in [("x-amz-acl", "public-read"), ("x-amz-grant-read", "id=\"x\"")] {
        let told = ask(&stand, &Method::PUT, "/photos", "acl").header(name, value).send().await;
        assert_eq!(told.error(), refused, "{name}");
    }
    let neither = put(&stand, "/photos", "acl", "").await;
    assert_eq!(neither.error(), (400, "MissingSecurityHeader"));
    let other = put(&stand, "/photos", "publicAccessBlock", OWNED).await;
    assert_eq!(other.error(), (400, "MalformedXML"));
}

#[tokio::test]
async fn settings_are_told_to_the_owner_of_what_is_there() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    let asked = MISSING.iter().map(|(query, ..)| *query).chain(DOCUMENTS.iter().map(|(q, _)| *q));
    for query in asked.chain(["acl"]) {
        let draft = |client: &str, path: &str| {
            let client = if client == "other" { &stand.other } else { &stand.main };
            query.split('&').fold(client.get(path), |draft, parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                draft.query(name, value)
            })
        };
        let told = draft("other", "/photos").send().await;
        assert_eq!(told.error(), (403, "AccessDenied"), "{query}");
        let told = draft("main", "/photos").anonymous().send().await;
        assert_eq!(told.error(), (403, "AccessDenied"), "{query}");
        let told = draft("main", "/nothing").send().await;
        assert_eq!(told.error(), (404, "NoSuchBucket"), "{query}");
        let owner = ("x-amz-expected-bucket-owner", super::OTHER.to_string());
        let told = draft("main", "/photos").header(owner.0, &owner.1).send().await;
        assert_eq!(told.error(), (403, "AccessDenied"), "{query}");
    }
    for (method, query) in [
        (Method::PUT, "acl"),
        (Method::DELETE, "cors"),
        (Method::DELETE, "policy"),
        (Method::PUT, "publicAccessBlock"),
    ] {
        let body = if query == "publicAccessBlock" { BLOCKED } else { "" };
        let draft = stand.other.request(method.clone(), "/photos").query(query, "").body(body);
        let draft = if query == "acl" { draft.header("x-amz-acl", "private") } else { draft };
        let told = draft.send().await;
        assert_eq!(told.error(), (403, "AccessDenied"), "{method} {query}");
    }
}
