//! What a start makes sure of, against a store in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use coffer_storage_engine::documents::{Document, DocumentError};

use super::*;

/// Revision, bytes, and whether they are sealed.
type Stored = (u64, Vec<u8>, bool);

/// Documents in memory; fails after a given number of writes, as a crash would.
#[derive(Default)]
struct Memory {
    documents: Mutex<BTreeMap<(String, String), Stored>>,
    writes_left: Mutex<Option<u32>>,
}

impl Memory {
    fn names(&self, kind: &str) -> Vec<String> {
        let documents = self.documents.lock().expect("not poisoned");
        documents.keys().filter(|(k, _)| k == kind).map(|(_, name)| name.clone()).collect()
    }

    fn fail_after(&self, writes: Option<u32>) {
        *self.writes_left.lock().expect("not poisoned") = writes;
    }
}

impl DocumentStore for Memory {
    fn documents(&self, kind: &str) -> Result<Vec<Document>, DocumentError> {
        let documents = self.documents.lock().expect("not poisoned");
        let of_kind = documents.iter().filter(|((k, _), _)| k == kind);
        let document = |((_, name), (revision, bytes, _)): (&(String, String), &Stored)| Document {
            name: name.clone(),
            revision: *revision,
            bytes: bytes.clone().into(),
        };
        Ok(of_kind.map(document).collect())
    }

    // The port is asynchronous; memory is not.
    #[allow(clippy::unused_async_trait_impl)]
    async fn put_document(&self, put: PutDocument) -> Result<u64, DocumentError> {
        if let Some(left) = self.writes_left.lock().expect("not poisoned").as_mut() {
            *left = left.checked_sub(1).ok_or(DocumentError::Metadata(
                coffer_storage_engine::metadata::MetadataError::Unavailable,
            ))?;
        }
        let mut documents = self.documents.lock().expect("not poisoned");
        let at = (put.kind.to_owned(), put.name);
        let revision = documents.get(&at).map_or(0, |present| present.0) + 1;
        let Some(bytes) = put.bytes else {
            documents.remove(&at);
            return Ok(0);
        };
        documents.insert(at, (revision, bytes.to_vec(), put.secret));
        Ok(revision)
    }
}

/// Counts upwards: a different key each time.
#[derive(Debug, Default)]
pub(crate) struct CountingRand(AtomicU8);

