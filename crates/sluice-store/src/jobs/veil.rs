//! What the file shows of a job: tags that only the key makes, and texts that only the key opens.

use super::form::{self, Fate};
use super::rows::{Kept, NewRow, Rows, State, Tag};
use super::{JOB_BYTES_MAX, unavailable};
use crate::fault::StoreFault;
use crate::machine::Scribe;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use sluice_app::{JobsFault, KnownJob};
use sluice_ledger::keyring::MasterKeyId;
use sluice_model::TableName;

const TAGS_LABEL: &[u8] = b"sluice.jobs.tags.v1";
const TEXTS_LABEL: &[u8] = b"sluice.jobs.texts.v1";
const SALT_BYTES: usize = 32;
const DAY_MS: u64 = 86_400_000;

pub struct Veil {
    tags: hmac::Key,
    texts: hkdf::Prk,
    scribe: Scribe,
}

/// Which of a job's two texts. Neither opens in the place of the other, nor in another job's row.
#[derive(Clone, Copy)]
pub enum Part {
    Body,
    Fate,
}

impl Veil {
    pub fn new_state(scribe: &Scribe) -> Result<State, StoreFault> {
        let (mut book, mut key) = (vec![0; 16], [0; 32]);
        scribe.random(&mut book)?;
        scribe.random(&mut key)?;
        let key = wrap(&key, &book, scribe)?;
        Ok(State { book, key })
    }

