//! Dumps as files, and indexes rebuilt from them. The bytes are those of [`crate::format::dump`].
//!
//! A dump of the index `group-1` at log index 255 is `group-1-00000000000000ff.dump`. It is
//! written as `….tmp`, synced, read back from the drive and verified, renamed, and its folder is
//! synced; only then older ones go. Two are kept; the second one of an index that stands still is
//! `group-1-00000000000000ff.copy.dump`. A dump that stands *ahead* of the one just written goes
//! too: it tells of commands that the log has lost, and a later rebuild must not bring them back.

use std::io::{self, BufReader, BufWriter, IoSlice, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::WriteTransaction;

use super::database;
use super::error::{OpenIndexError, RestoreError, TakeDumpError};
use super::open::{build, replace, with_suffix};
use super::shared::Index;
use super::view::IndexView;
use super::writer::IndexWriter;
use super::{IndexOptions, Position, TableId};
use crate::format::dump::{
    Block, DumpError, DumpHeader, DumpReader, DumpSummary, DumpWriter, Part,
};
use crate::ports::{File, FileSystem, OpenMode};

/// Dumps of one index that stay after a new one is written.
pub const KEPT: usize = 2;

const SUFFIX: &str = ".dump";
const COPY: &str = ".copy";
const UNFINISHED: &str = ".dump.tmp";
const BUFFER: usize = 1 << 20;

/// A dump on the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpFile {
    /// Where it is.
    pub path: PathBuf,
    /// The position it stands at.
    pub position: Position,
}

/// What was found of an index's dumps.
#[derive(Debug, Default)]
pub struct Survey {
    /// Those found to be whole, newest first.
    pub intact: Vec<DumpFile>,
    /// Those that are not, and why.
    pub damaged: Vec<(PathBuf, DumpError)>,
}

impl IndexView {
    /// Writes all rows of the view, overlays included: the dump stands at the view's position.
    pub fn dump<W: Write>(&self, out: W) -> Result<(W, DumpSummary), TakeDumpError> {
        let options = self.options();
        let header = DumpHeader {
            name: options.name.clone(),
            position: self.position(),
            tables: options.tables.iter().map(|&name| name.to_owned()).collect(),
        };
        let mut writer = DumpWriter::new(out, &header)?;
        for (id, _) in (0..).map(TableId).zip(options.tables) {
            for row in self.range(id, Bound::Unbounded, Bound::Unbounded) {
                let (key, value) = row?;
                writer.push(u16::from(id.0), &key, &value)?;
            }
        }
        Ok(writer.finish()?)
    }
}

/// Writes a dump of a view into a folder, verifies it, and removes what it makes needless.
/// Dumps of one index are written one at a time. One that stands at this position already stays, as
/// the copy.
pub fn write(
    file_system: &Arc<dyn FileSystem>,
    folder: &Path,
    view: &IndexView,
) -> Result<DumpFile, TakeDumpError> {
    let name = &view.options().name;
    let position = view.position();
    let named = |kind| folder.join(format!("{name}-{:016x}{kind}{SUFFIX}", position.index));
    let path = named("");
    let unfinished = with_suffix(&path, ".tmp");
    remove_unfinished(file_system, folder, name)?;
    let file = replace(file_system, &unfinished)?;
    let sink = Sink { file: Arc::clone(&file), offset: 0 };
    let (mut out, written) = view.dump(BufWriter::with_capacity(BUFFER, sink))?;
    out.flush()?;
    file.sync_data()?;
    file.drop_cache()?;
    let (_, read) = reader(&file)?.verify()?;
    if read != written {
        return Err(TakeDumpError::Unverified);
    }
    let same = header_of(file_system, &path, name, position.index);
    if same.is_ok_and(|before| before.header().position == position) {
        file_system.rename(&path, &named(COPY))?;
    }
    file_system.rename(&unfinished, &path)?;
    file_system.sync_dir(folder)?;
    prune(file_system, folder, name, position)?;
    Ok(DumpFile { path, position })
}

