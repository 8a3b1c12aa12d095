//! The first minutes with Coffer: what a first start writes, prints and promises, and one sentence
//! with a remedy for each usual mistake.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use coffer_tests::{Keys, Launch, Output, Server, coffer, free_port, plain_get, run_for_output};

const READY_MAX: Duration = Duration::from_secs(2);
const WRITTEN_MAX: u64 = 128 << 20;
/// Long enough for a refusal on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// No user has this id; it owns nothing.
const NOBODY: u32 = 65_534;

fn generated(drive: &Path) -> Launch {
    Launch { keys: None, json_log: false, ..Launch::on(drive) }
}

#[test]
fn a_first_start_is_quick_small_and_tells_the_next_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let drive = folder.path().join("drive");
    let mut server = generated(&drive).start_unready();
    let ready = server.wait_until_ready(READY_MAX);
    let written = written_bytes(&server).max(occupied_bytes(&drive));
    println!("ready after {} ms, {} MiB written", ready.as_millis(), written >> 20);
    assert!(written <= WRITTEN_MAX, "{written} bytes written");

    let credentials = drive.join("credentials");
    for secret in [&credentials, &drive.join("store.key")] {
        let mode = fs::metadata(secret).expect("a secret on the drive").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", secret.display());
    }

    server.until_said("eval ");
    let log = server.log();
    for shown in [server.endpoint(), format!("http://{}", server.management)] {
        assert!(log.contains(&shown), "{shown} is not in:\n{log}");
    }
    assert!(log.contains("credentials"), "where the credentials are is not in:\n{log}");
    assert!(!log.contains(&Keys::on(&drive).secret), "the secret was printed");
    check_curl_line(&server, &log);
    server.stop();
}

#[test]
fn a_folder_may_be_named_by_its_name_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(Path::new("store")).within(folder.path()).start();
    server.create_bucket("bucket");
    server.stop();
    let mut check = coffer();
    check.args(["check", "store"]).current_dir(folder.path());
    let output = run_for_output(&mut check, PATIENCE);
    assert_eq!(output.code, Some(0), "{}", output.text);
}

/// The printed line works as pasted, in the folder in which the server was started.
fn check_curl_line(server: &Server, log: &str) {
    let line = log
        .lines()
        .find_map(|line| line.find("curl ").map(|at| line[at..].trim_end()))
        .unwrap_or_else(|| panic!("no curl line in:\n{log}"));
    assert!(line.contains("--aws-sigv4"), "{line}");
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).current_dir(server.drive.parent().expect("a parent"));
    let output = run_for_output(&mut shell, PATIENCE);
    assert_eq!(output.code, Some(0), "{line}\n{}", output.text);
    assert!(output.text.contains("HTTP/1.1 200"), "{line}\n{}", output.text);
}

#[test]
fn a_second_start_keeps_the_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    let drive = folder.path().join("drive");
    generated(&drive).start().stop();
    let before = fs::read(drive.join("credentials")).expect("made by the first start");
    let mut server = generated(&drive).start();
    assert_eq!(fs::read(drive.join("credentials")).expect("still there"), before);
    let printed = run_for_output(coffer().arg("env").arg(&drive), PATIENCE);
    assert_eq!(printed.code, Some(0), "{}", printed.text);
    assert!(printed.text.contains("export AWS_ACCESS_KEY_ID="), "{}", printed.text);
    server.stop();
}

#[test]
fn health_is_told_on_both_ports_without_a_login() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    for path in ["/livez", "/readyz", "/healthz", "/metrics", "/"] {
        let answer = plain_get(server.management, path).expect("an answer");
        assert_eq!(answer.status, 200, "{path} on the management port");
    }
    for path in ["/-/live", "/-/ready", "/-/health", "/-/metrics"] {
        let answer = plain_get(server.s3, path).expect("an answer");
        assert_eq!(answer.status, 200, "{path} on the S3 port");
    }
    let anonymous = plain_get(server.s3, "/").expect("an answer");
    assert_eq!((anonymous.status, anonymous.element("Code")), (403, Some("AccessDenied".into())));
    server.stop();
}

#[test]
fn well_known_credentials_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let drive = folder.path().join("drive");
    for (access, secret) in [
        ("admin", "admin"),
        ("minioadmin", "minioadmin"),
        ("rustfsadmin", "rustfsadmin"),
        ("admin", "password"),
        ("root", "password"),
    ] {
        let keys = Keys { access: access.to_owned(), secret: secret.to_owned() };
        let launch = Launch { keys: Some(keys), ..generated(&drive) };
        let output = refused_start(&launch);
        assert!(output.text.contains("COFFER_ROOT_"), "{access}: {}", output.text);
        assert!(!drive.join("drive.id").exists(), "{access}: formatted all the same");
    }
}

