//! What was given, checked before it is written into a text that a shell reads.

use super::{ClientConfig, Failure};
use serde_json::Value;
use sluice_identity::ISSUED_ADDRESS_END;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

const CREDENTIALS_BYTES_MAX: u64 = 64 * 1024;
const DOMAIN_BYTES_MAX: usize = 253;

pub struct Given {
    /// Without a slash at its end.
    pub gateway: String,
    pub project: String,
    pub credentials: String,
    pub ca: Option<String>,
    pub domain: Option<String>,
    /// A file that the gateway issued, in the form of a service account's.
    pub is_issued: bool,
}

/// Which addresses are the gateway's.
struct Whose<'a> {
    gateway: &'a str,
    domain: Option<&'a str>,
}

impl Given {
    pub fn new(wanted: &ClientConfig) -> Result<Given, Failure> {
        let gateway = gateway(&wanted.gateway)?;
        if !is_project(&wanted.project) {
            return Err(Failure::new(format!("`{}` is no project: letters, digits, hyphens", wanted.project.escape_debug())));
        }
        let domain = wanted.universe_domain.clone();
        if let Some(domain) = &domain {
            if !is_domain(domain) {
                return Err(Failure::new(format!("`{}` is no domain: lower case, with a dot", domain.escape_debug())));
            }
            if is_of_google(domain) {
                return Err(Failure::new(format!("`{domain}` is Google's: a client would go there with the gateway's token")));
            }
            if !gateway.starts_with("https://") {
                return Err(Failure::new("with a universe domain clients use TLS: give the gateway's https address"));
            }
        }
        let credentials = absolute(&wanted.credentials)?;
        let file = read(&wanted.credentials)?;
        let is_issued = check_credentials(&file, &Whose { gateway: &gateway, domain: domain.as_deref() })
            .map_err(|fault| Failure::new(format!("{}: {fault}", wanted.credentials.display())))?;
        let ca = wanted.ca.as_deref().map(absolute).transpose()?;
        Ok(Given { gateway, project: wanted.project.clone(), credentials, ca, domain, is_issued })
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        let (scheme, authority) = self.gateway.split_once("://").unwrap_or(("", &self.gateway));
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        match (has_port, scheme) {
            (true, _) => authority.to_owned(),
            (false, "https") => format!("{authority}:443"),
            (false, _) => format!("{authority}:80"),
        }
    }
}

/// A scheme, a host and perhaps a port; nothing that a shell, a URL or a connection string could take for something else.
pub fn gateway(url: &str) -> Result<String, Failure> {
    let no = |why: &str| Failure::new(format!("`{}` is no address of a gateway: {why}", url.escape_debug()));
    let plain = url.strip_suffix('/').unwrap_or(url);
    let (scheme, authority) = plain.split_once("://").ok_or_else(|| no("no scheme"))?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(|| no("no bracket at the end"))?,
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    let is_port = port.is_empty() || port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0);
    if !is_host || !is_port {
        return Err(no("it is a scheme, a host and perhaps a port"));
    }
    match scheme {
        _ if is_of_google(host) => Err(no("that is Google")),
        "https" => Ok(plain.to_owned()),
        "http" if is_loopback(host) => Ok(plain.to_owned()),
        "http" => Err(no("without TLS it would show tokens to the network, unless it is on this machine")),
        _ => Err(no("https, or http on this machine")),
    }
}

fn is_project(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    (4..=64).contains(&text.len()) && text.bytes().all(is_letter) && text.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= DOMAIN_BYTES_MAX && text.contains('.') && text.split('.').all(is_label)
}

pub fn is_of_google(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    ["googleapis.com", "google.com", "google.internal"].iter().any(|own| host == *own || host.ends_with(&format!(".{own}")))
}

/// Clients run in other folders.
fn absolute(path: &Path) -> Result<String, Failure> {
    let found = std::path::absolute(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let text = found.to_str().ok_or_else(|| Failure::new(format!("{}: not a name in UTF-8", path.display())))?;
    if text.chars().any(char::is_control) {
        return Err(Failure::new(format!("`{}`: a name with control characters", text.escape_debug())));
    }
    Ok(text.to_owned())
}

fn read(path: &Path) -> Result<Value, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    // A pipe keeps whoever opens it waiting, and a device has no end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Failure::new(format!("{}: not a file", path.display())));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(CREDENTIALS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > CREDENTIALS_BYTES_MAX {
        return Err(Failure::new(format!("{}: more than {CREDENTIALS_BYTES_MAX} bytes", path.display())));
    }
    serde_json::from_slice(&bytes).map_err(|_| Failure::new(format!("{}: not JSON", path.display())))
}

