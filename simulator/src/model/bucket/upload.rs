//! Open uploads, their parts, and completions that are remembered.

use std::sync::Arc;

use coffer_storage_engine::object::ETag;
use coffer_types::{Timestamp, UploadId, VersionSeq};

use super::action::{Completed, Completing, PartRefusal};
use crate::model::content::Content;
use crate::model::machine::{OpId, mix, text_fingerprint};

/// One open upload as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upload {
    pub(super) by: OpId,
    /// Its id, if some reply has told it.
    pub(crate) id: Option<UploadId>,
    /// What its headers are made of.
    pub(super) number: u64,
    pub(crate) parts: imbl::OrdMap<u16, Part>,
}

/// One part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(super) by: OpId,
    pub(crate) content: Content,
    pub(super) modified: Option<Timestamp>,
}

/// A completion that is remembered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) key: Arc<str>,
    pub(crate) list: Vec<(u16, ETag)>,
    pub(super) what: Completed,
}

/// The uploads of a bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uploads {
    /// Open ones of each key, oldest first, never empty.
    pub(crate) open: imbl::OrdMap<Arc<str>, Vec<Upload>>,
    pub(crate) done: imbl::OrdMap<UploadId, Done>,
    /// Stands for all of it.
    pub(super) fingerprint: u64,
}

impl Uploads {
    /// Changes the uploads of a key, and the fingerprint with them.
    fn change<R>(&mut self, key: &Arc<str>, change: impl FnOnce(&mut Vec<Upload>) -> R) -> R {
        let mut open = self.open.remove(key).unwrap_or_default();
        self.fingerprint ^= fingerprint(key, &open);
        let changed = change(&mut open);
        self.fingerprint ^= fingerprint(key, &open);
        if !open.is_empty() {
            self.open.insert(Arc::clone(key), open);
        }
        changed
    }

    pub(super) fn begin(&mut self, key: &Arc<str>, by: OpId, number: u64) {
        let upload = Upload { by, id: None, number, parts: imbl::OrdMap::new() };
        self.change(key, |open| open.push(upload));
    }

    pub(crate) fn find(&self, key: &str, id: UploadId) -> Option<&Upload> {
        self.open.get(key)?.iter().find(|upload| upload.id == Some(id))
    }

    /// Says whether the upload is open.
    pub(super) fn put_part(
        &mut self,
        key: &Arc<str>,
        id: UploadId,
        number: u16,
        part: Part,
    ) -> bool {
        self.find(key, id).is_some()
            && self.change(key, |open| {
                let upload = open.iter_mut().find(|upload| upload.id == Some(id));
                upload.is_some_and(|upload| {
                    upload.parts.insert(number, part);
                    true
                })
            })
    }

    /// Takes an upload away.
    pub(super) fn take(&mut self, key: &Arc<str>, id: UploadId) -> Option<Upload> {
        self.find(key, id)?;
        self.change(key, |open| {
            let at = open.iter().position(|upload| upload.id == Some(id))?;
            Some(open.remove(at))
        })
    }

    pub(super) fn drop_below(&mut self, prefix: &str) {
        let gone: Vec<_> =
            self.open.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        for key in gone {
            self.change(&key, Vec::clear);
        }
    }

    pub(super) fn remember(&mut self, asked: &Completing, what: Completed) {
        let done = Done { key: Arc::clone(&asked.key), list: asked.list.clone(), what };
        self.fingerprint ^= done.fingerprint(asked.upload);
        self.done.insert(asked.upload, done);
    }

    pub(super) fn forget(&mut self, id: UploadId) {
        if let Some(done) = self.done.remove(&id) {
            self.fingerprint ^= done.fingerprint(id);
        }
    }

    /// What an earlier completion of the same list made.
    pub(super) fn done_before(&self, asked: &Completing) -> Option<&Completed> {
        let done = self.done.get(&asked.upload)?;
        (done.key == asked.key && done.list == asked.list).then_some(&done.what)
    }

