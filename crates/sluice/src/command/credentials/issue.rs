//! `sluice credentials issue`: a file with a private key that nobody else has, and its public part where the gateway looks.

use super::{Desk, Failure, Said};
use crate::command::client_config;
use crate::serve::keys::MadeRsaKey;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use sluice_identity::{Exchanges, IssuedCredential, Registration};
use sluice_ledger::date;
use sluice_model::CallerKind;
use sluice_store::{CredentialAct, Deed};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const FILE_MODE: u32 = 0o600;
const KINDS: [CallerKind; 3] = [CallerKind::Agent, CallerKind::Pipeline, CallerKind::Service];
const MILLISECONDS_PER_SECOND: u64 = 1_000;

/// Issue a file in the form of a service account's, as the last resort.
///
/// For clients that take no file of the type external_account. What lies in the file is a secret that lives until --expires: whoever has a copy calls
/// as its holder. Where a client can send a token of your issuer, let it.
///
/// A private key is made and written to --out, which must not be there; the gateway keeps its public part, with who issued it and why. The holder is
/// a caller whose issuer is the gateway (`issuer` of [identity.access]) and whose subject is the key's id. A gateway that runs takes it up within two
/// seconds, once it is on record; `sluice credentials revoke` ends it.
///
/// With --universe-domain Google's libraries sign each request by themselves and ask nobody for a token. Without it they exchange what they sign at
/// the gateway, and some then show the token that they got to Google: see docs/identity.md.
#[derive(Args)]
#[command(after_help = "Example:
  sluice credentials issue --config /etc/sluice --name tableau --project acme-prod --group reporting --expires 2027-01-31 \\
      --universe-domain sluice.example.com --by ana --reason 'its driver takes nothing else' --out tableau.json")]
pub struct Issue {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// Whose it is: small letters, digits, hyphens. Its address is NAME@PROJECT.sluice.invalid
    #[arg(long)]
    name: String,
    /// The project that its client works in
    #[arg(long)]
    project: String,
    /// What calls with it
    #[arg(long, default_value = "service", value_parser = PossibleValuesParser::new(KINDS.map(CallerKind::word)))]
    kind: String,
    /// A group that policy knows; may stand several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// When it ends: a date, at most 366 days from now, such as 2027-01-31 or 2027-01-31T18:00Z
    #[arg(long, value_name = "DATE")]
    expires: String,
    /// What the client calls the gateway; otherwise `public_url` of sluice.toml, or its plain address
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The name below which the client finds everything, such as sluice.example.com
    #[arg(long, value_name = "DOMAIN")]
    universe_domain: Option<String>,
    /// `many` where several processes use the file at once: two that begin in the same second sign the same text
    #[arg(long, default_value = "once", value_parser = PossibleValuesParser::new(["many", "once"]))]
    exchanges: String,
    /// Where the file goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    said: Said,
}

pub fn run(issue: &Issue) -> Result<ExitCode, Failure> {
    let desk = Desk::open(&issue.config)?;
    let file = desk.file()?;
    let key = MadeRsaKey::new()?;
    let registration = registration(issue, &desk, &key)?;
    let credential = IssuedCredential::new(registration.clone()).map_err(|fault| Failure::new(fault.to_string()))?;
    // The file first: a credential that nobody has is worse than a file that opens nothing.
    write(&issue.out, &contents(&credential, &key))?;
    let said = &issue.said;
    let act = CredentialAct { deed: Deed::Issued(registration), at: desk.now, by: said.by.clone(), reason: said.reason.clone() };
    if let Err(fault) = file.act(&act) {
        drop(std::fs::remove_file(&issue.out));
        return Err(super::failure(&fault));
    }
    let (record, code) = desk.put_on_record(said);
    let caller = format!("{}#{}", desk.issuer, credential.id());
    let ends = date::text(credential.registration().not_after.saturating_mul(MILLISECONDS_PER_SECOND));
    if said.json {
        let value = json!({ "id": credential.id(), "address": credential.address(), "caller": caller, "ends": ends, "file": issue.out.display().to_string(), "record": record });
        println!("{value}");
    } else {
        println!("{}: {}, until {ends}\ncaller {caller}\n{record}", issue.out.display(), credential.address());
    }
    Ok(code)
}

fn registration(issue: &Issue, desk: &Desk, key: &MadeRsaKey) -> Result<Registration, Failure> {
    if let Some(domain) = issue.universe_domain.as_deref().filter(|domain| client_config::is_of_google(domain)) {
        return Err(Failure::new(format!("`{}` is Google's: a client would go there with what it signs", domain.escape_debug())));
    }
    let not_after = date::parse(&issue.expires).map(|time_ms| time_ms / MILLISECONDS_PER_SECOND);
    let not_after = not_after.ok_or_else(|| Failure::new(format!("`{}` is no date: 2027-01-31", issue.expires.escape_debug())))?;
    let kind = CallerKind::parse(&issue.kind).ok_or_else(|| Failure::new(format!("no kind `{}`", issue.kind)))?;
    Ok(Registration {
        name: issue.name.clone(),
        project: issue.project.clone(),
        kind,
        groups: issue.groups.iter().cloned().collect(),
        token_url: format!("{}/v1/token", gateway(issue, desk)?.trim_end_matches('/')),
        universe_domain: issue.universe_domain.clone(),
        exchanges: if issue.exchanges == "many" { Exchanges::Many } else { Exchanges::Once },
        modulus: key.modulus.clone(),
        issued_at: desk.now,
        not_after,
    })
}

fn gateway(issue: &Issue, desk: &Desk) -> Result<String, Failure> {
    let server = &desk.settings.server;
    let plain = server.plain.map(|address| format!("http://{address}"));
    let found = issue.gateway.clone().or(server.public_url.clone()).or(plain);
    let found =
        found.ok_or_else(|| Failure::new("what do clients call the gateway? say it by --gateway, or by `public_url` in sluice.toml"))?;
    // What the file's holder signs would go there.
    client_config::gateway(&found)
}

/// As Google's libraries read it.
fn contents(credential: &IssuedCredential, key: &MadeRsaKey) -> Value {
    let registration = credential.registration();
    let mut file = json!({
        "type": "service_account",
        "project_id": registration.project,
        "private_key_id": credential.id(),
        "private_key": key.private_pem,
        "client_email": credential.address(),
        "client_id": credential.id(),
        "token_uri": registration.token_url,
    });
    if let (Some(domain), Some(members)) = (&registration.universe_domain, file.as_object_mut()) {
        members.insert("universe_domain".to_owned(), domain.as_str().into());
    }
    file
}

/// For its owner alone, and never over another file.
fn write(path: &Path, contents: &Value) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).map_err(failed)?;
    file.write_all(format!("{contents:#}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
