//! What every [`FileSystem`] must do while the power stays on.

use std::fmt::Debug;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::ports::{File, FileSystem, OpenMode};

/// Checks a file system in a folder that exists and is empty; leaves files behind in it.
pub fn file_system(fs: &dyn FileSystem, folder: &Path) {
    assert_eq!(names(fs, folder), [""; 0], "the suite needs an empty folder");
    folders(fs, &fresh(fs, folder, "folders"));
    opening(fs, &fresh(fs, folder, "opening"));
    writing(fs, &fresh(fs, folder, "writing"));
    reading(fs, &fresh(fs, folder, "reading"));
    lengths(fs, &fresh(fs, folder, "lengths"));
    renaming(fs, &fresh(fs, folder, "renaming"));
    locking(fs, &fresh(fs, folder, "locking"));
    space(fs, folder);
}

fn fresh(fs: &dyn FileSystem, folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs.create_dir(&path).expect("create a folder");
    path
}

fn names(fs: &dyn FileSystem, folder: &Path) -> Vec<String> {
    fs.list_dir(folder).expect("list a folder")
}

fn create(fs: &dyn FileSystem, path: &Path, bytes: &[u8]) -> Arc<dyn File> {
    let file = fs.open(path, OpenMode::CreateNew).expect("create a file");
    put(&*file, bytes, 0);
    file
}

fn put(file: &dyn File, bytes: &[u8], offset: u64) {
    file.write_all_at(&mut [IoSlice::new(bytes)], offset).expect("write");
}

fn all(file: &dyn File) -> Vec<u8> {
    let len = usize::try_from(file.len().expect("length")).expect("a small file");
    bytes_at(file, 0, len)
}

fn bytes_at(file: &dyn File, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xA5; len];
    file.read_exact_at(&mut bytes, offset).expect("read");
    bytes
}

/// Expects an error of this kind that names the path.
fn refused<T: Debug>(result: io::Result<T>, kind: ErrorKind, path: &Path) {
    let error = result.expect_err("must be refused");
    assert_eq!(error.kind(), kind, "{error}");
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(error.to_string().contains(&*name), "{error} does not name {name}");
}

fn folders(fs: &dyn FileSystem, folder: &Path) {
    let inner = folder.join("b");
    fs.create_dir(&inner).expect("create");
    fs.create_dir(&inner).expect("a folder may exist already");
    create(fs, &folder.join("c"), b"");
    create(fs, &folder.join("a"), b"");
    create(fs, &folder.join("B"), b"");
    assert_eq!(names(fs, folder), ["B", "a", "b", "c"], "names in byte order");
    assert_eq!(names(fs, &inner), [""; 0]);
    fs.sync_dir(folder).expect("sync a folder");

    let missing = folder.join("missing");
    refused(fs.list_dir(&missing), ErrorKind::NotFound, &missing);
    refused(fs.sync_dir(&missing), ErrorKind::NotFound, &missing);
    let deep = missing.join("deep");
    refused(fs.create_dir(&deep), ErrorKind::NotFound, &deep);
    let file = folder.join("a");
    refused(fs.create_dir(&file), ErrorKind::NotADirectory, &file);
    refused(fs.list_dir(&file), ErrorKind::NotADirectory, &file);
    for (path, there) in [(&inner, true), (&file, true), (&missing, false), (&deep, false)] {
        assert_eq!(fs.exists(path).expect("look up"), there, "{}", path.display());
    }
    assert!(!fs.exists(&file.join("below")).expect("nothing lies below a file"));
    assert!(!fs.is_mount_point(&inner).expect("look up"));
}

