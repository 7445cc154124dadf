//! Finding records without reading all of them. It can be thrown away at any time: everything in it follows from the ledger, and what it finds is
//! compared with the ledger before it is shown.
//!
//! It holds no names. Whoever called is kept as an HMAC under a key that only the master key opens, so the file alone says of nobody that they
//! were here; when the identity of a record is given up, its rows go too.

use crate::facts::LedgerFacts;
use crate::fault::StoreFault;
use crate::machine::Scribe;
use crate::reader::Reader;
use aws_lc_rs::hmac;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};
use serde::Deserialize;
use sluice_ledger::keyring::MasterKeyId;
use sluice_ledger::record::{Kind, Leaf, OpenedSection, SectionId, Subject};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const FOUND_RECORDS_MAX: u32 = 1000;
const FORMAT: i64 = 1;
/// Stands in the head of the file: only what bears it is ever thrown away. `slix`.
const APPLICATION: u32 = 0x736c_6978;
const APPLICATION_AT: usize = 68;
const SQLITE_HEAD: &[u8; 16] = b"SQLite format 3\0";
/// It says when something happened, and what belongs together.
const FILE_MODE: u32 = 0o600;
const RECORDS_PER_TRANSACTION: u64 = 4096;
const SCHEMA: &str = "
    PRAGMA journal_mode = TRUNCATE;
    PRAGMA secure_delete = ON;
    CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER, ledger BLOB, size INTEGER, last BLOB, key BLOB);
    CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, kind INTEGER, time_ms INTEGER, subject BLOB);
    CREATE INDEX IF NOT EXISTS records_by_subject ON records (subject) WHERE subject IS NOT NULL;
    CREATE INDEX IF NOT EXISTS records_by_kind ON records (kind, time_ms);
    CREATE INDEX IF NOT EXISTS records_by_time ON records (time_ms);
    CREATE TABLE IF NOT EXISTS principals (tag BLOB, number INTEGER, PRIMARY KEY (tag, number)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS principals_by_number ON principals (number);
";

pub struct Index {
    connection: Connection,
    key: hmac::Key,
    path: PathBuf,
}

/// Everything that is given has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    pub subject: Option<Subject>,
    pub kinds: Vec<Kind>,
    pub from_ms: Option<u64>,
    /// Not itself.
    pub until_ms: Option<u64>,
    /// `issuer#subject`, of whoever called or of somebody on whose behalf.
    pub principal: Option<String>,
    /// Behind this record, to go on where the last answer ended.
    pub after: Option<u64>,
    /// At most `FOUND_RECORDS_MAX`; 0 means that.
    pub records_max: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub number: u64,
    pub leaf: Leaf,
}

/// What the index reads of an identity.
#[derive(Deserialize)]
struct Named {
    issuer: String,
    subject: String,
    #[serde(default)]
    on_behalf_of: Vec<Hand>,
}

#[derive(Deserialize)]
struct Hand {
    issuer: String,
    subject: String,
}

impl Index {
    /// Up to date with what the reader sees. An index of another ledger, another format or another history is made anew, as is one that is damaged.
    /// A file that is no index is left alone.
    pub fn open(path: &Path, reader: &Reader, scribe: &Scribe) -> Result<Index, StoreFault> {
        if !check_ours(path)? {
            return Index::rebuild(path, reader, scribe);
        }
        match Index::open_known(path, reader, scribe) {
            Ok(index) => Ok(index),
            Err(_) => Index::rebuild(path, reader, scribe),
        }
    }

