//! Text to values: addresses, sizes, spans of time, keys. Each error says what was expected.

use std::net::SocketAddr;
use std::time::Duration;

use zeroize::Zeroizing;

/// An IP address and a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let expanded = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    expanded
        .parse()
        .map_err(|_| format!("{text:?} is not an IP address and port such as 127.0.0.1:9000"))
}

/// `true` or `false`.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A whole number.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text:?} is not a whole number"))
}

/// A number of bytes: `65536`, `64 KiB`, `1 MB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let problem = || format!("{text:?} is not a size such as 128 MiB");
    let (number, unit) = number_and_unit(text).ok_or_else(problem)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(problem()),
    };
    number
        .checked_mul(factor)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("{text:?} is too large"))
}

/// A span of time: `500 ms`, `30 s`, `5 m`, `1 h`. A unit is needed.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let problem = || format!("{text:?} is not a time with its unit such as 500 ms, 30 s or 5 m");
    let (number, unit) = number_and_unit(text).ok_or_else(problem)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(problem()),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is too long"))
}

/// 32 bytes as 64 hexadecimal digits. The text itself is a secret and stays out of the error.
pub(crate) fn key_bytes(text: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        let hint = "make one with: openssl rand -hex 32";
        return Err(format!("a store key is 64 hexadecimal digits; {hint}"));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).expect("checked: hexadecimal");
    }
    Ok(bytes)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.replace('_', "").parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("65_536", 65_536),
            ("64 KiB", 65_536),
            ("64k", 65_536),
            ("128MiB", 128 << 20),
            ("1 GB", 1_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1 TiBB", "-1", "1.5 MiB", "99999999999999 GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_need_their_unit() {
        for (text, millis) in
            [("500ms", 500), ("30 s", 30_000), ("2 m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(span(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["30", "", "s", "1 d", "1 S"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(address("localhost:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert!(address("[::]:9000").is_ok());
        for text in ["9000", ":9000", "127.0.0.1", "example.com:80", "127.0.0.1:99999"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn store_keys() {
        let text = "00ff".repeat(16);
        let key = key_bytes(&format!("{text}\n")).expect("valid");
        assert_eq!(key[..4], [0x00, 0xff, 0x00, 0xff]);
        for text in ["", "00", &"0g".repeat(32), &"é".repeat(32)] {
            let error = key_bytes(text).expect_err("refused");
            assert!(text.is_empty() || text == "00" || !error.contains(text));
        }
    }
}
