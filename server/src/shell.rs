//! Text for a POSIX shell, and `coffer env`, which prints what SDKs read from their environment, and
//! where the management port is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use coffer_access::Credentials;

use crate::config::{ENDPOINT_VARIABLE, Settings};
use crate::credentials;
use crate::failure::Failure;

/// The region of a store that was not given one.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// A word as a shell reads it back, in quotes only where it needs them.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The URL that reaches a listener from this machine: an address that stands for all addresses is
/// reached over the loopback.
pub(crate) fn url(address: SocketAddr, tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// The lines of `coffer env`.
pub(crate) fn exports(settings: &Settings, drive: &Path) -> Result<String, Failure> {
    let root = match &settings.root {
        Some(root) => root.clone(),
        None => credentials::read(drive)
            .map_err(|error| Failure::from_error(&error))?
            .ok_or_else(|| no_credentials(drive))?,
    };
    let tls = settings.tls.is_some();
    let ports = [settings.s3_listen, settings.management_listen].map(|port| url(port, tls));
    let region = settings.region.as_deref().unwrap_or(DEFAULT_REGION);
    Ok(export_lines(&root, &ports[0], &ports[1], region))
}

fn no_credentials(drive: &Path) -> Failure {
    let drive = drive.display();
    Failure::failed(format!(
        "there is no credentials file in {drive}: name the folder of a store that has been \
         started, as in coffer env ./data"
    ))
}

/// A session token left from elsewhere would spoil every signature, so it goes. Old SDKs read the
/// region from the second variable only.
fn export_lines(root: &Credentials, s3: &str, management: &str, region: &str) -> String {
    let mut lines = String::new();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", root.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", root.secret.expose()),
        ("AWS_ENDPOINT_URL", s3),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        (ENDPOINT_VARIABLE, management),
    ] {
        lines.push_str("export ");
        lines.push_str(name);
        lines.push('=');
        lines.push_str(&quoted(value));
        lines.push('\n');
    }
    lines.push_str("unset AWS_SESSION_TOKEN\n");
    lines
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use coffer_access::Secret;

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in ["plain", "", "two words", "it's", "$HOME", "a\"b\\c", "`x`", "é*?"] {
            let script = format!("printf %s {}", quoted(text));
            let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }

    #[test]
    fn exports_are_what_sdks_read() {
        let root = Credentials { access_key: "AK".to_owned(), secret: Secret::new("s'e$c") };
        let lines = export_lines(&root, "http://127.0.0.1:9000", "http://127.0.0.1:9001", "eu-1");
        let script = format!(
            "AWS_SESSION_TOKEN=old; {lines} printf '%s|' \"$COFFER_ENDPOINT\" \"$AWS_ACCESS_KEY_ID\" \
             \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_ENDPOINT_URL\" \"$AWS_REGION\" \
             \"$AWS_DEFAULT_REGION\" \"$AWS_SESSION_TOKEN\""
        );
        let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text, "http://127.0.0.1:9001|AK|s'e$c|http://127.0.0.1:9000|eu-1|eu-1||");
    }

    #[test]
    fn urls_reach_the_listener_from_this_machine() {
        for (address, tls, expected) in [
            ("127.0.0.1:9000", false, "http://127.0.0.1:9000"),
            ("0.0.0.0:9000", true, "https://127.0.0.1:9000"),
            ("[::]:80", false, "http://[::1]:80"),
            ("192.0.2.7:443", true, "https://192.0.2.7:443"),
        ] {
            assert_eq!(url(address.parse().expect("an address"), tls), expected);
        }
    }
}