#[test]
fn a_port_in_use_is_told_with_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let s3 = taken.local_addr().expect("bound");
    let management = ([127, 0, 0, 1], free_port()).into();
    for (s3, management) in [(s3, management), (management, s3)] {
        let mut command = generated(&folder.path().join("drive")).command(s3, management);
        let output = run_for_output(&mut command, PATIENCE);
        told(&output, 1, &[&taken.local_addr().expect("bound").port().to_string(), "in use"]);
    }
}

#[test]
fn a_drive_serves_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let drive = folder.path().join("drive");
    let mut server = Launch::on(&drive).start();
    let output = refused_start(&Launch::on(&drive));
    told(&output, 1, &["drive", "another"]);
    server.stop();
    // The lock goes with the process.
    Launch::on(&drive).start().stop();
}

#[test]
fn a_read_only_folder_is_told_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let drive = folder.path().join("sealed");
    fs::create_dir(&drive).expect("a folder");
    fs::set_permissions(&drive, fs::Permissions::from_mode(0o555)).expect("ours");
    let launch = generated(&drive);
    let any = ([127, 0, 0, 1], free_port()).into();
    let other = ([127, 0, 0, 1], free_port()).into();
    let mut command = launch.command(any, other);
    let user = fs::metadata(folder.path()).expect("ours").uid();
    if user == 0 {
        // Nothing is read-only to root: run a copy that anyone may reach as somebody else.
        let copy = folder.path().join("coffer");
        fs::copy(command.get_program(), &copy).expect("a copy of the binary");
        chown(&drive, Some(NOBODY), Some(NOBODY)).expect("root may");
        let mut other_user = Command::new(&copy);
        other_user.args(command.get_args()).current_dir(folder.path()).env_clear();
        other_user.uid(NOBODY).gid(NOBODY);
        command = other_user;
    }
    let output = run_for_output(&mut command, PATIENCE);
    told(&output, 1, &["sealed"]);
}

#[test]
fn a_folder_with_other_peoples_files_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let drive = folder.path().join("drive");
    fs::create_dir(&drive).expect("a folder");
    fs::write(drive.join("thesis.txt"), "years of work").expect("a file");
    let output = refused_start(&generated(&drive));
    told(&output, 1, &["empty"]);
    let names: Vec<_> = fs::read_dir(&drive)
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(names, ["thesis.txt"]);
}

#[test]
fn wrong_usage_is_told_with_exit_code_2() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let mut command = coffer();
    told(&run_for_output(command.arg("serve").current_dir(&nowhere), PATIENCE), 2, &["DRIVE"]);
    let mut command = coffer();
    told(&run_for_output(command.args(["serve", "--no-such-flag"]), PATIENCE), 2, &["--help"]);
}

#[test]
fn an_unknown_setting_names_its_place_and_the_nearest_known_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("coffer.toml");
    fs::write(&file, "# comment\n[s3]\nlisten = \"127.0.0.1:0\"\nregoin = \"eu-1\"\n")
        .expect("a file");
    let mut check = coffer();
    let output = run_for_output(check.args(["config", "check", "--config"]).arg(&file), PATIENCE);
    assert!(output.code.is_some_and(|code| code != 0), "{}", output.text);
    for part in ["coffer.toml:4", "s3.regoin", "s3.region"] {
        assert!(output.text.contains(part), "{part} is not in: {}", output.text);
    }
    let launch = generated(&folder.path().join("drive")).config(&file);
    told(&refused_start(&launch), 2, &["coffer.toml:4"]);

    let mut command = coffer();
    command.arg("serve").arg(folder.path().join("drive")).env("COFFER_S3_LISTN", "127.0.0.1:1");
    let output = run_for_output(&mut command, PATIENCE);
    assert!(output.code.is_some_and(|code| code != 0), "{}", output.text);
    assert!(output.text.contains("COFFER_S3_LISTEN"), "{}", output.text);
}

fn refused_start(launch: &Launch) -> Output {
    let any = ([127, 0, 0, 1], free_port()).into();
    let other = ([127, 0, 0, 1], free_port()).into();
    let output = run_for_output(&mut launch.command(any, other), PATIENCE);
    assert!(output.code.is_some_and(|code| code == 1 || code == 2), "{output:?}");
    output
}

/// The refusal says these words, in few lines, and is no panic.
fn told(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{}", output.text);
    for word in words {
        assert!(output.text.contains(word), "{word:?} is not in: {}", output.text);
    }
    assert!(!output.text.contains("panicked"), "{}", output.text);
    assert!(output.text.lines().count() <= 12, "more than a sentence:\n{}", output.text);
}

/// What the process has had written to storage.
fn written_bytes(server: &Server) -> u64 {
    let counters = fs::read_to_string(format!("/proc/{}/io", server.pid())).expect("it runs");
    counters
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
        .expect("write_bytes in /proc")
}

/// What a folder takes on its drive.
fn occupied_bytes(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .expect("readable")
        .map(|entry| {
            let entry = entry.expect("readable");
            let metadata = entry.metadata().expect("readable");
            let below = if metadata.is_dir() { occupied_bytes(&entry.path()) } else { 0 };
            below + metadata.blocks() * 512
        })
        .sum()
}
