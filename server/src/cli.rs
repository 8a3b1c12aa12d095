//! Commands and flags, and what each ends with: 0 done, 1 failed, 2 wrong usage, 3 found a problem.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Flags, Loaded, Problem};
use crate::failure::Failure;
use crate::remote::EmptyArgs;
use crate::{offline, remote, serve, shell, telemetry};

/// The folder that the offline commands look at when nobody names one.
const USUAL_DRIVE: &str = "./data";

#[derive(Parser)]
#[command(name = "coffer", version, about = "An S3-compatible object store", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the store on a drive
    Serve(Box<ServeArgs>),
    /// Drop everything in a bucket of a running server, or below a prefix: objects, all their
    /// versions and open uploads; gone at once, for good
    Empty(Box<EmptyArgs>),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Read everything on a stopped drive and say what is wrong; exit code 3 if anything is
    Check {
        #[command(flatten)]
        drive: DriveArgs,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Build the index of a stopped drive anew from its dumps and its log
    RebuildIndex(DriveArgs),
    /// Print the lines that let aws-cli and SDKs find this store: eval "$(coffer env ./data)"
    Env(DriveArgs),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say what holds and where it comes from; exit code 3 if something is wrong
    Check(Box<ServeArgs>),
}

#[derive(Args)]
struct ServeArgs {
    /// Folder of the drive; made if it is missing
    #[arg(value_name = "DRIVE")]
    drives: Vec<String>,
    /// Configuration file [default: coffer.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the S3 port [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address of health, metrics and the status page [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDRESS")]
    management_listen: Option<String>,
    /// The one region that signatures may name [default: any]
    #[arg(long)]
    region: Option<String>,
    /// Domain whose subdomains name buckets; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// Certificate chain as PEM; read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// Private key of the certificate as PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Form of log lines: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Level of log lines: error, warn, info, debug, or directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// File with the key that seals secrets, kept off the drive
    #[arg(long, value_name = "FILE")]
    store_key_file: Option<String>,
    /// Start although acknowledged writes were lost to rot
    #[arg(long)]
    accept_loss: bool,
}

#[derive(Args)]
struct DriveArgs {
    /// Folder of the drive [default: the configured one, or ./data]
    #[arg(value_name = "DRIVE")]
    drive: Option<String>,
    /// Configuration file [default: coffer.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ServeArgs {
    fn flags(self) -> Flags {
        let one = |key, value: Option<String>| value.map(|value| (key, vec![value]));
        let many = |key, values: Vec<String>| (!values.is_empty()).then_some((key, values));
        let accept_loss = self.accept_loss.then(|| "true".to_owned());
        let values = [
            many("drives", self.drives),
            one("store_key_file", self.store_key_file),
            one("accept_loss", accept_loss),
            one("s3.listen", self.listen),
            one("s3.region", self.region),
            many("s3.domains", self.domain),
            one("management.listen", self.management_listen),
            one("tls.cert", self.tls_cert),
            one("tls.key", self.tls_key),
            one("log.format", self.log_format),
            one("log.level", self.log_level),
        ];
        Flags { config: self.config, values: values.into_iter().flatten().collect() }
    }
}

impl DriveArgs {
    fn flags(self) -> Flags {
        let drives = self.drive.map(|drive| ("drives", vec![drive]));
        Flags { config: self.config, values: drives.into_iter().collect() }
    }
}

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "coffer: {failure}");
            failure.code()
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => {
            let loaded = load(&args.flags())?;
            begin_log(&loaded)?;
            serve::run(&loaded.settings)
        }
        Command::Empty(args) => remote::empty(&args),
        Command::Config(ConfigCommand::Check(args)) => config_check(&args.flags()),
        Command::Check { drive, json } => {
            let (loaded, drive) = load_for_drive(drive)?;
            offline::check(&loaded.settings, &drive, json)
        }
        Command::RebuildIndex(drive) => {
            let (loaded, drive) = load_for_drive(drive)?;
            offline::rebuild_index(&loaded.settings, &drive)
        }
        Command::Env(drive) => {
            let (loaded, drive) = load_for_drive(drive)?;
            print(&shell::exports(&loaded.settings, &drive)?)
        }
    }
}

/// Writes the answer of a command to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("the answer could not be written: {error}")))
}

fn load(flags: &Flags) -> Result<Loaded, Failure> {
    config::load(flags, std::env::vars_os()).map_err(|problems| Failure::usage(lines(&problems)))
}

fn load_for_drive(args: DriveArgs) -> Result<(Loaded, PathBuf), Failure> {
    let loaded = load(&args.flags())?;
    begin_log(&loaded)?;
    let drive = match loaded.settings.drives.as_slice() {
        [drive] => drive.clone(),
        [] if Path::new(USUAL_DRIVE).is_dir() => PathBuf::from(USUAL_DRIVE),
        [] => {
            return Err(Failure::usage("name the folder of the store: DRIVE, as in ./data"));
        }
        _ => return Err(Failure::usage("name one DRIVE: several are configured")),
    };
    Ok((loaded, drive))
}

fn begin_log(loaded: &Loaded) -> Result<(), Failure> {
    telemetry::begin(loaded.settings.log_format, &loaded.settings.log_level)
        .map_err(|error| Failure::from_error(&error))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn config_check(flags: &Flags) -> Result<(), Failure> {
    let loaded = config::load(flags, std::env::vars_os())
        .map_err(|problems| Failure::found(lines(&problems)))?;
    let mut lines = vec![match &loaded.file {
        Some(file) => format!("{} is right. What holds, and from where:", file.display()),
        None => "There is no configuration file. What holds, and from where:".to_owned(),
    }];
    lines.extend(loaded.shown.iter().map(|(key, value, origin)| {
        let value = if value.is_empty() { "(not set)" } else { value };
        format!("  {key:<24} {value:<28} {origin}")
    }));
    lines.extend(
        loaded
            .settings
            .bootstrap_accounts
            .iter()
            .map(|account| format!("  account {:<16} {}", account.name.as_str(), account.id)),
    );
    lines.extend(loaded.warnings.iter().map(|warning| format!("warning: {warning}")));
    print(&(lines.join("\n") + "\n"))
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n        ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_table_exists_and_sets_its_key() {
        for setting in SETTINGS {
            let Some(flag) = setting.flag else { continue };
            let value = match setting.key {
                "accept_loss" => "true",
                _ => "value",
            };
            let line = match flag {
                "DRIVE" => vec!["coffer", "serve", value],
                "--accept-loss" => vec!["coffer", "serve", flag],
                _ => vec!["coffer", "serve", flag, value],
            };
            let cli = Cli::try_parse_from(&line).expect(flag);
            let Command::Serve(args) = cli.command else { panic!("not serve: {line:?}") };
            assert_eq!(args.flags().values, [(setting.key, vec![value.to_owned()])]);
        }
    }

    #[test]
    fn every_flag_of_serve_is_in_the_table() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("it exists");
        for argument in serve.get_arguments() {
            let Some(long) = argument.get_long() else {
                continue;
            };
            let flag = format!("--{long}");
            let known = SETTINGS.iter().any(|setting| setting.flag == Some(&flag));
            assert!(known || ["--config", "--help"].contains(&flag.as_str()), "{flag}");
        }
    }
}