impl Rand for CountingRand {
    fn fill(&self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn credentials(access_key: &str, secret: &str) -> Credentials {
    Credentials { access_key: access_key.to_owned(), secret: Secret::new(secret) }
}

fn bootstrap(name: &str, id: u8, access_key: &str, secret: &str) -> BootstrapAccount {
    BootstrapAccount {
        name: AccountName::parse(name).expect("valid"),
        id: AccountId::from_bytes([id; 32]),
        credentials: credentials(access_key, secret),
    }
}

#[tokio::test]
async fn the_first_start_makes_a_root_and_the_next_one_keeps_it() {
    let (store, rand) = (Memory::default(), CountingRand::default());
    let access = Access::load(&store).expect("loads");
    let first = access.ensure_root(&store, &rand, None).await.expect("made");
    assert_eq!(first.change, KeyChange::Generated);

    let again = Access::load(&store).expect("loads");
    let kept = again.ensure_root(&store, &rand, None).await.expect("kept");
    assert_eq!(kept.change, KeyChange::Unchanged);
    assert_eq!((kept.access_key, kept.secret), (first.access_key.clone(), first.secret));
    assert_eq!(kept.account, first.account);
    assert!(again.account(first.account).expect("there").root);
    let sealed = store.documents.lock().expect("not poisoned");
    assert!(sealed[&(ACCESS_KEY.to_owned(), first.access_key)].2, "the secret is sealed");
}

#[tokio::test]
async fn given_root_credentials_replace_the_old_ones() {
    let (store, rand) = (Memory::default(), CountingRand::default());
    let access = Access::load(&store).expect("loads");
    let old = access.ensure_root(&store, &rand, None).await.expect("made");

    let given = credentials("operator", "a-secret-of-mine");
    let new = access.ensure_root(&store, &rand, Some(given.clone())).await.expect("replaced");
    assert_eq!((new.change, new.account), (KeyChange::Stored, old.account));
    assert_eq!(store.names(ACCESS_KEY), ["operator"]);
    assert!(access.key(&old.access_key).is_none());
    assert_eq!(access.key("operator").expect("there").secret, given.secret);

    let same = access.ensure_root(&store, &rand, Some(given)).await.expect("same");
    assert_eq!(same.change, KeyChange::Unchanged);
    let rotated = credentials("operator", "another-secret");
    access.ensure_root(&store, &rand, Some(rotated)).await.expect("rotated");
    assert_eq!(access.key("operator").expect("there").secret, Secret::new("another-secret"));
}

#[tokio::test]
async fn a_start_cut_short_at_any_write_is_completed_by_the_next() {
    for writes in 0..4 {
        let (store, rand) = (Memory::default(), CountingRand::default());
        store.fail_after(Some(writes));
        let access = Access::load(&store).expect("loads");
        let first = access.ensure_root(&store, &rand, Some(credentials("one", "secret-one"))).await;
        let second =
            access.ensure_root(&store, &rand, Some(credentials("two", "secret-two"))).await;
        assert!(first.is_err() || second.is_err() || writes > 3, "writes: {writes}");

        store.fail_after(None);
        let access = Access::load(&store).expect("loads");
        access
            .ensure_root(&store, &rand, Some(credentials("two", "secret-two")))
            .await
            .expect("ok");
        assert_eq!(store.names(ACCESS_KEY), ["two"], "writes: {writes}");
        assert_eq!(store.names(ACCOUNT).len(), 1, "writes: {writes}");
    }
}

#[tokio::test]
async fn weak_credentials_change_nothing() {
    let (store, rand) = (Memory::default(), CountingRand::default());
    let access = Access::load(&store).expect("loads");
    let refused = access.ensure_root(&store, &rand, Some(credentials("admin", "admin"))).await;
    assert!(matches!(refused, Err(AccessError::Credentials(_))));
    assert!(store.names(ACCOUNT).is_empty());
}

#[tokio::test]
async fn configured_accounts_follow_the_configuration() {
    let (store, rand) = (Memory::default(), CountingRand::default());
    let access = Access::load(&store).expect("loads");
    let root = access.ensure_root(&store, &rand, None).await.expect("made");
    let (ada, bob) =
        (bootstrap("ada", 1, "ada-key", "secret-a"), bootstrap("bob", 2, "bob-key", "secret-b"));
    access.ensure_accounts(&store, vec![ada.clone(), bob]).await.expect("made");
    assert_eq!(access.key("ada-key").expect("there").account.name.as_str(), "ada");

    let renamed = bootstrap("ada-l", 1, "ada-key-2", "secret-2");
    access.ensure_accounts(&store, vec![renamed]).await.expect("changed");
    assert!(access.key("ada-key").is_none(), "the old key is gone");
    assert_eq!(access.key("ada-key-2").expect("there").account.name.as_str(), "ada-l");
    assert!(access.key("bob-key").is_none(), "no longer configured");
    assert!(access.account(AccountId::from_bytes([2; 32])).is_some(), "may own buckets");
    assert!(access.key(&root.access_key).is_some(), "root is untouched");
}

#[tokio::test]
async fn accounts_do_not_take_what_is_anothers() {
    let (store, rand) = (Memory::default(), CountingRand::default());
    let access = Access::load(&store).expect("loads");
    let root = access.ensure_root(&store, &rand, None).await.expect("made");
    access.ensure_account(&store, bootstrap("ada", 1, "ada-key", "secret-a")).await.expect("made");

    let taken = access.ensure_account(&store, bootstrap("ada", 2, "x-key", "secret-x")).await;
    assert!(matches!(taken, Err(AccessError::NameTaken(_))));
    let taken = access.ensure_account(&store, bootstrap("eve", 2, "ada-key", "secret-x")).await;
    assert!(matches!(taken, Err(AccessError::KeyTaken(_))));
    let taken =
        access.ensure_account(&store, bootstrap("eve", 3, &root.access_key, "secret-x")).await;
    assert!(matches!(taken, Err(AccessError::KeyTaken(_))));
    let mut as_root = bootstrap("eve", 3, "x-key", "secret-x");
    as_root.id = root.account;
    assert!(matches!(access.ensure_account(&store, as_root).await, Err(AccessError::IsRoot(_))));
}
