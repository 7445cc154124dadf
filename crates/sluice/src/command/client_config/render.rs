//! The text for the shell. Whatever is not a setting is a comment.

use super::clients::{Client, Way};
use super::given::Given;

const LINE_CHARS_MAX: usize = 110;
const LAST_RESORT: &str = "LAST RESORT: the file holds a private key that lives for months. A file of the type external_account, which fetches a token of your issuer, is better.";

pub fn text(client: &Client, given: &Given) -> String {
    let way = if given.domain.is_some() { &client.universe } else { &client.endpoint };
    let mut lines = vec![format!("# {}: {}", client.name, led_by(given))];
    if let Some(reason) = way.unsafe_alone {
        lines.extend(comment(&filled(&format!("NOT SET: {reason}"), given), "# ", "# "));
    }
    if let Some(reason) = way.not_run {
        lines.extend(comment(&format!("NEVER RUN: {reason}"), "# ", "# "));
    }
    if given.is_issued {
        lines.extend(comment(LAST_RESORT, "# ", "# "));
    }
    for trap in client.traps {
        // A trap of the other way.
        let is_of_universe = trap.contains("{domain}");
        let is_of_endpoint = trap.contains("--universe-domain");
        if (is_of_universe && given.domain.is_none()) || (is_of_endpoint && given.domain.is_some()) {
            continue;
        }
        lines.extend(comment(&filled(trap, given), "# - ", "#   "));
    }
    lines.extend(settings(way, given));
    lines.extend(way.beside.iter().map(|line| format!("# {}", filled(line, given))));
    lines.join("\n") + "\n"
}

fn led_by(given: &Given) -> String {
    match &given.domain {
        Some(domain) => format!("led by the universe domain {domain}, over TLS"),
        None => format!("REST led to {}", given.gateway),
    }
}

fn settings(way: &Way, given: &Given) -> Vec<String> {
    let before = if way.unsafe_alone.is_some() { "# export" } else { "export" };
    let exports = way.exports.iter().map(|(name, value)| format!("{before} {name}={}", quoted(&filled(value, given))));
    let certificates = given.ca.iter().flat_map(|ca| way.certificates.iter().map(move |name| format!("{before} {name}={}", quoted(ca))));
    // An address from before would lead REST past the name, and a domain from before would lead it past the address.
    let other = if given.domain.is_some() {
        "BIGQUERY_EMULATOR_HOST CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY"
    } else {
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN CLOUDSDK_CORE_UNIVERSE_DOMAIN"
    };
    let unset = way.unsafe_alone.is_none().then(|| format!("unset {other}"));
    unset.into_iter().chain(exports).chain(certificates).collect()
}

