//! The README is pasted: the lines of its first upload are run as they stand there, in a folder as
//! after `make run`. Only the address of the server and the folder for copies are other ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use coffer_tests::{Launch, coffer, installed, run_for_output};

const PATIENCE: Duration = Duration::from_mins(4);
const SECTION: &str = "## Your first upload";
/// Lines that were pasted; fewer mean that some were not found.
const LINES_MIN: usize = 9;

#[test]
fn the_lines_of_the_first_upload_work_as_pasted() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let text = fs::read_to_string(repository.join("README.md")).expect("a README");
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // What the lines name of the folder they are run in.
    for name in ["README.md", "storage-engine"] {
        symlink(repository.join(name), at(name)).expect("ours");
    }
    fs::create_dir_all(at("target/quick")).expect("ours");
    symlink(coffer().get_program(), at("target/quick/coffer")).expect("ours");
    fs::create_dir(at("tmp")).expect("ours");

    let launch = Launch { keys: None, json_log: false, ..Launch::on(&at("data")) };
    let mut server = launch.start();
    let lines = lines_of(&text, SECTION)
        .replace("http://127.0.0.1:9000", &server.endpoint())
        .replace("/tmp/", &format!("{}/", at("tmp").display()));
    assert!(lines.lines().count() >= LINES_MIN, "{lines}");
    let aws = installed("venv").join("bin");
    let path = format!("{}:{}", aws.display(), std::env::var("PATH").expect("a PATH"));
    let mut shell = Command::new("bash");
    shell
        .args(["-euxo", "pipefail", "-c", &lines])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("COFFER_S3_LISTEN", server.s3.to_string())
        .env("COFFER_MANAGEMENT_LISTEN", server.management.to_string())
        // Nothing of the machine's own configuration may decide a test.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("NO_PROXY", "127.0.0.1");
    for name in
        ["COFFER_BIN", "AWS_PROFILE", "AWS_CA_BUNDLE", "HTTP_PROXY", "http_proxy", "ALL_PROXY"]
    {
        shell.env_remove(name);
    }
    let output = run_for_output(&mut shell, PATIENCE);
    assert_eq!(output.code, Some(0), "{lines}\n{}", output.text);
    assert_eq!(output.text.matches("HTTP/1.1 200").count(), 2, "{}", output.text);
    server.stop();
}

/// What a section shows as lines for the shell.
fn lines_of(text: &str, section: &str) -> String {
    let (_, behind) = text.split_once(section).expect("the section is there");
    let section = behind.split("\n## ").next().expect("there is a first part");
    let blocks = section.split("```sh\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}