    pub fn rebuild(path: &Path, reader: &Reader, scribe: &Scribe) -> Result<Index, StoreFault> {
        check_ours(path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(path, &error)),
            _ => {}
        }
        let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
        made.map_err(|error| unusable(path, &error))?;
        let connection = Connection::open(path).map_err(fault)?;
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION};{SCHEMA}")).map_err(fault)?;
        let mut key = [0; 32];
        scribe.random(&mut key)?;
        let wrapped = wrap(&key, reader.facts(), scribe)?;
        let ledger = reader.facts().ledger;
        let insert = "INSERT INTO state VALUES (1, ?1, ?2, 0, NULL, ?3)";
        connection.execute(insert, params![FORMAT, ledger, wrapped]).map_err(fault)?;
        let mut index = Index { connection, key: hmac::Key::new(hmac::HMAC_SHA256, &key), path: path.to_owned() };
        index.catch_up(reader, scribe)?;
        Ok(index)
    }

    /// Reads what came since. Returns how many records it knows now.
    pub fn catch_up(&mut self, reader: &Reader, scribe: &Scribe) -> Result<u64, StoreFault> {
        let mut size = self.size()?;
        while size < reader.size() {
            let end = (size + RECORDS_PER_TRANSACTION).min(reader.size());
            let transaction = self.connection.transaction().map_err(fault)?;
            reader.leaves(size..end, |number, leaf| add(&transaction, &self.key, reader, scribe, number, &leaf))?;
            let last = reader.leaf_bytes(end - 1)?;
            let update = "UPDATE state SET size = ?1, last = ?2";
            transaction.execute(update, params![end.cast_signed(), last]).map_err(fault)?;
            transaction.commit().map_err(fault)?;
            size = end;
        }
        Ok(size)
    }

    /// In the order of the ledger. An index that does not say what the ledger says is made anew first.
    pub fn search(&mut self, search: &Search, reader: &Reader, scribe: &Scribe) -> Result<Vec<Found>, StoreFault> {
        if let Ok(found) = self.catch_up(reader, scribe).and_then(|_| self.find(search, reader)) {
            return Ok(found);
        }
        *self = Index::rebuild(&self.path, reader, scribe)?;
        self.find(search, reader)
    }

    fn open_known(path: &Path, reader: &Reader, scribe: &Scribe) -> Result<Index, StoreFault> {
        let connection = Connection::open(path).map_err(fault)?;
        connection.execute_batch(SCHEMA).map_err(fault)?;
        let select = "SELECT format, ledger, size, last, key FROM state";
        let row = connection.query_row(select, [], |row| {
            let (format, ledger, size): (i64, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((format, ledger, size, row.get::<_, Option<Vec<u8>>>(3)?, row.get::<_, Vec<u8>>(4)?))
        });
        let (format, ledger, size, last, wrapped) = row.map_err(fault)?;
        let known = match size.cast_unsigned() {
            0 => None,
            size => Some(reader.leaf_bytes(size - 1)?),
        };
        if format != FORMAT || ledger != reader.facts().ledger || last != known {
            return Err(StoreFault::Damaged("the index is of another ledger".to_owned()));
        }
        let key = unwrap(&wrapped, reader.facts(), scribe)?;
        let mut index = Index { connection, key: hmac::Key::new(hmac::HMAC_SHA256, &key), path: path.to_owned() };
        index.catch_up(reader, scribe)?;
        Ok(index)
    }

    fn size(&self) -> Result<u64, StoreFault> {
        let size: Option<i64> = self.connection.query_row("SELECT size FROM state", [], |row| row.get(0)).optional().map_err(fault)?;
        size.map(i64::cast_unsigned).ok_or_else(|| StoreFault::Damaged("the index is empty".to_owned()))
    }

    fn find(&self, search: &Search, reader: &Reader) -> Result<Vec<Found>, StoreFault> {
        let mut text = "SELECT records.number, kind, time_ms, subject FROM records".to_owned();
        let mut values: Vec<rusqlite::types::Value> = Vec::new();
        let mut terms = Vec::new();
        if let Some(principal) = &search.principal {
            text += " JOIN principals ON principals.number = records.number";
            values.push(tag(&self.key, principal).into());
            terms.push("tag = ?".to_owned());
        }
        if let Some(subject) = search.subject {
            values.push(subject.0.to_vec().into());
            terms.push("subject = ?".to_owned());
        }
        if !search.kinds.is_empty() {
            values.extend(search.kinds.iter().map(|kind| i64::from(kind.code()).into()));
            terms.push(format!("kind IN ({})", vec!["?"; search.kinds.len()].join(", ")));
        }
        let bounds = [("time_ms >= ?", search.from_ms), ("time_ms < ?", search.until_ms), ("records.number > ?", search.after)];
        for (term, bound) in bounds {
            if let Some(bound) = bound {
                values.push(bound.cast_signed().into());
                terms.push(term.to_owned());
            }
        }
        if !terms.is_empty() {
            text += &format!(" WHERE {}", terms.join(" AND "));
        }
        let count = if search.records_max == 0 { FOUND_RECORDS_MAX } else { search.records_max.min(FOUND_RECORDS_MAX) };
        text += &format!(" ORDER BY records.number LIMIT {count}");
        let mut statement = self.connection.prepare(&text).map_err(fault)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            let (number, kind, time_ms): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((number.cast_unsigned(), kind, time_ms, row.get::<_, Option<Vec<u8>>>(3)?))
        });
        let mut found = Vec::new();
        for row in rows.map_err(fault)? {
            let (number, kind, time_ms, subject) = row.map_err(fault)?;
            let leaf = reader.leaf(number)?;
            let expect = (i64::from(leaf.kind.code()), leaf.time_ms.cast_signed(), leaf.subject.map(|subject| subject.0.to_vec()));
            if (kind, time_ms, subject) != expect {
                return Err(StoreFault::Damaged(format!("the index is wrong about record {number}")));
            }
            found.push(Found { number, leaf });
        }
        Ok(found)
    }
}

