//! Credentials that the gateway issued, in one file that only grows: the public part of each, who issued it and why, who revoked it. A running gateway
//! reads it again whenever it has changed. A credential serves once its issue is on record; a revocation counts at once.

use crate::checked_file::{CheckedFile, Lines, Place};
use crate::facts::{bytes_of, hexadecimal};
use crate::fault::StoreFault;
use sluice_identity::{Exchanges, IssuedCredential, IssuedCredentials, Registration};
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, DraftError, Kind};
use sluice_model::CallerKind;
use sluice_model::plain::check_line;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub const CREDENTIAL_BY_BYTES_MAX: usize = 256;
pub const CREDENTIAL_REASON_BYTES_MAX: usize = 1024;
/// Those that are revoked or have ended count too: the file only grows.
pub const CREDENTIALS_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Issued(Registration),
    /// By its id.
    Revoked(String),
}

/// One act of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialAct {
    pub deed: Deed,
    /// Seconds since 1970.
    pub at: u64,
    pub by: String,
    pub reason: String,
}

/// Every act with its number, and what they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    acts: Vec<CredentialAct>,
    /// Of each id: the acts that issued and revoked it.
    by_id: BTreeMap<String, (usize, Option<usize>)>,
    recorded: BTreeSet<u64>,
}

/// One credential as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub id: &'a str,
    pub registration: &'a Registration,
    pub issued: &'a CredentialAct,
    pub revoked: Option<&'a CredentialAct>,
}

pub struct CredentialFile {
    file: CheckedFile<Credentials>,
}

impl CredentialFile {
    /// Makes the file that `open` expects: one that is missing must not pass for one in which nothing is revoked.
    pub fn create(path: &Path) -> Result<(), StoreFault> {
        CheckedFile::<Credentials>::create(&Place::of(path)?)
    }

    pub fn open(path: &Path) -> Result<CredentialFile, StoreFault> {
        Ok(CredentialFile { file: CheckedFile::open(Place::of(path)?)? })
    }

    pub fn current(&self) -> Result<Arc<Credentials>, StoreFault> {
        self.file.current()
    }

    /// Durable when it returns. Answers the number of the act.
    pub fn act(&self, act: &CredentialAct) -> Result<u64, StoreFault> {
        act.check().map_err(StoreFault::Refused)?;
        self.file.append(|credentials| {
            credentials.check_next(act).map_err(StoreFault::Refused)?;
            Ok((act.line(), credentials.acts.len() as u64))
        })
    }

    /// That an act is on record. Between the record and this a crash may leave the act to be recorded twice, never not at all.
    pub fn mark_recorded(&self, number: u64, record: u64) -> Result<(), StoreFault> {
        self.file.append(|_| Ok((format!("recorded {number} {record}"), ())))
    }
}

impl Credentials {
    pub fn standing(&self) -> impl Iterator<Item = Standing<'_>> {
        self.by_id.iter().filter_map(|(id, (issued, revoked))| {
            let issued = self.acts.get(*issued)?;
            let Deed::Issued(registration) = &issued.deed else { return None };
            Some(Standing { id, registration, issued, revoked: revoked.and_then(|number| self.acts.get(number)) })
        })
    }

    /// Those whose issue is on record, and of them those that are revoked, on record or not.
    pub fn issued(&self) -> IssuedCredentials {
        let recorded = self.by_id.values().filter(|(issued, _)| self.recorded.contains(&(*issued as u64)));
        let credentials = recorded.filter_map(|(issued, revoked)| match &self.acts.get(*issued)?.deed {
            Deed::Issued(registration) => Some((IssuedCredential::new(registration.clone()).ok()?, revoked.is_some())),
            Deed::Revoked(_) => None,
        });
        IssuedCredentials::new(credentials)
    }

    /// Ids of those that are revoked.
    pub fn revoked(&self) -> impl Iterator<Item = &str> {
        self.by_id.iter().filter(|(_, (_, revoked))| revoked.is_some()).map(|(id, _)| id.as_str())
    }

    /// Acts that are not on record yet, with their numbers. Whoever holds the ledger writes them there and marks them.
    pub fn unrecorded(&self) -> impl Iterator<Item = (u64, &CredentialAct)> {
        (0..).zip(&self.acts).filter(|(number, _)| !self.recorded.contains(number))
    }

    fn check_next(&self, act: &CredentialAct) -> Result<(), String> {
        match &act.deed {
            Deed::Issued(registration) if self.by_id.contains_key(&registration.id()) => Err("this key was issued before".to_owned()),
            Deed::Issued(_) if self.by_id.len() >= CREDENTIALS_MAX => Err(format!("there are {CREDENTIALS_MAX} credentials already")),
            Deed::Issued(_) => Ok(()),
            Deed::Revoked(id) => match self.by_id.get(id) {
                None => Err(format!("there is no credential `{id}`")),
                Some((_, Some(_))) => Err(format!("`{id}` is revoked already")),
                Some((_, None)) => Ok(()),
            },
        }
    }
}

