//! Accounts and their access keys.

use std::sync::Arc;

use coffer_types::{AccountId, AccountName};
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// An account: it owns buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its canonical id, for ever.
    pub id: AccountId,
    /// Its name, which may change.
    pub name: AccountName,
    /// Whether it is the account that the first start made.
    pub root: bool,
}

/// Who made an access key, and so who may replace it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyOrigin {
    /// The first start, or the environment: the key of the root account.
    Root,
    /// A `[[bootstrap_account]]` of the configuration.
    Bootstrap,
}

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: Secret,
    /// The account that it speaks for.
    pub account: Arc<Account>,
    /// Who made it.
    pub origin: KeyOrigin,
}
