//! Who is asking, and may they: accounts, access keys, authorization.
//!
//! ```text
//! documents of the engine ──load──► Directory (immutable, swapped as a whole)
//!                                      │ access key id ─► AccessKey ─► Account
//! signature checked by a front ─► Principal ─┐
//!                          Action, Resource ─┴─► authorize ─► Authorized<T> ─► handler
//! ```
//!
//! Every front (S3 today, registries and the console later) asks here, so there is one answer.
//! Handlers take [`Authorized`], which only [`authorize`] can build: one that forgot to ask does
//! not compile. Looking a key up never touches the engine.

mod account;
mod authorize;
mod credentials;
mod directory;
mod ensure;
#[doc(hidden)]
pub mod fuzzing;
mod record;
mod secret;
mod store;

pub use account::{AccessKey, Account, KeyOrigin};
pub use authorize::{Action, Authorized, Denied, Principal, Resource, authorize};
pub use credentials::{Credentials, RefusedCredentials};
pub use directory::Access;
pub use ensure::{BootstrapAccount, EnsuredKey, KeyChange};
pub use record::RecordError;
pub use secret::Secret;
pub use store::DocumentStore;

/// Why accounts or keys could not be loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The credentials are not fit for use.
    #[error(transparent)]
    Credentials(#[from] RefusedCredentials),
    /// Another account has this name.
    #[error("another account is already named {0}; give every account its own name")]
    NameTaken(coffer_types::AccountName),
    /// The access key belongs to another account, or was not made by the configuration.
    #[error("the access key {0} already belongs to another account; choose another one")]
    KeyTaken(String),
    /// The configuration names the root account as one of its own.
    #[error("the canonical id {0} is that of the root account; choose another one")]
    IsRoot(coffer_types::AccountId),
    /// A stored document does not decode.
    #[error("the stored {kind} {name:?} cannot be read")]
    Record {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: RecordError,
    },
    /// An access key whose account does not exist.
    #[error("the access key {key} belongs to the account {account}, which does not exist")]
    Orphan {
        /// The key's id.
        key: String,
        /// The account it names.
        account: coffer_types::AccountId,
    },
    /// The engine could not read or write documents.
    #[error(transparent)]
    Store(#[from] coffer_storage_engine::documents::DocumentError),
}