/// Names of an index's dumps: log index and path, newest first.
fn list(
    file_system: &Arc<dyn FileSystem>,
    folder: &Path,
    name: &str,
) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in file_system.list_dir(folder)? {
        if let Some(index) = parse_name(&entry, name, SUFFIX) {
            found.push((index, folder.join(entry)));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

fn parse_name(entry: &str, name: &str, suffix: &str) -> Option<u64> {
    let rest = entry.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(suffix)?;
    let digits = rest.strip_suffix(COPY).unwrap_or(rest);
    let known =
        digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    known.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

fn remove_unfinished(
    file_system: &Arc<dyn FileSystem>,
    folder: &Path,
    name: &str,
) -> io::Result<()> {
    for entry in file_system.list_dir(folder)? {
        if parse_name(&entry, name, UNFINISHED).is_some() {
            file_system.remove_file(&folder.join(entry))?;
        }
    }
    Ok(())
}

fn prune(
    file_system: &Arc<dyn FileSystem>,
    folder: &Path,
    name: &str,
    newest: Position,
) -> io::Result<()> {
    let found = list(file_system, folder, name)?;
    let (ahead, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(index, _)| *index > newest.index);
    let old = others.into_iter().skip(KEPT);
    let mut removed = false;
    for (_, path) in ahead.into_iter().chain(old) {
        file_system.remove_file(&path)?;
        removed = true;
    }
    if removed { file_system.sync_dir(folder) } else { Ok(()) }
}

/// The dumps of an index whose header is whole: their positions, without reading their rows.
pub fn kept(file_system: &Arc<dyn FileSystem>, folder: &Path, name: &str) -> io::Result<Survey> {
    let mut survey = Survey::default();
    for (index, path) in list(file_system, folder, name)? {
        match header_of(file_system, &path, name, index) {
            Ok(reader) => {
                survey.intact.push(DumpFile { path, position: reader.header().position });
            }
            Err(error) => survey.damaged.push((path, error)),
        }
    }
    Ok(survey)
}

/// Reads an index's dumps, newest first, until one is whole. `intact` has that one or nothing.
pub fn newest_intact(
    file_system: &Arc<dyn FileSystem>,
    folder: &Path,
    name: &str,
) -> io::Result<Survey> {
    let mut survey = Survey::default();
    for (index, path) in list(file_system, folder, name)? {
        match header_of(file_system, &path, name, index).and_then(DumpReader::verify) {
            Ok((header, _)) => {
                survey.intact.push(DumpFile { path, position: header.position });
                break;
            }
            Err(error) => survey.damaged.push((path, error)),
        }
    }
    Ok(survey)
}

/// Opens a dump whose header says the same as its name.
fn header_of(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    name: &str,
    index: u64,
) -> Result<DumpReader<BufReader<Source>>, DumpError> {
    let reader = reader(&file_system.open(path, OpenMode::Read).map_err(DumpError::Io)?)?;
    let header = reader.header();
    if header.name != name || header.position.index != index {
        let what = "it is of another index or position than the file's name says";
        return Err(DumpError::Damaged { part: Part::Header, what });
    }
    Ok(reader)
}

/// Builds an index from a dump, at the dump's position, in place of any file of that name. The
/// log behind the position is to be replayed into it.
pub fn restore(
    file_system: &Arc<dyn FileSystem>,
    dump: &Path,
    path: &Path,
    options: &IndexOptions,
) -> Result<(Index, IndexWriter), RestoreError> {
    let file = file_system.open(dump, OpenMode::Read).map_err(DumpError::Io)?;
    let mut reader = reader(&file)?;
    let header = reader.header();
    if header.name != options.name {
        let (found, expected) = (header.name.clone(), options.name.clone());
        return Err(OpenIndexError::Foreign { found, expected }.into());
    }
    let position = header.position;
    let tables = table_names(header, options)?;
    let mut refusal = None;
    let built = build(file_system, path, options, |transaction| {
        database::create_tables(transaction, options)?;
        loop {
            match reader.next_block() {
                Ok(Some(block)) => put_block(transaction, &tables, &block)?,
                Ok(None) => return database::put_header(transaction, options, position),
                Err(error) => {
                    refusal = Some(error);
                    return Err(redb::Error::Corrupted("the dump is not whole".to_owned()));
                }
            }
        }
    });
    built.map_err(|error| refusal.map_or(RestoreError::Open(error), RestoreError::Dump))
}

/// The tables of a dump, as this program knows them.
fn table_names(
    header: &DumpHeader,
    options: &IndexOptions,
) -> Result<Vec<&'static str>, RestoreError> {
    let known = |name: &String| {
        let found = options.tables.iter().find(|known| *known == name);
        found.copied().ok_or_else(|| RestoreError::UnknownTable { name: name.clone() })
    };
    header.tables.iter().map(known).collect()
}

/// Appends the rows of a block behind those of its table: they ascend, so no search is needed.
fn put_block(
    transaction: &WriteTransaction,
    tables: &[&'static str],
    block: &Block,
) -> Result<(), redb::Error> {
    let name = tables[usize::from(block.table)];
    let mut table = transaction.open_table(database::definition(name))?;
    let mut cursor = table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
    for (key, value) in block.rows() {
        cursor.insert_before(key, value)?;
    }
    Ok(cursor.close()?)
}

fn reader(file: &Arc<dyn File>) -> Result<DumpReader<BufReader<Source>>, DumpError> {
    let len = file.len().map_err(DumpError::Io)?;
    let source = Source { file: Arc::clone(file), offset: 0, len };
    DumpReader::open(BufReader::with_capacity(BUFFER, source))
}

/// Writes a file from its beginning on.
struct Sink {
    file: Arc<dyn File>,
    offset: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(&mut [IoSlice::new(bytes)], self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file from its beginning on.
struct Source {
    file: Arc<dyn File>,
    offset: u64,
    len: u64,
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.offset).unwrap_or(usize::MAX);
        let len = left.min(out.len());
        self.file.read_exact_at(&mut out[..len], self.offset)?;
        self.offset += len as u64;
        Ok(len)
    }
}