fn opening(fs: &dyn FileSystem, folder: &Path) {
    let path = folder.join("file");
    refused(fs.open(&path, OpenMode::Read), ErrorKind::NotFound, &path);
    refused(fs.open(&path, OpenMode::ReadWrite), ErrorKind::NotFound, &path);
    let one = create(fs, &path, b"seven b");
    refused(fs.open(&path, OpenMode::CreateNew), ErrorKind::AlreadyExists, &path);
    assert_eq!(all(&*one), b"seven b", "a refused creation leaves the file alone");
    let lost = folder.join("missing").join("file");
    refused(fs.open(&lost, OpenMode::CreateNew), ErrorKind::NotFound, &lost);

    let two = fs.open(&path, OpenMode::ReadWrite).expect("open");
    put(&*two, b"!", 0);
    assert_eq!(all(&*one), b"!even b", "every handle sees every write at once");
    let reader = fs.open(&path, OpenMode::Read).expect("open");
    assert_eq!(all(&*reader), b"!even b");
    assert!(reader.write_all_at(&mut [IoSlice::new(b"x")], 0).is_err(), "opened to read");
    assert!(reader.set_len(0).is_err(), "opened to read");
    assert_eq!(all(&*two), b"!even b");
    reader.sync_data().expect("a reader may flush what others wrote");
}

fn writing(fs: &dyn FileSystem, folder: &Path) {
    let file = create(fs, &folder.join("file"), b"");
    assert!(file.is_empty().expect("length"));
    file.write_all_at(&mut [], 9).expect("nothing to write");
    file.write_all_at(&mut [IoSlice::new(b"")], 9).expect("nothing to write");
    assert!(file.is_empty().expect("length"), "writing nothing grows nothing");

    let slices = [&b""[..], b"ab", b"", b"", b"cde", b""];
    file.write_all_at(&mut slices.map(IoSlice::new), 2).expect("write");
    assert_eq!(all(&*file), b"\0\0abcde", "slices one after the other, zeros before them");
    put(&*file, b"XY", 3);
    assert_eq!(all(&*file), b"\0\0aXYde", "overwriting keeps what is around");

    // More slices than one system call takes, of lengths that do not fit pages or sectors.
    let pieces: Vec<Vec<u8>> =
        (0..3_000_u32).map(|n| n.to_le_bytes().repeat(2)[..n as usize % 7].to_vec()).collect();
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    file.write_all_at(&mut slices, 4_095).expect("write");
    let whole = pieces.concat();
    assert_eq!(bytes_at(&*file, 4_095, whole.len()), whole);
    assert_eq!(file.len().expect("length"), 4_095 + whole.len() as u64);
    assert_eq!(bytes_at(&*file, 7, 4_088), vec![0; 4_088], "a hole reads as zeros");

    file.sync_data().expect("sync");
    file.drop_cache().expect("drop cached pages");
    assert_eq!(bytes_at(&*file, 4_095, whole.len()), whole);
}

fn reading(fs: &dyn FileSystem, folder: &Path) {
    let path = folder.join("file");
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let file = create(fs, &path, &bytes);
    let mut buffer = [0; 10];
    refused(file.read_exact_at(&mut buffer, 99_991), ErrorKind::UnexpectedEof, &path);
    refused(file.read_exact_at(&mut buffer, 1 << 40), ErrorKind::UnexpectedEof, &path);
    file.read_exact_at(&mut [], 1 << 40).expect("nothing to read");
    file.read_exact_at(&mut buffer, 99_990).expect("up to the end");
    assert_eq!(buffer, bytes[99_990..]);

    for (offset, len) in [(0, 100_000), (1, 9), (4_096, 65_536), (99_999, 1), (50_000, 200_000)] {
        let mut buffer = vec![0; len];
        for _ in 0..20 {
            let read = file.try_read_at(&mut buffer, offset as u64).expect("never an error");
            let there = &bytes[offset..bytes.len().min(offset + len)];
            assert!(read <= there.len(), "no bytes from behind the end");
            assert_eq!(buffer[..read], there[..read], "what is read is right");
        }
    }
    assert_eq!(file.try_read_at(&mut buffer, 1 << 40).expect("behind the end"), 0);
    assert_eq!(file.try_read_at(&mut [], 0).expect("nothing to read"), 0);
}

