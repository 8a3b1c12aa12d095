//! The status page: plain HTML, nothing loaded from elsewhere, every value escaped.

use std::fmt::Write;

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::answer;
use crate::body::ResponseBody;
use crate::health::{Health, State};

/// Where the other port is.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The S3 endpoint as a URL.
    pub(crate) s3: String,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<title>Coffer</title>\n<style>\n\
:root { color-scheme: light dark; }\n\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }\n\
h1 { margin-bottom: 0; }\n\
table { border-collapse: collapse; margin: 1rem 0; }\n\
th, td { text-align: left; padding: .2rem 1.5rem .2rem 0; vertical-align: top; }\n\
th { font-weight: normal; opacity: .75; }\n\
code, pre { font-family: ui-monospace, monospace; font-size: .95em; }\n\
pre { padding: .8rem 1rem; border: 1px solid; border-radius: 6px; overflow-x: auto; }\n\
.state { display: inline-block; padding: 0 .6rem; border: 2px solid; border-radius: 1rem; }\n\
.bad { font-weight: bold; }\n\
</style>\n</head>\n<body>\n<main>\n";
const FOOT: &str = "<p><a href=\"/healthz\">healthz</a> · <a href=\"/readyz\">readyz</a> · \
<a href=\"/livez\">livez</a> · <a href=\"/metrics\">metrics</a></p>\n</main>\n</body>\n</html>\n";

/// The page as an answer. Its policy lets nothing in from elsewhere.
pub(crate) fn answer(health: &Health, addresses: &Addresses) -> Response<ResponseBody> {
    let page = render(health, addresses);
    let mut response = answer::with_type(StatusCode::OK, "text/html; charset=utf-8", page);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn render(health: &Health, addresses: &Addresses) -> String {
    let mut page = String::from(HEAD);
    let state = match health.state {
        State::Starting => "starting: the log is being read",
        State::Serving => "serving",
        State::Degraded => "degraded: it serves, but see below",
        State::Stopping => "stopping: running requests finish",
    };
    push(&mut page, format_args!("<h1>Coffer</h1>\n<p><span class=\"state\">{state}</span></p>\n"));
    if let Some(refusal) = &health.write_refusal {
        let refusal = escape(refusal);
        push(&mut page, format_args!("<p class=\"bad\">Writes are refused: {refusal}</p>\n"));
    }
    if let Some(damage) = health.damage.as_deref().filter(|damage| !damage.is_empty()) {
        page.push_str("<p class=\"bad\">Damaged:</p>\n<ul>\n");
        for line in damage {
            push(&mut page, format_args!("<li>{}</li>\n", escape(line)));
        }
        page.push_str("</ul>\n");
    }
    table(&mut page, health, addresses);
    next_step(&mut page, health, addresses);
    page.push_str(FOOT);
    page
}

fn table(page: &mut String, health: &Health, addresses: &Addresses) {
    let mut row = |name: &str, value: String| {
        push(
            page,
            format_args!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n", escape(&value)),
        );
    };
    row("Version", health.version.to_owned());
    row("S3", addresses.s3.clone());
    row("TLS", if addresses.tls { "on" } else { "off" }.to_owned());
    row("Up for", format!("{} s", health.uptime_seconds));
    if let Some(start) = &health.start {
        let text = format!(
            "{} commands, {} replayed in {} ms",
            start.replayed_commands,
            bytes(start.replayed_bytes),
            start.milliseconds
        );
        row("Last start", if start.formatted { "made this store".to_owned() } else { text });
    }
    if let Some(store) = &health.store {
        row("Buckets", store.buckets.to_string());
        row("Objects", store.objects.to_string());
        row("Bytes of objects", bytes(store.bytes));
        let free = format!("{} of {}", bytes(store.drive_available), bytes(store.drive_total));
        row("Free on the drive", free);
    }
    let start = page.find("<tr>").expect("rows were written");
    page.insert_str(start, "<table>\n");
    page.push_str("</table>\n");
}

fn next_step(page: &mut String, health: &Health, addresses: &Addresses) {
    let endpoint = escape(&addresses.s3);
    match health.state {
        State::Starting => page.push_str("<p>Next: wait; this page does not reload itself.</p>\n"),
        State::Stopping => page.push_str("<p>Next: start it again when you need it.</p>\n"),
        State::Degraded => page.push_str(
            "<p>Next: stop it and run <code>coffer check DRIVE</code>, which says what is wrong \
             in words.</p>\n",
        ),
        State::Serving => push(
            page,
            format_args!(
                "<p>Next: on this machine, put a file into the store.</p>\n\
                 <pre>eval \"$(coffer env DRIVE)\"\naws s3 mb s3://first\n\
                 aws s3 cp FILE s3://first/\naws s3 ls s3://first</pre>\n\
                 <p>Any S3 client works with the endpoint <code>{endpoint}</code> and the key in \
                 the drive's <code>credentials</code> file.</p>\n"
            ),
        ),
    }
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes every text");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A number of bytes for people, with one decimal.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut tenths = u128::from(number) * 10;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    if unit == 0 {
        format!("{number} B")
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use coffer_storage_engine::engine::EngineStatus;

    use super::*;
    use crate::health::Life;
    use crate::health::tests::vitals;

    fn page(status: EngineStatus, damage: &[&str]) -> String {
        let life = Life::begin();
        life.serving(vitals(status, damage));
        let addresses = Addresses { s3: "http://127.0.0.1:9000".to_owned(), tls: false };
        render(&life.health(true), &addresses)
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_gets_in() {
        let page = page(EngineStatus::default(), &["<script>alert('x')</script> & \"key\""]);
        assert!(
            page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;key&quot;")
        );
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("https://"));
        assert!(page.contains("coffer check"));
    }

    #[test]
    fn tables_are_whole_and_figures_readable() {
        let status = EngineStatus {
            drive_total: 3 << 30,
            drive_available: 1_536 << 20,
            ..EngineStatus::default()
        };
        let page = page(status, &[]);
        for tag in ["table", "main", "body", "html", "pre"] {
            let count = |text: &str| page.matches(text).count();
            assert_eq!(count(&format!("<{tag}")), count(&format!("</{tag}>")), "{tag}");
        }
        assert!(page.contains("1.5 GiB of 3.0 GiB"));
        assert!(page.contains("aws s3 mb"));
    }

    #[test]
    fn byte_counts() {
        for (number, text) in
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(bytes(number), text);
        }
        assert!(bytes(u64::MAX).ends_with(" PiB"));
    }
}
