//! Commands that talk to a running server, over the management API.
//!
//! ```text
//! arguments ─► endpoint, access key, trust ─► Client ─► mgmt-api: sign ─► the management port
//!                                               └─► answer, or one sentence that says what to do
//! ```
//! Secrets come from a file or the environment, never from the command line, which others can read.

mod client;
mod empty;
mod endpoint;
mod failure;
mod keys;
mod tls;

use std::path::PathBuf;

use clap::Args;
use tokio::runtime::{Builder, Runtime};

pub(crate) use self::empty::{EmptyArgs, empty};

use self::client::Client;
use self::endpoint::Endpoint;
use crate::config::CA_VARIABLE;
use crate::failure::Failure;

/// Where the management port is unless somebody says otherwise.
const USUAL_ENDPOINT: &str = "http://127.0.0.1:9001";

/// Which server, and who asks.
#[derive(Args)]
struct RemoteArgs {
    /// URL of the management port
    #[arg(long, value_name = "URL", env = crate::config::ENDPOINT_VARIABLE, default_value = USUAL_ENDPOINT)]
    endpoint: String,
    /// File with the access key, as the first start writes it, or its folder [default: from
    /// COFFER_ACCESS_KEY and COFFER_SECRET_KEY, else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY]
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Certificates as PEM that the server is believed by [default: those of this machine]
    #[arg(long, value_name = "FILE", env = CA_VARIABLE)]
    ca: Option<PathBuf>,
}

impl RemoteArgs {
    fn client(&self) -> Result<Client, Failure> {
        let endpoint = Endpoint::parse(&self.endpoint)?;
        let key = keys::find(self.credentials.as_deref(), |name| std::env::var(name).ok())?;
        let tls = if endpoint.tls { Some(tls::connector(self.ca.as_deref())?) } else { None };
        Ok(Client::new(endpoint, key, tls))
    }
}

/// One thread is enough for one request at a time.
fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("timers cannot be started: {error}")))
}
