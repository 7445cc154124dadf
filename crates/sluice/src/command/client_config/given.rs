//! What was given, checked before it is written into a text that a shell reads.

use super::{ClientConfig, Failure};
use serde_json::Value;
use sluice_identity::ISSUED_ADDRESS_END;
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
        let is_issued = check_credentials(&file, domain.as_deref())
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
fn gateway(url: &str) -> Result<String, Failure> {
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
    let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match scheme {
        _ if is_of_google(host) => Err(no("that is Google")),
        "https" => Ok(plain.to_owned()),
        "http" if is_loopback => Ok(plain.to_owned()),
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

fn is_of_google(host: &str) -> bool {
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
    if std::fs::metadata(path).map_err(failed)?.len() > CREDENTIALS_BYTES_MAX {
        return Err(Failure::new(format!("{}: more than {CREDENTIALS_BYTES_MAX} bytes", path.display())));
    }
    serde_json::from_slice(&std::fs::read(path).map_err(failed)?).map_err(|_| Failure::new(format!("{}: not JSON", path.display())))
}

/// A file with which the client would ask Google, or refuse to start. Otherwise: whether the gateway issued it.
fn check_credentials(file: &Value, domain: Option<&str>) -> Result<bool, String> {
    let text = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_issued = match text("type") {
        "external_account" => false,
        "service_account" if text("client_email").ends_with(ISSUED_ADDRESS_END) => true,
        "service_account" => return Err("it is a key of Google's, and belongs to nobody but Google".to_owned()),
        _ => return Err("`type` is neither external_account nor that of a file that the gateway issued".to_owned()),
    };
    let token_url = if is_issued { "token_uri" } else { "token_url" };
    let token_host = text(token_url).split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    if token_host.is_empty() || is_of_google(token_host) {
        return Err(format!("`{token_url}` does not lead to a gateway"));
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
            let said = check_credentials(&changed, domain);
            match expect {
                None => assert_eq!(said, Ok(false), "{change}"),
                Some(expect) => assert!(said.as_ref().is_err_and(|said| said.contains(expect)), "{change}: {said:?}"),
            }
        };
        check(json!({}), None, None);
        check(json!({ "universe_domain": "sluice.test" }), Some("sluice.test"), None);
        check(json!({ "type": "service_account" }), None, Some("a key of Google's"));
        check(json!({ "type": "authorized_user" }), None, Some("type"));
        check(json!({ "token_url": "https://sts.googleapis.com/v1/token" }), None, Some("token_url"));
        check(json!({ "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p" }), None, Some("audience"));
        check(json!({ "audience": "locations/global/workforcePools/p" }), None, Some("audience"));
        check(json!({ "service_account_impersonation_url": "https://x" }), None, Some("impersonation"));
        check(json!({}), Some("sluice.test"), Some("missing"));
        check(json!({ "universe_domain": "other.test" }), Some("sluice.test"), Some("other.test"));
        check(json!({ "universe_domain": "sluice.test" }), None, Some("--universe-domain"));
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
            match (check_credentials(&changed, domain), expect) {
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
