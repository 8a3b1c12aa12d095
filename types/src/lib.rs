//! Names, ids, sizes, checksums, time and randomness: the words all crates share.
//!
//! Nothing here does I/O, waits, or knows a protocol. Constructors parse; a raw `String` never
//! crosses a crate border.

mod account;
mod checksum;
mod clock;
mod id;
mod name;
mod rand;
pub mod telemetry;

pub use account::{AccountId, AccountName, InvalidAccount};
pub use checksum::{ChecksumAlgorithm, ChecksumValue, InvalidChecksum};
pub use clock::{Clock, Timestamp};
pub use id::{
    BucketId, CommandId, DriveId, ExtentId, GroupId, InvalidId, NodeId, PartNumber, RequestId,
    StoreId, UploadId, VersionSeq, WriterEpoch,
};
pub use name::{BucketName, InvalidBucketName, InvalidObjectKey, ObjectKey};
pub use rand::Rand;
