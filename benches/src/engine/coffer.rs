//! Coffer's engine as a [`Store`], with the world that a server gives it.

use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use coffer_storage_engine::bucket::{BucketError, CreateBucket};
use coffer_storage_engine::object::body::{Body, BodyError, ExpectedDigests};
use coffer_storage_engine::object::put::PutObject;
use coffer_storage_engine::{Engine, EngineConfig, Sizes, StartReport, StoreKeySource};
use coffer_types::{AccountId, BucketName, ObjectKey};

use super::Store;
use crate::world::production_world;

/// The bucket that holds the objects of a bench.
const BUCKET: &str = "bench";

/// What an opening gave.
pub struct Opened {
    /// How long it took until requests could be served.
    pub took: Duration,
    /// What the engine says of it.
    pub report: StartReport,
}

/// The engine and one bucket.
pub struct Coffer {
    engine: Engine,
    bucket: BucketName,
}

impl Coffer {
    /// Opens the store in a folder, new or not, and sees to its bucket.
    pub async fn open(folder: &Path) -> anyhow::Result<(Self, Opened)> {
        let config = EngineConfig {
            drives: vec![folder.to_owned()],
            store_key: StoreKeySource::OnDrive,
            sizes: Sizes::ByDrive { segment_len: None },
            accept_loss: false,
        };
        let began = Instant::now();
        let (engine, report) = Engine::open(config, production_world()).await?;
        let took = began.elapsed();
        let bucket = BucketName::parse(BUCKET).expect("a valid name");
        let create = CreateBucket { name: bucket.clone(), owner: AccountId::from_bytes([7; 32]) };
        match engine.create_bucket(create).await {
            Ok(_) | Err(BucketError::Exists { .. }) => {}
            Err(error) => return Err(error).context("the bucket could not be created"),
        }
        Ok((Self { engine, bucket }, Opened { took, report }))
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its bucket.
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }
}

#[async_trait]
impl Store for Coffer {
    async fn put(&self, key: String, body: Bytes) -> anyhow::Result<()> {
        let put = PutObject {
            bucket: self.bucket.clone().into(),
            key: ObjectKey::parse(key)?,
            length: Some(body.len() as u64),
            headers: Vec::new(),
            user_metadata: Vec::new(),
            condition: coffer_storage_engine::object::WriteCondition::default(),
        };
        let body = pin!(OnePiece(Some(body)));
        self.engine.put_object(put, body).await?;
        Ok(())
    }

    async fn close(&self) -> anyhow::Result<()> {
        Ok(self.engine.close().await?)
    }
}

/// A body in one piece, without claims about its digests.
struct OnePiece(Option<Bytes>);

impl Body for OnePiece {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.take().filter(|piece| !piece.is_empty()).map(Ok))
    }

    fn expected(self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError> {
        Ok(ExpectedDigests::default())
    }
}