/// Where a client would send a token, or ask about one: the gateway, by an address that every reader takes for the same. What stands before an `@`, a
/// query, an escape would make two of one.
fn check_address(name: &str, url: &str, whose: &Whose<'_>) -> Result<(), String> {
    let no = |why: &str| format!("`{name}` does not lead to a gateway: {why}");
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/')).map_or(url.len(), |slash| start + slash);
    let (server, path) = url.split_at_checked(end).unwrap_or((url, ""));
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte));
    if !is_plain || path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(no("its path is letters, digits and `-._~`"));
    }
    gateway(server).map_err(|_| no("https to a host that is not Google's, or http on this machine"))?;
    let host = host_of(server);
    let is_below = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    if is_loopback(&host) || host == host_of(whose.gateway) || whose.domain.is_some_and(is_below) {
        return Ok(());
    }
    Err(no("its host is another one"))
}

/// Of an address that `gateway` takes.
fn host_of(server: &str) -> String {
    let authority = server.split_once("://").map_or(server, |(_, authority)| authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    host.unwrap_or_default().to_ascii_lowercase()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A file with which the client would ask Google, or refuse to start. Otherwise: whether the gateway issued it.
fn check_credentials(file: &Value, whose: &Whose<'_>) -> Result<bool, String> {
    let domain = whose.domain;
    let text = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_issued = match text("type") {
        "external_account" => false,
        "service_account" if text("client_email").ends_with(ISSUED_ADDRESS_END) => true,
        "service_account" => return Err("it is a key of Google's, and belongs to nobody but Google".to_owned()),
        _ => return Err("`type` is neither external_account nor that of a file that the gateway issued".to_owned()),
    };
    let token_url = if is_issued { "token_uri" } else { "token_url" };
    check_address(token_url, text(token_url), whose)?;
    if let Some(url) = file.get("token_info_url") {
        check_address("token_info_url", url.as_str().unwrap_or_default(), whose)?;
    }
    if is_issued && domain.is_none() {
        return Err(
            "with such a file Google's libraries show Google the gateway's token: issue it with --universe-domain, and give that here too"
                .to_owned(),
        );
    }
    let audience = text("audience");
    if audience.contains("iam.googleapis.com") || audience.contains("/workforcePools/") || audience.contains("/workloadIdentityPools/") {
        return Err("`audience` is of a form for which Google's libraries ask Google, with the gateway's token".to_owned());
    }
    if file.get("service_account_impersonation_url").is_some() {
        return Err("`service_account_impersonation_url` would take the gateway's token to Google".to_owned());
    }
    match (file.get("universe_domain").and_then(Value::as_str), domain) {
        (own, wanted) if own == wanted => Ok(is_issued),
        (Some(own), None) => Err(format!("`universe_domain` is `{}`: clients refuse it without --universe-domain", own.escape_debug())),
        (own, wanted) => Err(format!(
            "`universe_domain` is `{}` and not `{}`: clients refuse that",
            own.unwrap_or("missing").escape_debug(),
            wanted.unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_addresses_of_a_gateway_are_taken() {
        let check = |url: &str, expect: Option<&str>| assert_eq!(gateway(url).ok().as_deref(), expect, "{url}");
        check("http://127.0.0.1:8080", Some("http://127.0.0.1:8080"));
        check("http://localhost:8080/", Some("http://localhost:8080"));
        check("http://[::1]:8080", Some("http://[::1]:8080"));
        check("https://bigquery.sluice.test", Some("https://bigquery.sluice.test"));
        for url in [
            "",
            "bigquery.sluice.test",
            "http://10.0.0.1:8080",
            "http://gateway.example",
            "https://bigquery.googleapis.com",
            "https://BIGQUERY.googleapis.com.",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:0",
            "https://a:99999",
            "https://a'; rm -rf ~; '",
            "https://$(id)",
            "https://a\nexport X=1",
            "ftp://a",
        ] {
            check(url, None);
        }
    }

    #[test]
    fn names_are_plain() {
        for (text, expect) in
            [("acme-prod", true), ("example.com:acme", true), ("a'b-c", false), ("acme prod", false), ("$(id)", false), ("", false)]
        {
            assert_eq!(is_project(text), expect, "{text}");
        }
        for (text, expect) in [("sluice.test", true), ("test", false), ("-a.b", false), ("a..b", false), ("A.b", false), ("a.b;c", false)] {
            assert_eq!(is_domain(text), expect, "{text}");
        }
        for (text, expect) in [("googleapis.com", true), ("x.googleapis.com", true), ("notgoogleapis.com", false), ("sluice.test", false)] {
            assert_eq!(is_of_google(text), expect, "{text}");
        }
    }

    #[test]
    fn a_file_that_leads_to_google_is_refused() {
        let file =
            json!({ "type": "external_account", "audience": "//sluice.test/pools/a", "token_url": "http://127.0.0.1:8080/v1/token" });
        let check = |change: Value, domain: Option<&str>, expect: Option<&str>| {
            let mut changed = file.clone();
            for (name, value) in change.as_object().unwrap() {
                changed[name] = value.clone();
            }
            let said = check_credentials(&changed, &Whose { gateway: "https://bigquery.sluice.test", domain });
            match expect {
                None => assert_eq!(said, Ok(false), "{change}"),
                Some(expect) => assert!(said.as_ref().is_err_and(|said| said.contains(expect)), "{change}: {said:?}"),
            }
        };
        check(json!({}), None, None);
        check(json!({ "universe_domain": "sluice.test" }), Some("sluice.test"), None);
        check(json!({ "type": "service_account" }), None, Some("a key of Google's"));
        check(json!({ "type": "authorized_user" }), None, Some("type"));
        for (url, is_ours) in [
            ("https://bigquery.sluice.test/v1/token", true),
            ("https://BigQuery.sluice.test:443/v1/token", true),
            ("http://localhost:8080/v1/token", true),
            ("http://[::1]:8080/v1/token", true),
            ("https://sts.googleapis.com/v1/token", false),
            ("https://STS.GoogleAPIs.com./v1/token", false),
            ("https://a:b@sts.googleapis.com/v1/token", false),
            ("https://bigquery.sluice.test@sts.googleapis.com/v1/token", false),
            ("https://bigquery.sluice.test:443@sts.googleapis.com/", false),
            ("https://sts.googleapis.com?x", false),
            ("https://sts.googleapis.com#x", false),
            ("https://sts.googleapis.com\\@bigquery.sluice.test/", false),
            ("https://bigquery.sluice.test\\.evil.example/", false),
            ("https://bigquery.sluice.test/../x", false),
            ("https://bigquery.sluice.test/?x", false),
            ("http://bigquery.sluice.test/v1/token", false),
            ("http://evil.example/", false),
            ("https://evil.example/v1/token", false),
            ("https://xbigquery.sluice.test/", false),
            ("//bigquery.sluice.test/v1/token", false),
            ("", false),
        ] {
            check(json!({ "token_url": url }), None, (!is_ours).then_some("token_url"));
            check(json!({ "token_info_url": url }), None, (!is_ours).then_some("token_info_url"));
        }
        check(json!({ "token_info_url": 7 }), None, Some("token_info_url"));
        let below = json!({ "token_url": "https://sts.sluice.test/v1/token", "universe_domain": "sluice.test" });
        check(below, Some("sluice.test"), None);
        check(json!({ "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p" }), None, Some("audience"));
        check(json!({ "audience": "locations/global/workforcePools/p" }), None, Some("audience"));
        check(json!({ "service_account_impersonation_url": "https://x" }), None, Some("impersonation"));
        check(json!({}), Some("sluice.test"), Some("missing"));
        check(json!({ "universe_domain": "other.test" }), Some("sluice.test"), Some("other.test"));
        check(json!({ "universe_domain": "sluice.test" }), None, Some("--universe-domain"));
    }

    #[test]
    fn only_files_are_read() {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path();
        let (pipe, large, small) = (folder.join("pipe"), folder.join("large"), folder.join("small"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(&large, vec![b' '; usize::try_from(CREDENTIALS_BYTES_MAX).unwrap() + 1]).unwrap();
        std::fs::write(&small, "{}").unwrap();
        let said = |path: &Path| read(path).map_err(|failure| failure.to_string());
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder] {
            assert!(said(path).is_err_and(|said| said.ends_with("not a file")), "{}", path.display());
        }
        assert!(said(&large).is_err_and(|said| said.ends_with("more than 65536 bytes")));
        assert_eq!(said(&small), Ok(json!({})));
    }

    #[test]
    fn issued_files_come_with_a_domain() {
        let file = json!({
            "type": "service_account",
            "client_email": "nightly@acme-prod.sluice.invalid",
            "token_uri": "http://127.0.0.1:8080/v1/token",
            "universe_domain": "sluice.test",
        });
        let check = |name: &str, value: Value, domain: Option<&str>, expect: Result<bool, &str>| {
            let mut changed = file.clone();
            changed[name] = value;
            let whose = Whose { gateway: "https://bigquery.sluice.test", domain };
            match (check_credentials(&changed, &whose), expect) {
                (Err(said), Err(part)) => assert!(said.contains(part), "{changed}: {said}"),
                (said, expect) => assert_eq!(said.as_ref().ok(), expect.as_ref().ok(), "{changed}: {said:?}"),
            }
        };
        check("x", Value::Null, Some("sluice.test"), Ok(true));
        check("x", Value::Null, None, Err("--universe-domain"));
        check("universe_domain", Value::Null, Some("sluice.test"), Err("missing"));
        check("client_email", "robot@acme-prod.iam.gserviceaccount.com".into(), Some("sluice.test"), Err("a key of Google's"));
        check("token_uri", "https://oauth2.googleapis.com/token".into(), Some("sluice.test"), Err("token_uri"));
    }
}
