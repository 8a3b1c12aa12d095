//! Whole requests as clients send them, against any store that the parent module opens.

mod attributes;
mod chunks;
mod client;
mod copies;
mod listings;
mod metadata;
mod multipart;
mod multipart_checksums;
mod names;
mod objects;
mod part_copies;
mod refusals;
mod settings;
mod signatures;
mod upload_listings;
mod uploads;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coffer_access::{Access, BootstrapAccount, Credentials, Secret};
use coffer_types::{AccountId, AccountName, Rand};

use super::{GatewayConfig, OperationName, S3Gateway, open};
use client::Client;

/// The second account.
const OTHER: AccountId = AccountId::from_bytes([0xee; 32]);

/// A gateway with two accounts, each with a client that holds its key.
struct Stand<G> {
    main: Client,
    other: Client,
    /// Canonical id of the first account.
    main_id: String,
    _guard: G,
}

/// Opens a store and a gateway to it.
async fn stand(configure: impl FnOnce(&mut GatewayConfig)) -> Stand<impl Sized> {
    let (engine, guard) = open().await;
    let rand = Arc::new(Counting::default());
    let access = Access::load(&engine).expect("an empty store loads");
    let credentials = |name: &str| Credentials {
        access_key: format!("{name}-key"),
        secret: Secret::new(format!("secret-of-{name}")),
    };
    let root = access.ensure_root(&engine, rand.as_ref(), Some(credentials("main"))).await;
    let root = root.expect("made");
    let account = BootstrapAccount {
        name: AccountName::parse("other").expect("valid"),
        id: OTHER,
        credentials: credentials("other"),
    };
    access.ensure_account(&engine, account).await.expect("made");
    let mut config = GatewayConfig::new(rand);
    configure(&mut config);
    let gateway = S3Gateway::new(config, engine, Arc::new(access));
    Stand {
        main: Client::new(&gateway, "main-key", "secret-of-main"),
        other: Client::new(&gateway, "other-key", "secret-of-other"),
        main_id: root.account.to_string(),
        _guard: guard,
    }
}

/// A stand with the bucket `photos` of the first account.
async fn with_bucket() -> Stand<impl Sized> {
    let stand = stand(|_| {}).await;
    assert_eq!(stand.main.put("/photos").send().await.status, 200);
    stand
}

/// Different bytes each time.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Rand for Counting {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            chunk.copy_from_slice(&count.to_le_bytes()[..chunk.len()]);
        }
    }
}