fn lengths(fs: &dyn FileSystem, folder: &Path) {
    let file = create(fs, &folder.join("file"), &[7; 10_000]);
    file.set_len(4_999).expect("cut");
    assert_eq!(file.len().expect("length"), 4_999);
    file.set_len(12_000).expect("extend");
    let bytes = all(&*file);
    assert_eq!(bytes[..4_999], [7; 4_999]);
    assert_eq!(bytes[4_999..], [0; 7_001], "cut bytes never come back");
    put(&*file, b"z", 20_000);
    assert_eq!(file.len().expect("length"), 20_001);
    assert_eq!(bytes_at(&*file, 12_000, 8_001), [&[0; 8_000][..], b"z"].concat());
    file.set_len(0).expect("cut");
    assert!(file.is_empty().expect("length"));
    file.sync_data().expect("sync");
}

fn renaming(fs: &dyn FileSystem, folder: &Path) {
    let (old, new) = (folder.join("old"), folder.join("new"));
    refused(fs.rename(&old, &new), ErrorKind::NotFound, &old);
    refused(fs.remove_file(&old), ErrorKind::NotFound, &old);
    let mover = create(fs, &old, b"mover");
    fs.rename(&old, &new).expect("rename");
    assert_eq!(names(fs, folder), ["new"]);
    put(&*mover, b"M", 0);
    let found = fs.open(&new, OpenMode::Read).expect("open");
    assert_eq!(all(&*found), b"Mover", "a handle follows its file to the new name");

    let loser = create(fs, &old, b"replaced");
    fs.rename(&new, &old).expect("rename over");
    assert_eq!(names(fs, folder), ["old"]);
    let found = fs.open(&old, OpenMode::Read).expect("open");
    assert_eq!(all(&*found), b"Mover");
    assert_eq!(all(&*loser), b"replaced", "a handle keeps a file that lost its name");
    put(&*loser, b"R", 0);
    assert_eq!(all(&*found), b"Mover", "and the two do not mix");

    let (inner, target) = (fresh(fs, folder, "inner"), folder.join("inner").join("target"));
    fs.rename(&old, &target).expect("rename into another folder");
    assert_eq!(
        (names(fs, folder), names(fs, &inner)),
        (vec!["inner".into()], vec!["target".into()])
    );
    fs.remove_file(&target).expect("remove");
    assert_eq!(names(fs, &inner), [""; 0]);
    assert_eq!(all(&*mover), b"Mover", "a handle keeps a retarget file");
    mover.sync_data().expect("sync");
    create(fs, &target, b"");
    assert_eq!(all(&*mover), b"Mover", "a new file of the same name is another file");
    for folder in [folder, &inner] {
        fs.sync_dir(folder).expect("sync");
    }
}

fn locking(fs: &dyn FileSystem, folder: &Path) {
    let path = folder.join("lock");
    refused(fs.try_lock(&path), ErrorKind::NotFound, &path);
    let file = create(fs, &path, b"kept");
    let held = fs.try_lock(&path).expect("lock").expect("nobody has it");
    assert!(fs.try_lock(&path).expect("look").is_none(), "somebody has it");
    put(&*file, b"K", 0);
    drop(file);
    assert!(fs.try_lock(&path).expect("look").is_none(), "other handles do not release it");
    drop(held);
    let again = fs.try_lock(&path).expect("lock");
    assert!(again.is_some(), "dropping releases it");
    let found = fs.open(&path, OpenMode::Read).expect("a lock hinders nobody");
    assert_eq!(all(&*found), b"Kept");
}

fn space(fs: &dyn FileSystem, folder: &Path) {
    let space = fs.space(folder).expect("measure");
    assert!(space.total > 0);
    assert!(space.available <= space.total);
    let missing = folder.join("missing");
    refused(fs.space(&missing), ErrorKind::NotFound, &missing);
}
