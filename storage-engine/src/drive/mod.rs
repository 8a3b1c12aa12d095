//! Drives: segments over a file system.

pub(crate) mod bulk;
pub(crate) mod compaction;
pub mod health;
pub mod layout;
mod leases;
mod local;
pub(crate) mod log;
mod os_file;
pub mod pool;
pub(crate) mod read;
mod reader;
mod refused;
pub mod shards;
mod space;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use os_file::OsFileSystem;
pub use refused::DriveRefused;

pub(crate) use local::LocalDrive;
