//! The accounts and keys of the store in memory: immutable, and swapped as a whole, so that a
//! lookup takes no lock and never touches the engine.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use coffer_storage_engine::documents::Document;
use coffer_types::AccountId;

use crate::account::{AccessKey, Account};
use crate::record::{self, ACCESS_KEY, ACCOUNT, RecordError};
use crate::store::DocumentStore;
use crate::{AccessError, Principal};

/// Everybody who may ask. Shared by all fronts.
#[derive(Debug)]
pub struct Access {
    directory: ArcSwap<Directory>,
}

/// One state of accounts and keys.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) accounts: BTreeMap<AccountId, Arc<Account>>,
    pub(crate) keys: HashMap<Box<str>, Arc<AccessKey>>,
}

impl Access {
    /// Reads all accounts and keys.
    pub fn load(store: &impl DocumentStore) -> Result<Self, AccessError> {
        Ok(Self { directory: ArcSwap::from_pointee(Directory::read(store)?) })
    }

    /// Reads all accounts and keys again.
    pub fn reload(&self, store: &impl DocumentStore) -> Result<(), AccessError> {
        self.directory.store(Arc::new(Directory::read(store)?));
        Ok(())
    }

    /// The access key of this id, if there is one.
    pub fn key(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.directory.load().keys.get(id).cloned()
    }

    /// Who the holder of this access key is, if it exists. The caller has checked the signature.
    pub fn principal(&self, id: &str) -> Option<Principal> {
        self.directory.load().keys.get(id).map(|key| Principal::Account(Arc::clone(&key.account)))
    }

    /// The account of this id, if there is one.
    pub fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.directory.load().accounts.get(&id).cloned()
    }

    pub(crate) fn snapshot(&self) -> Arc<Directory> {
        self.directory.load_full()
    }
}

impl Directory {
    fn read(store: &impl DocumentStore) -> Result<Self, AccessError> {
        let mut directory = Self::default();
        for document in store.documents(ACCOUNT)? {
            let account = record::decode_account(&document.bytes)
                .map_err(|source| unreadable(ACCOUNT, &document, source))?;
            directory.accounts.insert(account.id, Arc::new(account));
        }
        for document in store.documents(ACCESS_KEY)? {
            let key = record::decode_access_key(&document.bytes)
                .map_err(|source| unreadable(ACCESS_KEY, &document, source))?;
            let Some(account) = directory.accounts.get(&key.account) else {
                return Err(AccessError::Orphan { key: key.id.clone(), account: key.account });
            };
            let key = key.of(Arc::clone(account));
            directory.keys.insert(key.id.clone().into(), Arc::new(key));
        }
        Ok(directory)
    }

    pub(crate) fn root(&self) -> Option<&Arc<Account>> {
        self.accounts.values().find(|account| account.root)
    }
}

fn unreadable(kind: &'static str, document: &Document, source: RecordError) -> AccessError {
    AccessError::Record { kind, name: document.name.clone(), source }
}
