//! Real clients at their default settings, each against a server of its own, and two tenants of one
//! server. What each client does is in `tests/clients/`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use coffer_tests::{
    Keys, Launch, client_if_any, client_program, client_script, installed, with_client, with_server,
};

const LIMIT: Duration = Duration::from_mins(5);

/// How many tests each script has; fewer run means that the script lost some.
const SDK_TESTS: usize = 42;
const TRANSFER_TESTS: usize = 13;
const CLI_TESTS: usize = 7;
const SYNC_TESTS: usize = 1;
const S3CMD_TESTS: usize = 5;
const RCLONE_TESTS: usize = 5;
const RESTIC_TESTS: usize = 2;
const MC_TESTS: usize = 3;
const JS_TESTS: usize = 13;
const RUST_TESTS: usize = 7;
const TENANT_TESTS: usize = 5;

#[test]
fn boto3() {
    with_server(|server| client_script("sdk.py", server).passes(SDK_TESTS, LIMIT));
}

#[test]
fn boto3_transfers() {
    with_server(|server| client_script("transfer.py", server).passes(TRANSFER_TESTS, LIMIT));
}

#[test]
fn aws_cli() {
    with_server(|server| client_script("cli.py", server).arg("Cli").passes(CLI_TESTS, LIMIT));
}

// Apart, so that it runs beside the others: no client is slower.
#[test]
fn aws_cli_syncs() {
    with_server(|server| {
        client_script("cli.py", server).arg("Sync").passes(SYNC_TESTS, LIMIT);
    });
}

#[test]
fn s3cmd() {
    with_server(|server| client_script("s3cmd.py", server).passes(S3CMD_TESTS, LIMIT));
}

#[test]
fn rclone() {
    with_client("rclone", "go/rclone", "rclone.py", RCLONE_TESTS, LIMIT);
}

#[test]
fn restic() {
    with_client("restic", "go/restic", "restic.py", RESTIC_TESTS, LIMIT);
}

#[test]
fn mc() {
    // Midnight Commander has the same name, so what is on the path is not asked.
    with_client("mc-of-minio", "go/mc", "mc.py", MC_TESTS, LIMIT);
}

#[test]
fn aws_sdk_for_javascript() {
    let Some(node) = client_if_any("node", "node") else { return };
    let Some(modules) = client_if_any("npm-packages", "js/node_modules") else { return };
    let folder = modules.parent().expect("a folder in .tools");
    with_server(|server| {
        let script = client_program(&node, server).env("CLIENT", folder);
        script.arg("--test").arg("--test-reporter=tap").arg("js/sdk.mjs").passes(JS_TESTS, LIMIT);
    });
}

#[test]
fn aws_sdk_for_rust() {
    let program = installed("rust/debug/coffer-clients");
    with_server(|server| client_program(&program, server).arg("aws-sdk").passes(RUST_TESTS, LIMIT));
}

#[test]
fn object_store_for_rust() {
    let program = installed("rust/debug/coffer-clients");
    with_server(|server| {
        client_program(&program, server).arg("object-store").passes(RUST_TESTS, LIMIT);
    });
}

#[test]
fn tenants_are_isolated() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("tenants.toml");
    let (a, b) = (tenant("A"), tenant("B"));
    let account = |name: &str, digit: &str, keys: &Keys| {
        format!(
            "[[bootstrap_account]]\nname = \"{name}\"\ncanonical_id = \"{}\"\naccess_key = \
             \"{}\"\nsecret_key = \"{}\"\n\n",
            digit.repeat(64),
            keys.access,
            keys.secret
        )
    };
    let text = account("tenant-a", "a", &a) + &account("tenant-b", "b", &b);
    fs::write(&config, text).expect("the configuration");
    // The server warns, rightly, if others may read secrets.
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("ours");
    let launch = Launch::on(&folder.path().join("drive")).config(&config);
    let mut server = launch.start();
    let script = || client_script("tenants.py", &server).keys("A_", &a).keys("B_", &b);
    script().passes(TENANT_TESTS, LIMIT);
    server.stop();

    // The same accounts after a restart: they own what they owned.
    let mut server = launch.start();
    let owned = client_script("owned.py", &server).keys("A_", &a).keys("B_", &b).prints(LIMIT);
    assert_eq!(owned.trim(), "A: tenant-a-only, B:");
    server.stop();
}

fn tenant(letter: &str) -> Keys {
    Keys {
        access: format!("TENANT{letter}ACCESSKEY1234"),
        secret: format!("secret-of-tenant-{letter}-with-enough-characters"),
    }
}