fn filled(text: &str, given: &Given) -> String {
    let domain = given.domain.as_deref().unwrap_or_default();
    let authority = given.authority();
    [
        ("{gateway}", given.gateway.as_str()),
        ("{authority}", authority.as_str()),
        ("{project}", given.project.as_str()),
        ("{domain}", domain),
        // Last: a path may hold anything, and nothing is put in its place any more.
        ("{credentials}", given.credentials.as_str()),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// One word for any POSIX shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_-@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn comment(text: &str, first: &str, others: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > LINE_CHARS_MAX {
            lines.push(std::mem::replace(&mut line, others.to_owned()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::super::clients::CLIENTS;
    use super::*;

    fn given(universe: bool) -> Given {
        Given {
            gateway: if universe { "https://bigquery.sluice.test" } else { "http://127.0.0.1:8080" }.to_owned(),
            project: "acme-prod".to_owned(),
            credentials: "/tmp/it's a {gateway} $(file).json".to_owned(),
            ca: Some("/tmp/ca.pem".to_owned()),
            domain: universe.then(|| "sluice.test".to_owned()),
            is_issued: false,
        }
    }

    fn rendered(name: &str, universe: bool) -> String {
        text(CLIENTS.iter().find(|client| client.name == name).unwrap(), &given(universe))
    }

    /// The lines that a shell would run.
    fn run_lines(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn each_client_gets_what_it_needs() {
        let check = |name: &str, universe: bool, expect: &[&str]| {
            let text = rendered(name, universe);
            for expect in expect {
                assert!(text.contains(expect), "{name}: `{expect}` is not in\n{text}");
            }
        };
        for name in ["python", "dbt", "sqlalchemy", "pandas-gbq"] {
            check(
                name,
                false,
                &[
                    "\nunset GOOGLE_CLOUD_UNIVERSE_DOMAIN CLOUDSDK_CORE_UNIVERSE_DOMAIN\n",
                    "\nexport BIGQUERY_EMULATOR_HOST=http://127.0.0.1:8080\n",
                    "\nexport GOOGLE_CLOUD_PROJECT=acme-prod\n",
                    "\nexport grpc_proxy=http://127.0.0.1:9\n",
                    "\nexport no_grpc_proxy=localhost\n",
                    "\nexport REQUESTS_CA_BUNDLE=/tmp/ca.pem\n",
                ],
            );
            check(
                name,
                true,
                &[
                    "\nunset BIGQUERY_EMULATOR_HOST ",
                    "\nexport GOOGLE_CLOUD_UNIVERSE_DOMAIN=sluice.test\n",
                    "\nexport GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/tmp/ca.pem\n",
                    "bigquerystorage.sluice.test",
                ],
            );
            assert!(!rendered(name, true).contains("export BIGQUERY_EMULATOR_HOST"), "{name}");
        }
        check(
            "bq",
            false,
            &[
                "\nexport CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY=http://127.0.0.1:8080/\n",
                "\nexport CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT=http://127.0.0.1:8080/v1/introspect\n",
                "\nexport CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=/tmp/ca.pem",
            ],
        );
        check("bq", true, &["\nexport CLOUDSDK_CORE_UNIVERSE_DOMAIN=sluice.test\n"]);
        check("node", false, &["\nexport BIGQUERY_EMULATOR_HOST=http://127.0.0.1:8080\n", "\nexport NODE_EXTRA_CA_CERTS=/tmp/ca.pem"]);
        check(
            "node",
            true,
            &["\nexport BIGQUERY_EMULATOR_HOST=https://bigquery.sluice.test\n", "does not lead Node", "universeDomain: \"sluice.test\""],
        );
        assert!(!rendered("node", true).contains("export GOOGLE_CLOUD_UNIVERSE_DOMAIN"));
        check(
            "node",
            true,
            &["\nexport GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/tmp/ca.pem", "BigQueryReadClient({ universeDomain: \"sluice.test\" })"],
        );
        check("go", true, &["NEVER RUN", "option.WithUniverseDomain(\"sluice.test\")", "\nexport SSL_CERT_FILE=/tmp/ca.pem"]);
        check("java", false, &["NEVER RUN", "setHost(\"http://127.0.0.1:8080\")"]);
        check("java", true, &["NEVER RUN", "setUniverseDomain(\"sluice.test\")", "setEndpoint(\"bigquerystorage.sluice.test:443\")"]);
        check("jdbc", false, &["NEVER RUN", "BIGQUERY=http://127.0.0.1:8080,READ_API=127.0.0.1:8080,"]);
        check("jdbc", true, &["NEVER RUN", "READ_API=bigquerystorage.sluice.test:443,"]);
        check("dbt", false, &["method: oauth, project: acme-prod"]);
        check("pandas-gbq", true, &["Do not pass a bigquery_client"]);
    }

    #[test]
    fn issued_files_are_the_last_resort() {
        let python = CLIENTS.iter().find(|client| client.name == "python").unwrap();
        let said = |is_issued: bool| text(python, &Given { is_issued, ..given(true) }).contains("# LAST RESORT: ");
        assert_eq!([said(true), said(false)], [true, false]);
    }

    /// Without more than settings these would dial Google: pasting the text must change nothing.
    #[test]
    fn what_is_not_safe_is_not_set() {
        let check = |name: &str, universe: bool| {
            assert_eq!(run_lines(&rendered(name, universe)), Vec::<&str>::new());
            assert!(rendered(name, universe).contains("# NOT SET: "), "{name}");
            assert!(rendered(name, universe).contains("\n# export GOOGLE_APPLICATION_CREDENTIALS="), "{name}");
        };
        for name in ["adbc", "java", "jdbc"] {
            check(name, false);
            check(name, true);
        }
        check("go", false);
    }

    #[test]
    fn nothing_leads_to_google() {
        for client in CLIENTS {
            for universe in [false, true] {
                let text = text(client, &given(universe));
                for line in text.lines().filter(|line| !line.starts_with('#') || line.contains('=') || line.contains("set")) {
                    let is_setting =
                        !line.starts_with('#') || line.contains("://") || line.contains("Endpoint(") || line.contains("Overrides=");
                    assert!(!(is_setting && line.contains("googleapis.com")), "{}: {line}", client.name);
                }
                let is_left = text.contains("{gateway}/")
                    || ["{authority}", "{project}", "{domain}", "{credentials}"].iter().any(|name| text.contains(name));
                assert!(!is_left, "{text}");
            }
        }
    }

    /// A path may be any text. What the shell makes of it is the path again, and nothing else runs.
    #[test]
    fn a_shell_reads_settings_and_nothing_else() {
        for client in CLIENTS {
            for universe in [false, true] {
                for line in run_lines(&text(client, &given(universe))) {
                    assert!(line.starts_with("export ") || line.starts_with("unset "), "{line}");
                }
            }
        }
        let check = |text: &str, expect: &str| assert_eq!(quoted(text), expect);
        check("/tmp/a.json", "/tmp/a.json");
        check("/tmp/a b", "'/tmp/a b'");
        check("it's", r"'it'\''s'");
        check("$(id)", "'$(id)'");
        check("", "''");
        assert!(rendered("python", true).contains(r"GOOGLE_APPLICATION_CREDENTIALS='/tmp/it'\''s a {gateway} $(file).json'"));
    }
}
