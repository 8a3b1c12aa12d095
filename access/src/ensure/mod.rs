//! What a start makes sure of: the root account and its key, and the accounts that the
//! configuration names. Everything here may be repeated, and is completed by the next start when
//! a crash cuts it short: accounts are written before keys, new keys before old ones go.

use std::sync::Arc;

use coffer_storage_engine::documents::PutDocument;
use coffer_types::{AccountId, AccountName, Rand};

use crate::AccessError;
use crate::account::{AccessKey, Account, KeyOrigin};
use crate::credentials::Credentials;
use crate::directory::Access;
use crate::record::{self, ACCESS_KEY, ACCOUNT};
use crate::secret::Secret;
use crate::store::DocumentStore;

/// An account that the configuration names.
#[derive(Clone, Debug)]
pub struct BootstrapAccount {
    /// Its name.
    pub name: AccountName,
    /// Its canonical id.
    pub id: AccountId,
    /// Its only access key.
    pub credentials: Credentials,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It was there already.
    Unchanged,
    /// It was generated now; nobody knows its secret yet.
    Generated,
    /// It was stored as given, beside or instead of others.
    Stored,
}

/// A key that is there now.
#[derive(Clone, Debug)]
pub struct EnsuredKey {
    /// The account that it speaks for.
    pub account: AccountId,
    /// Its public half.
    pub access_key: String,
    /// Its secret half, for the credentials file.
    pub secret: Secret,
    /// What became of it.
    pub change: KeyChange,
}

impl Access {
    /// Makes sure of the root account and its key. With `given` credentials that key becomes the
    /// only one of the root account; without, the present one stays or a new one is drawn.
    pub async fn ensure_root(
        &self,
        store: &impl DocumentStore,
        rand: &dyn Rand,
        given: Option<Credentials>,
    ) -> Result<EnsuredKey, AccessError> {
        if let Some(given) = &given {
            given.check()?;
        }
        let account = match self.snapshot().root() {
            Some(root) => Arc::clone(root),
            None => self.create_root(store, rand).await?,
        };
        let present = self.keys_of(account.id, KeyOrigin::Root);
        match (given, present.first()) {
            (Some(given), _) => self.replace_key(store, account, KeyOrigin::Root, given).await,
            (None, Some(key)) => Ok(ensured(key, KeyChange::Unchanged)),
            (None, None) => {
                let drawn = Credentials::generate(rand);
                let key = self.replace_key(store, account, KeyOrigin::Root, drawn).await?;
                Ok(EnsuredKey { change: KeyChange::Generated, ..key })
            }
        }
    }

    /// Makes sure of an account that the configuration names, and that the given key is its only
    /// one.
    pub async fn ensure_account(
        &self,
        store: &impl DocumentStore,
        wanted: BootstrapAccount,
    ) -> Result<EnsuredKey, AccessError> {
        wanted.credentials.check()?;
        let directory = self.snapshot();
        let BootstrapAccount { name, id, credentials } = wanted;
        if directory.accounts.values().any(|other| other.name == name && other.id != id) {
            return Err(AccessError::NameTaken(name));
        }
        self.check_key_free(&credentials.access_key, id, KeyOrigin::Bootstrap)?;
        let account = match directory.accounts.get(&id) {
            Some(present) if present.root => return Err(AccessError::IsRoot(id)),
            Some(present) if present.name == name => Arc::clone(present),
            Some(_) | None => self.put_account(store, Account { id, name, root: false }).await?,
        };
        self.replace_key(store, account, KeyOrigin::Bootstrap, credentials).await
    }

    /// Makes sure of all accounts that the configuration names, and takes the keys away that it
    /// named once and names no longer. Their accounts stay, because they may own buckets.
    pub async fn ensure_accounts(
        &self,
        store: &impl DocumentStore,
        wanted: Vec<BootstrapAccount>,
    ) -> Result<(), AccessError> {
        let named: Vec<AccountId> = wanted.iter().map(|account| account.id).collect();
        for account in wanted {
            self.ensure_account(store, account).await?;
        }
        let directory = self.snapshot();
        let stale = directory
            .keys
            .values()
            .filter(|key| key.origin == KeyOrigin::Bootstrap && !named.contains(&key.account.id));
        for key in stale {
            remove_key(store, &key.id).await?;
        }
        self.reload(store)
    }

    async fn create_root(
        &self,
        store: &impl DocumentStore,
        rand: &dyn Rand,
    ) -> Result<Arc<Account>, AccessError> {
        let mut id = [0; 32];
        rand.fill(&mut id);
        let name = AccountName::parse("root").expect("four letters are a valid account name");
        let account = Account { id: AccountId::from_bytes(id), name, root: true };
        self.put_account(store, account).await
    }

    async fn put_account(
        &self,
        store: &impl DocumentStore,
        account: Account,
    ) -> Result<Arc<Account>, AccessError> {
        let put = PutDocument {
            kind: ACCOUNT,
            name: account.id.to_string(),
            expected_revision: None,
            bytes: Some(record::encode_account(&account)),
            secret: false,
        };
        store.put_document(put).await?;
        self.reload(store)?;
        Ok(Arc::new(account))
    }

    /// Stores a key and takes away the others of the same account and origin.
    async fn replace_key(
        &self,
        store: &impl DocumentStore,
        account: Arc<Account>,
        origin: KeyOrigin,
        credentials: Credentials,
    ) -> Result<EnsuredKey, AccessError> {
        let Credentials { access_key, secret } = credentials;
        self.check_key_free(&access_key, account.id, origin)?;
        let present = self.key(&access_key);
        let unchanged = present.is_some_and(|present| present.secret == secret);
        let key = AccessKey { id: access_key, secret, account, origin };
        if !unchanged {
            let put = PutDocument {
                kind: ACCESS_KEY,
                name: key.id.clone(),
                expected_revision: None,
                bytes: Some(record::encode_access_key(&key)),
                secret: true,
            };
            store.put_document(put).await?;
        }
        for old in self.keys_of(key.account.id, origin) {
            if old.id != key.id {
                remove_key(store, &old.id).await?;
            }
        }
        self.reload(store)?;
        let change = if unchanged { KeyChange::Unchanged } else { KeyChange::Stored };
        Ok(ensured(&key, change))
    }

    /// Refuses an access key that is there already and not this account's to replace.
    fn check_key_free(
        &self,
        access_key: &str,
        account: AccountId,
        origin: KeyOrigin,
    ) -> Result<(), AccessError> {
        match self.key(access_key) {
            Some(other) if other.account.id != account || other.origin != origin => {
                Err(AccessError::KeyTaken(access_key.to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn keys_of(&self, account: AccountId, origin: KeyOrigin) -> Vec<Arc<AccessKey>> {
        let of_account = |key: &&Arc<AccessKey>| key.account.id == account && key.origin == origin;
        self.snapshot().keys.values().filter(of_account).cloned().collect()
    }
}

async fn remove_key(store: &impl DocumentStore, id: &str) -> Result<(), AccessError> {
    let put = PutDocument {
        kind: ACCESS_KEY,
        name: id.to_owned(),
        expected_revision: None,
        bytes: None,
        secret: true,
    };
    store.put_document(put).await?;
    Ok(())
}

fn ensured(key: &AccessKey, change: KeyChange) -> EnsuredKey {
    EnsuredKey {
        account: key.account.id,
        access_key: key.id.clone(),
        secret: key.secret.clone(),
        change,
    }
}

#[cfg(test)]
pub(crate) mod tests;