fn add(
    transaction: &Transaction<'_>,
    key: &hmac::Key,
    reader: &Reader,
    scribe: &Scribe,
    number: u64,
    leaf: &Leaf,
) -> Result<(), StoreFault> {
    let subject = leaf.subject.map(|subject| subject.0.to_vec());
    let insert = "INSERT INTO records VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(insert, params![number.cast_signed(), leaf.kind.code(), leaf.time_ms.cast_signed(), subject]).map_err(fault)?;
    if leaf.sections.contains(SectionId::Identity) {
        for name in names(reader, scribe, number)? {
            let insert = "INSERT OR IGNORE INTO principals VALUES (?1, ?2)";
            transaction.execute(insert, params![tag(key, &name), number.cast_signed()]).map_err(fault)?;
        }
    }
    let given_up = leaf
        .target
        .filter(|target| matches!(leaf.kind, Kind::Erasure | Kind::RetentionExpired) && target.sections.contains(SectionId::Identity));
    if let Some(target) = given_up {
        transaction.execute("DELETE FROM principals WHERE number = ?1", [target.index.cast_signed()]).map_err(fault)?;
    }
    Ok(())
}

/// Of everybody whom the record names, as far as its keys go. One that holds something else than an identity is found by everything but that.
fn names(reader: &Reader, scribe: &Scribe, number: u64) -> Result<Vec<String>, StoreFault> {
    let (_, sections) = reader.open_record(number, scribe.master())?;
    let text = sections.into_iter().find_map(|(section, opened)| match opened {
        OpenedSection::Verified(text) if section == SectionId::Identity => Some(text),
        _ => None,
    });
    let Some(named) = text.and_then(|text| serde_json::from_slice::<Named>(&text).ok()) else { return Ok(Vec::new()) };
    let hands = named.on_behalf_of.into_iter().map(|hand| format!("{}#{}", hand.issuer, hand.subject));
    Ok(std::iter::once(format!("{}#{}", named.issuer, named.subject)).chain(hands).collect())
}

fn tag(key: &hmac::Key, principal: &str) -> Vec<u8> {
    hmac::sign(key, principal.as_bytes()).as_ref().to_vec()
}

fn wrap(key: &[u8; 32], facts: &LedgerFacts, scribe: &Scribe) -> Result<Vec<u8>, StoreFault> {
    let nonce = scribe.nonce()?;
    let wrapped = scribe.master().wrap(key, &context(facts), nonce).map_err(|fault| StoreFault::Key(fault.to_string()))?;
    Ok([scribe.master().current().0.as_slice(), &nonce, &wrapped].concat())
}

fn unwrap(wrapped: &[u8], facts: &LedgerFacts, scribe: &Scribe) -> Result<Vec<u8>, StoreFault> {
    let damaged = || StoreFault::Damaged("the key of the index is cut off".to_owned());
    let (id, rest) = wrapped.split_first_chunk().ok_or_else(damaged)?;
    let (nonce, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let key = scribe.master().unwrap(MasterKeyId(*id), rest, &context(facts), *nonce);
    key.map_err(|fault| StoreFault::Key(fault.to_string()))
}

/// No record's: that is the origin and 16 bytes, this one is longer.
fn context(facts: &LedgerFacts) -> Vec<u8> {
    [facts.origin.as_bytes(), b"/index of principals/", facts.ledger.as_slice()].concat()
}

/// Whether there is an index, of whatever ledger. Whoever mistypes a path loses nothing.
fn check_ours(path: &Path) -> Result<bool, StoreFault> {
    let mut head = Vec::new();
    match File::open(path).and_then(|file| file.take(APPLICATION_AT as u64 + 4).read_to_end(&mut head)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, &error)),
        Ok(_) => {}
    }
    // A kill before the first page is written leaves an empty file.
    let is_ours = head.starts_with(SQLITE_HEAD) && head.get(APPLICATION_AT..) == Some(&APPLICATION.to_be_bytes());
    if head.is_empty() || is_ours {
        return Ok(is_ours);
    }
    Err(StoreFault::Refused(format!("`{}` is not an index of a ledger: name another file, or remove it", path.display())))
}

fn unusable(path: &Path, error: &io::Error) -> StoreFault {
    StoreFault::Refused(format!("`{}`: {error}", path.display()))
}

fn fault(error: rusqlite::Error) -> StoreFault {
    StoreFault::Refused(format!("the index: {error}"))
}
