//! Real clients at their default settings: boto3 and aws-cli, and two tenants of one server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use coffer_tests::{Keys, Launch, client_script};

const LIMIT: Duration = Duration::from_mins(5);

/// How many tests each script has; fewer run means that the script lost some.
const SDK_TESTS: usize = 42;
const CLI_TESTS: usize = 6;
const TENANT_TESTS: usize = 5;

#[test]
fn boto3() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    client_script("sdk.py", &server).passes(SDK_TESTS, LIMIT);
    server.stop();
}

#[test]
fn aws_cli() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    client_script("cli.py", &server).passes(CLI_TESTS, LIMIT);
    server.stop();
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