    /// A key that an older master key wrapped is wrapped anew, so that the older one can be given up.
    pub fn open(rows: &mut Rows, scribe: &Scribe) -> Result<Veil, StoreFault> {
        let state = rows.state()?;
        let (master, key) = unwrap(&state, scribe)?;
        if master != scribe.master().current() {
            rows.rewrap(&state.key, &wrap(&key, &state.book, scribe)?)?;
        }
        let whole = hkdf::Salt::new(hkdf::HKDF_SHA256, &state.book).extract(&key);
        let derived = |label: &[u8]| -> Result<[u8; 32], StoreFault> {
            let mut out = [0; 32];
            let labels = [label];
            let filled = whole.expand(&labels, hkdf::HKDF_SHA256).and_then(|material| material.fill(&mut out));
            filled.map(|()| out).map_err(|_| StoreFault::Key("a key of the book of jobs cannot be derived".to_owned()))
        };
        let tags = hmac::Key::new(hmac::HMAC_SHA256, &derived(TAGS_LABEL)?);
        let texts = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &derived(TEXTS_LABEL)?);
        Ok(Veil { tags, texts, scribe: scribe.clone() })
    }

    /// What began before is no longer known.
    pub fn oldest_ms(&self, age_days_max: u64) -> u64 {
        self.scribe.moment().wall_ms.saturating_sub(age_days_max.saturating_mul(DAY_MS))
    }

    /// BigQuery has one id in several places. Here it is one job's wherever it runs.
    pub fn job(&self, connection: &str, project: &str, id: &str) -> Tag {
        self.tag("job", &[connection, project, id])
    }

    pub fn owner(&self, owner: &str, project: &str) -> Tag {
        self.tag("owner", &[owner, project])
    }

    pub fn listed(&self, owner: &Tag, id: &str) -> Tag {
        self.tag("listed", &[&crate::facts::hexadecimal(owner), id])
    }

    pub fn request(&self, owner: &str, project: &str, request_id: &str) -> Tag {
        self.tag("request", &[owner, project, request_id])
    }

    pub fn destination(&self, connection: &str, table: &TableName) -> Tag {
        self.tag("destination", &[connection, &table.project, &table.dataset, &table.table])
    }

    pub fn seal_job(&self, job: &KnownJob) -> Result<NewRow, JobsFault> {
        let tag = self.job(&job.connection, &job.name.project, &job.name.id);
        let owner = self.owner(&job.owner, &job.name.project);
        let (location, result_table) = (job.name.location.clone(), job.result_table.clone());
        let fate = Fate { location, result_table, arrived: job.arrived, verdict: job.course.verdict };
        let body = form::write(job).map_err(|text| unavailable(&text))?;
        if body.len() > JOB_BYTES_MAX {
            return Err(unavailable(&format!("a job of more than {JOB_BYTES_MAX} bytes")));
        }
        Ok(NewRow {
            job: tag,
            owner,
            listed: self.listed(&owner, &job.name.id),
            request: job.request_id.as_ref().map(|id| self.request(&job.owner, &job.name.project, id)),
            destination: fate.result_table.as_ref().map(|table| self.destination(&job.connection, table)),
            created_ms: job.created_ms,
            fate: self.seal(&tag, Part::Fate, form::write_fate(&fate).map_err(|text| unavailable(&text))?)?,
            body: self.seal(&tag, Part::Body, body)?,
        })
    }

    pub fn open_job(&self, kept: &Kept) -> Result<KnownJob, JobsFault> {
        let body = self.open_text(&kept.job, Part::Body, &kept.body)?;
        let fate = self.open_fate(&kept.job, &kept.fate)?;
        form::read(&body, fate).ok_or_else(|| unavailable("a job is not as this version writes it"))
    }

    pub fn open_fate(&self, job: &Tag, fate: &[u8]) -> Result<Fate, JobsFault> {
        let text = self.open_text(job, Part::Fate, fate)?;
        form::read_fate(&text).ok_or_else(|| unavailable("a job's end is not as this version writes it"))
    }

    /// Under a key of its own, so no nonce meets another.
    pub fn seal(&self, job: &Tag, part: Part, mut text: Vec<u8>) -> Result<Vec<u8>, JobsFault> {
        let mut salt = [0; SALT_BYTES];
        self.scribe.random(&mut salt).map_err(|fault| unavailable(&fault.to_string()))?;
        let sealed = self.cipher(&salt, job, part).and_then(|cipher| {
            cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::from(bound(job, part)), &mut text).ok()
        });
        sealed.ok_or_else(|| unavailable("a text cannot be encrypted"))?;
        text.splice(0..0, salt);
        Ok(text)
    }

    fn open_text(&self, job: &Tag, part: Part, sealed: &[u8]) -> Result<Vec<u8>, JobsFault> {
        let damaged = || unavailable("a text was changed, or is another job's");
        let (salt, rest) = sealed.split_first_chunk::<SALT_BYTES>().ok_or_else(damaged)?;
        let mut text = rest.to_vec();
        let cipher = self.cipher(salt, job, part).ok_or_else(damaged)?;
        let opened = cipher.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::from(bound(job, part)), &mut text);
        let length = opened.map_err(|_| damaged())?.len();
        text.truncate(length);
        Ok(text)
    }

    fn cipher(&self, salt: &[u8; SALT_BYTES], job: &Tag, part: Part) -> Option<LessSafeKey> {
        let (bound, salt): (Vec<u8>, &[u8]) = (bound(job, part), salt);
        let info = [salt, bound.as_slice()];
        let material = self.texts.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(material)))
    }

    /// Each part with its length, so no two lists of parts are one text.
    fn tag(&self, purpose: &str, parts: &[&str]) -> Tag {
        let mut context = hmac::Context::with_key(&self.tags);
        for part in std::iter::once(&purpose).chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

fn bound(job: &Tag, part: Part) -> Vec<u8> {
    let part = match part {
        Part::Body => b'b',
        Part::Fate => b'f',
    };
    [job.as_slice(), &[part]].concat()
}

fn wrap(key: &[u8; 32], book: &[u8], scribe: &Scribe) -> Result<Vec<u8>, StoreFault> {
    let nonce = scribe.nonce()?;
    let wrapped = scribe.master().wrap(key, &context(book), nonce).map_err(|fault| StoreFault::Key(fault.to_string()))?;
    Ok([scribe.master().current().0.as_slice(), &nonce, &wrapped].concat())
}

fn unwrap(state: &State, scribe: &Scribe) -> Result<(MasterKeyId, [u8; 32]), StoreFault> {
    let damaged = || StoreFault::Damaged("the key of the book of jobs is cut off".to_owned());
    let (id, rest) = state.key.split_first_chunk().ok_or_else(damaged)?;
    let (nonce, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let key = scribe.master().unwrap(MasterKeyId(*id), rest, &context(&state.book), *nonce);
    let key = key.map_err(|fault| StoreFault::Key(fault.to_string()))?;
    Ok((MasterKeyId(*id), key.try_into().map_err(|_| damaged())?))
}

/// No record's: that is an origin and 16 bytes.
fn context(book: &[u8]) -> Vec<u8> {
    [b"sluice/book of jobs/".as_slice(), book].concat()
}