    /// Takes the version that a completion made from a reply that shows it.
    pub(super) fn bind_done(&mut self, id: UploadId, seq: VersionSeq) -> Result<(), String> {
        let Some(done) = self.done.get(&id) else { return Ok(()) };
        match done.what.seq {
            Some(known) if known == seq => return Ok(()),
            Some(known) => return Err(format!("version {seq:?}, but it was {known:?}")),
            None => {}
        }
        let mut bound = done.clone();
        self.fingerprint ^= done.fingerprint(id);
        bound.what.seq = Some(seq);
        self.fingerprint ^= bound.fingerprint(id);
        self.done.insert(id, bound);
        Ok(())
    }

    /// Takes the id of what an operation began from a reply that shows it.
    pub(super) fn bind(&mut self, key: &Arc<str>, by: OpId, id: UploadId) -> Result<(), String> {
        let known = self.open.get(key).and_then(|open| open.iter().find(|upload| upload.by == by));
        match known.map(|upload| upload.id) {
            None => return Ok(()),
            Some(Some(known)) if known == id => return Ok(()),
            Some(Some(known)) => return Err(format!("upload {id:?}, but it was {known:?}")),
            Some(None) => {}
        }
        self.change(key, |open| {
            let at = open.iter().position(|upload| upload.by == by).expect("it was found");
            let older = open[..at].iter().filter_map(|upload| upload.id);
            let newer = open[at + 1..].iter().filter_map(|upload| upload.id);
            if older.into_iter().any(|old| old >= id) || newer.into_iter().any(|new| new <= id) {
                return Err(format!("upload {id:?} is out of order in {open:?}"));
            }
            open[at].id = Some(id);
            Ok(())
        })
    }

    /// Takes the time of a part from a reply that shows it.
    pub(super) fn bind_part(
        &mut self,
        key: &Arc<str>,
        number: u16,
        by: OpId,
        modified: Timestamp,
    ) -> Result<(), String> {
        let of = |upload: &Upload| upload.parts.get(&number).filter(|part| part.by == by).cloned();
        let part = self.open.get(key).and_then(|open| open.iter().find_map(of));
        match part.map(|part| part.modified) {
            None => Ok(()),
            Some(Some(known)) if known == modified => Ok(()),
            Some(Some(known)) => Err(format!("modified {modified:?}, but it was {known:?}")),
            Some(None) => {
                self.change(key, |open| {
                    let parts = open.iter_mut().filter_map(|upload| upload.parts.get_mut(&number));
                    for part in parts.filter(|part| part.by == by) {
                        part.modified = Some(modified);
                    }
                });
                Ok(())
            }
        }
    }
}

impl Upload {
    /// The parts that a list takes, or what it is refused for: in the order of numbers, the first
    /// thing that is wrong.
    pub(super) fn plan(
        &self,
        list: &[(u16, ETag)],
        part_min: u64,
    ) -> Result<Vec<(u16, &Content)>, PartRefusal> {
        let mut taken: Vec<(u16, &Content)> = Vec::new();
        for (number, tag) in list {
            let part = self.parts.get(number).filter(|part| part.content.etag() == tag);
            let part = part.ok_or(PartRefusal::Invalid(*number))?;
            if let Some((small, _)) = taken.last().filter(|(_, last)| last.size() < part_min) {
                return Err(PartRefusal::TooSmall(*small));
            }
            taken.push((*number, &part.content));
        }
        Ok(taken)
    }
}

impl Done {
    fn fingerprint(&self, id: UploadId) -> u64 {
        let seq = self.what.seq.map_or(0, |seq| seq.0 + 1);
        let etag = text_fingerprint(self.what.etag.as_str());
        [self.what.by, seq, etag].into_iter().fold(mix(3, id.0), mix)
    }
}

fn fingerprint(key: &str, open: &[Upload]) -> u64 {
    if open.is_empty() {
        return 0;
    }
    let start = mix(text_fingerprint(key), 5);
    open.iter().fold(start, |hash, upload| {
        let id = upload.id.map_or(0, |id| id.0 + 1);
        let hash = mix(mix(hash, upload.by), id);
        upload.parts.iter().fold(hash, |hash, (number, part)| {
            let modified = part.modified.map_or(0, |modified| modified.as_millis() + 1);
            [u64::from(*number), part.by, modified].into_iter().fold(hash, mix)
        })
    })
}
