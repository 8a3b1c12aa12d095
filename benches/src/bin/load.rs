//! `coffer-load`: measures one S3 operation, or a mix, against one server on loopback.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use coffer_benches::load::{
    COLUMNS, Checksum, Credentials, Endpoint, KeySpace, Kind, ListPlan, Measurement, Mix,
    Operation, Order, PayloadSigning, Plan, Sending, prepare, run,
};

/// Measures one S3 operation, or a mix of them, against one server on loopback.
///
/// Objects are numbered; keys and bytes follow from the number. PUT writes new numbers from
/// --first on; GET and HEAD read random ones below --objects and compare the bytes; DELETE removes
/// them from 0 up, each once; LIST walks the bucket page by page, again and again. Exit code 3 if
/// any request failed.
#[derive(Parser)]
#[command(name = "coffer-load", version)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Arguments {
    /// Where the server listens; loopback only.
    #[arg(long, default_value = "http://127.0.0.1:9000")]
    endpoint: String,
    /// Access key; without it requests are anonymous.
    #[arg(long, env = "COFFER_ROOT_ACCESS_KEY")]
    access_key: Option<String>,
    /// Secret key.
    #[arg(long, env = "COFFER_ROOT_SECRET_KEY", hide_env_values = true)]
    secret_key: Option<String>,
    /// Region signed for.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Bucket, created if it is not there.
    #[arg(long, default_value = "load")]
    bucket: String,
    /// put, get, head, list, delete, or a mix such as put=2,get=7,delete=1.
    #[arg(long)]
    op: String,
    /// Bytes of an object.
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Connections, each with one request under way.
    #[arg(short, long, default_value_t = 1)]
    concurrency: usize,
    /// Order of keys.
    #[arg(long, value_enum, default_value = "asc")]
    keys: Order,
    /// Another seed gives other random keys.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What every key begins with.
    #[arg(long, default_value = "")]
    prefix: String,
    /// Deal keys out to so many folders.
    #[arg(long, default_value_t = 0)]
    folders: u64,
    /// Whether the signature covers the payload.
    #[arg(long, value_enum, default_value = "unsigned")]
    payload: PayloadSigning,
    /// PUT: the checksum that is sent with the bytes.
    #[arg(long, value_enum)]
    checksum: Option<Checksum>,
    /// Write objects 0..N before the window.
    #[arg(long, default_value_t = 0)]
    preload: u64,
    /// Objects 0..N are there from an earlier run (default: what is preloaded).
    #[arg(long)]
    objects: Option<u64>,
    /// Number of the first object that PUT writes.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Seconds to measure.
    #[arg(short, long)]
    duration: Option<f64>,
    /// Requests to make at most.
    #[arg(long)]
    count: Option<u64>,
    /// Seconds at the start that are not measured.
    #[arg(long, default_value_t = 0.0)]
    warmup: f64,
    /// Do not compare what is read.
    #[arg(long)]
    no_verify: bool,
    /// Seconds one request may take.
    #[arg(long, default_value_t = 60.0)]
    timeout: f64,
    /// LIST: only keys that begin so.
    #[arg(long, default_value = "")]
    list_prefix: String,
    /// LIST: delimiter.
    #[arg(long, default_value = "")]
    delimiter: String,
    /// LIST: keys of a page.
    #[arg(long, default_value_t = 1000)]
    page: u32,
    /// Processes of the server, for CPU time and memory.
    #[arg(long, value_delimiter = ',')]
    pid: Vec<u32>,
    /// Print a row of tab-separated values.
    #[arg(long, conflicts_with = "json")]
    tsv: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print the column names of --tsv first.
    #[arg(long, requires = "tsv")]
    header: bool,
}

impl Arguments {
    fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let credentials = match (&self.access_key, &self.secret_key) {
            (Some(access_key), Some(secret_key)) => {
                Some(Credentials { access_key: access_key.clone(), secret_key: secret_key.clone() })
            }
            (None, None) => None,
            _ => anyhow::bail!("an access key needs its secret key, and the other way round"),
        };
        let address = Endpoint::parse_address(&self.endpoint)?;
        Ok(Endpoint { address, credentials, region: self.region.clone() })
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let operation = match self.op.parse::<Kind>() {
            Ok(kind) => Operation::One(kind),
            Err(_) => Operation::Mixed(self.op.parse::<Mix>()?),
        };
        let seconds = |value| Duration::try_from_secs_f64(value).context("not a time in seconds");
        Ok(Plan {
            operation,
            bucket: self.bucket.clone(),
            keys: KeySpace {
                prefix: self.prefix.clone(),
                order: self.keys,
                seed: self.seed,
                folders: self.folders,
            },
            size: self.size,
            concurrency: self.concurrency.max(1),
            objects: self.objects.unwrap_or(self.preload),
            first: self.first,
            signing: self.payload,
            warmup: seconds(self.warmup)?,
            duration: self.duration.map(seconds).transpose()?,
            count: self.count,
            verify: !self.no_verify,
            timeout: seconds(self.timeout)?,
            list: ListPlan {
                prefix: self.list_prefix.clone(),
                delimiter: self.delimiter.clone(),
                page: self.page,
            },
            pids: self.pid.clone(),
            sending: Sending { checksum: self.checksum, ..Sending::default() },
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(measured) if measured.error_count() > 0 => ExitCode::from(3),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coffer-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let endpoint = arguments.endpoint()?;
    let plan = arguments.plan()?;
    if arguments.preload > 0 && std::io::stderr().is_terminal() {
        eprintln!("writing {} objects beforehand", arguments.preload);
    }
    prepare(&endpoint, &Plan { objects: arguments.preload, ..plan.clone() })?;
    let measured = run(&endpoint, &plan)?;
    let mut out = std::io::stdout().lock();
    if arguments.header {
        writeln!(out, "{COLUMNS}")?;
    }
    if arguments.tsv {
        writeln!(out, "{}", measured.tsv())?;
    } else if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&measured)?)?;
    } else {
        writeln!(out, "{measured}")?;
    }
    Ok(measured)
}