impl CredentialAct {
    /// What the ledger says of it: the same words, whoever writes it.
    pub fn draft(&self, number: u64) -> Result<Draft, DraftError> {
        let mut details = BTreeMap::from([("at".to_owned(), self.at.to_string()), ("number".to_owned(), number.to_string())]);
        let mut say = |name: &str, value: String| drop(details.insert(name.to_owned(), value));
        let what = match &self.deed {
            Deed::Issued(registration) => {
                say("id", registration.id());
                say("address", registration.address());
                say("kind", registration.kind.word().to_owned());
                say("groups", registration.groups.iter().cloned().collect::<Vec<_>>().join(", "));
                say("token_url", registration.token_url.clone());
                say("ends_at", registration.not_after.to_string());
                say("exchanges", word(registration.exchanges).to_owned());
                say("modulus", hexadecimal(&registration.modulus));
                "issue a credential"
            }
            Deed::Revoked(id) => {
                say("id", id.clone());
                "revoke a credential"
            }
        };
        let change = Change { what: what.to_owned(), by: self.by.clone(), reason: self.reason.clone(), details, ..Change::default() };
        Draft::of_change(Kind::AdminAction, None, &change)
    }

    fn check(&self) -> Result<(), String> {
        check_line("who does it", &self.by, CREDENTIAL_BY_BYTES_MAX)?;
        check_line("the reason", &self.reason, CREDENTIAL_REASON_BYTES_MAX)?;
        match &self.deed {
            Deed::Issued(registration) if registration.issued_at != self.at => Err("it is issued when it is issued".to_owned()),
            Deed::Issued(registration) => IssuedCredential::new(registration.clone()).map(drop).map_err(|fault| fault.to_string()),
            Deed::Revoked(_) => Ok(()),
        }?;
        // What cannot be recorded must not stand here either.
        self.draft(0).map(drop).map_err(|error| error.to_string())
    }

    fn line(&self) -> String {
        let text = |text: &str| hexadecimal(text.as_bytes());
        let (at, by, reason) = (self.at, text(&self.by), text(&self.reason));
        match &self.deed {
            Deed::Revoked(id) => format!("revoke {at} {by} {reason} {}", text(id)),
            Deed::Issued(registration) => {
                let Registration { name, project, kind, groups, token_url, universe_domain, exchanges, modulus, not_after, .. } =
                    registration;
                let groups: Vec<String> = groups.iter().map(|group| text(group)).collect();
                let groups = if groups.is_empty() { "-".to_owned() } else { groups.join(",") };
                let domain = universe_domain.as_deref().map_or("-".to_owned(), text);
                let (kind, exchanges) = (kind.word(), word(*exchanges));
                format!(
                    "issue {at} {by} {reason} {name} {project} {kind} {groups} {} {domain} {exchanges} {} {not_after}",
                    text(token_url),
                    hexadecimal(modulus)
                )
            }
        }
    }

    fn read(words: &[&str]) -> Option<CredentialAct> {
        let text = |digits: &str| String::from_utf8(bytes_of(digits)?).ok();
        let (turn, at, by, reason, rest) = match words {
            [turn, at, by, reason, rest @ ..] => (*turn, at.parse().ok()?, text(by)?, text(reason)?, rest),
            _ => return None,
        };
        let deed = match (turn, rest) {
            ("revoke", [id]) => Deed::Revoked(text(id)?),
            ("issue", [name, project, kind, groups, token_url, domain, exchanges, modulus, not_after]) => Deed::Issued(Registration {
                name: (*name).to_owned(),
                project: (*project).to_owned(),
                kind: CallerKind::parse(kind)?,
                groups: if *groups == "-" { BTreeSet::new() } else { groups.split(',').map(text).collect::<Option<_>>()? },
                token_url: text(token_url)?,
                universe_domain: if *domain == "-" { None } else { Some(text(domain)?) },
                exchanges: [Exchanges::Many, Exchanges::Once].into_iter().find(|known| word(*known) == *exchanges)?,
                modulus: bytes_of(modulus)?,
                issued_at: at,
                not_after: not_after.parse().ok()?,
            }),
            _ => return None,
        };
        Some(CredentialAct { deed, at, by, reason })
    }
}

impl Lines for Credentials {
    const HEAD: &'static str = "sluice credentials 1\n";

    fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["recorded", number, record] = words.as_slice() {
            let number: u64 = number.parse().ok()?;
            record.parse::<u64>().ok()?;
            // Of an act that stands there.
            if number >= self.acts.len() as u64 {
                return None;
            }
            self.recorded.insert(number);
            return Some(());
        }
        let act = CredentialAct::read(&words)?;
        act.check().and_then(|()| self.check_next(&act)).ok()?;
        let number = self.acts.len();
        match &act.deed {
            Deed::Issued(registration) => drop(self.by_id.insert(registration.id(), (number, None))),
            Deed::Revoked(id) => self.by_id.get_mut(id)?.1 = Some(number),
        }
        self.acts.push(act);
        Some(())
    }
}

fn word(exchanges: Exchanges) -> &'static str {
    match exchanges {
        Exchanges::Many => "many",
        Exchanges::Once => "once",
    }
}

#[cfg(test)]
mod tests;
