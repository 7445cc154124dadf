//! The file: what is looked up is a tag, what is kept is sealed.

use crate::fault::StoreFault;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// A writer of another process is waited for.
const BUSY_SECONDS: u64 = 10;
/// "Sluice", as SQLite keeps a number for whose file it is.
const APPLICATION: i64 = 0x534c_4a42;
const FORMAT: i64 = 1;
const FILE_MODE: u32 = 0o600;
const AGED_AT_ONCE: i64 = 256;
const SCHEMA: &str = "
    CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), book BLOB NOT NULL, key BLOB NOT NULL);
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job BLOB NOT NULL UNIQUE,
        owner BLOB NOT NULL,
        listed BLOB NOT NULL,
        request BLOB UNIQUE,
        destination BLOB,
        created_ms INTEGER NOT NULL,
        fate BLOB,
        body BLOB
    );
    CREATE INDEX jobs_of_owner ON jobs (owner, number) WHERE body IS NOT NULL;
    CREATE INDEX jobs_listed ON jobs (listed);
    CREATE INDEX jobs_at ON jobs (destination, number) WHERE destination IS NOT NULL;
    CREATE INDEX jobs_by_age ON jobs (created_ms);
    CREATE INDEX jobs_known ON jobs (number) WHERE body IS NOT NULL;
";
const KEPT: &str = "SELECT job, fate, body FROM jobs WHERE body IS NOT NULL AND created_ms >= ";

pub type Tag = [u8; 32];

pub struct Rows {
    pub connection: Connection,
}

/// A job that begins.
pub struct NewRow {
    pub job: Tag,
    pub owner: Tag,
    /// Of the owner and the id, for whoever goes on behind a job in a list.
    pub listed: Tag,
    pub request: Option<Tag>,
    pub destination: Option<Tag>,
    pub created_ms: u64,
    pub fate: Vec<u8>,
    pub body: Vec<u8>,
}

pub struct Kept {
    pub job: Tag,
    pub fate: Vec<u8>,
    pub body: Vec<u8>,
}

/// A job without its body.
pub struct Fated {
    pub number: i64,
    pub job: Tag,
    pub fate: Vec<u8>,
}

pub struct State {
    pub book: Vec<u8>,
    /// Wrapped.
    pub key: Vec<u8>,
}

pub fn create(path: &Path, state: &State) -> Result<(), StoreFault> {
    // Not through SQLite: it would take a file that is there, and others could read it.
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    let rows = Rows::connect(path)?;
    let made = rows
        .connection
        .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"));
    made.map_err(fault)?;
    rows.connection.execute("INSERT INTO state VALUES (1, ?1, ?2)", params![state.book, state.key]).map_err(fault)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The name of a file is durable once its folder is.
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

impl Rows {
    pub fn open(path: &Path) -> Result<Rows, StoreFault> {
        if !path.exists() {
            return Err(StoreFault::Missing(path.display().to_string()));
        }
        let rows = Rows::connect(path)?;
        let number = |name| rows.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fault);
        if number("application_id")? != APPLICATION {
            return Err(StoreFault::Damaged(format!("`{}` is no book of jobs", path.display())));
        }
        let found = number("user_version")?;
        if found != FORMAT {
            return Err(StoreFault::Format { found: found.cast_unsigned(), known: FORMAT.cast_unsigned() });
        }
        Ok(rows)
    }

    fn connect(path: &Path) -> Result<Rows, StoreFault> {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
        connection.busy_timeout(Duration::from_secs(BUSY_SECONDS)).map_err(fault)?;
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fault)?;
        if mode != "wal" {
            return Err(StoreFault::Refused("the book of jobs: its folder cannot hold a write-ahead log".to_owned()));
        }
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;").map_err(fault)?;
        Ok(Rows { connection })
    }

    pub fn state(&self) -> Result<State, StoreFault> {
        let read = |row: &Row<'_>| Ok(State { book: row.get(0)?, key: row.get(1)? });
        self.connection.query_row("SELECT book, key FROM state", [], read).map_err(fault)
    }

    /// The same key, wrapped anew.
    pub fn rewrap(&self, before: &[u8], after: &[u8]) -> Result<(), StoreFault> {
        self.connection.execute("UPDATE state SET key = ?2 WHERE key = ?1", params![before, after]).map(drop).map_err(fault)
    }

    /// Whether transactions from now on wait for the disk. Those that do not survive a crash of the process, and in their order one of the machine.
    pub fn sync_each(&self, does: bool) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", if does { "FULL" } else { "NORMAL" })
    }

    /// Whether the id and the request id were both free.
    pub fn insert(&self, row: &NewRow) -> rusqlite::Result<bool> {
        let text = "INSERT INTO jobs (job, owner, listed, request, destination, created_ms, fate, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
        let created_ms = row.created_ms.cast_signed();
        let inserted = self.connection.prepare(text)?.execute(params![
            row.job,
            row.owner,
            row.listed,
            row.request,
            row.destination,
            created_ms,
            row.fate,
            row.body
        ])?;
        Ok(inserted == 1)
    }

    pub fn fate(&self, job: &Tag) -> rusqlite::Result<Option<Vec<u8>>> {
        let text = "SELECT fate FROM jobs WHERE job = ?1 AND body IS NOT NULL";
        self.connection.prepare(text)?.query_row([job], |row| row.get(0)).optional()
    }

    /// Nothing changes the destination to none.
    pub fn settle(&self, job: &Tag, fate: &[u8], destination: Option<Tag>) -> rusqlite::Result<()> {
        let text = "UPDATE jobs SET fate = ?2, destination = coalesce(?3, destination) WHERE job = ?1 AND body IS NOT NULL";
        self.connection.prepare(text)?.execute(params![job, fate, destination]).map(drop)
    }

    /// How many ids are free again.
    pub fn release(&self, job: &Tag) -> rusqlite::Result<u64> {
        self.connection.prepare("DELETE FROM jobs WHERE job = ?1")?.execute([job]).map(|count| count as u64)
    }

    /// Ids that are older than BigQuery's memory are free again.
    pub fn forget_aged(&self, oldest_ms: u64) -> rusqlite::Result<()> {
        let text = "DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)";
        self.connection.prepare(text)?.execute(params![oldest_ms.cast_signed(), AGED_AT_ONCE]).map(drop)
    }

    /// All but the newest are forgotten; their ids stay taken.
    pub fn forget_oldest(&self, jobs_max: u64) -> rusqlite::Result<()> {
        let text = "UPDATE jobs SET body = NULL, fate = NULL, destination = NULL WHERE body IS NOT NULL AND number <= (
            SELECT number FROM jobs WHERE body IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?1)";
        self.connection.prepare(text)?.execute([jobs_max.cast_signed()]).map(drop)
    }

    pub fn forget_oldest_of(&self, owner: &Tag, jobs_max: u64) -> rusqlite::Result<()> {
        let text = "UPDATE jobs SET body = NULL, fate = NULL, destination = NULL WHERE owner = ?1 AND body IS NOT NULL AND number <= (
            SELECT number FROM jobs WHERE owner = ?1 AND body IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        self.connection.prepare(text)?.execute(params![owner, jobs_max.cast_signed()]).map(drop)
    }

    pub fn ids(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).map(i64::cast_unsigned)
    }

    pub fn by_job(&self, job: &Tag, oldest_ms: u64) -> rusqlite::Result<Option<Kept>> {
        self.one(&format!("{KEPT} ?2 AND job = ?1"), job, oldest_ms)
    }

    pub fn by_request(&self, request: &Tag, oldest_ms: u64) -> rusqlite::Result<Option<Kept>> {
        self.one(&format!("{KEPT} ?2 AND request = ?1"), request, oldest_ms)
    }

    /// The newest: a table that several jobs wrote is the last one's.
    pub fn by_destination(&self, destination: &Tag, oldest_ms: u64) -> rusqlite::Result<Option<Kept>> {
        self.one(&format!("{KEPT} ?2 AND destination = ?1 ORDER BY number DESC LIMIT 1"), destination, oldest_ms)
    }

    /// Behind a job that is not there is nothing.
    pub fn of_owner(&self, owner: &Tag, before: Option<&Tag>, oldest_ms: u64, jobs_max: usize) -> rusqlite::Result<Vec<Kept>> {
        let before = match before {
            None => i64::MAX,
            Some(listed) => {
                let text = "SELECT max(number) FROM jobs WHERE listed = ?1";
                let number: Option<i64> = self.connection.prepare(text)?.query_row([listed], |row| row.get(0))?;
                number.unwrap_or_default()
            }
        };
        let text = format!("{KEPT} ?2 AND owner = ?1 AND number < ?3 ORDER BY number DESC LIMIT ?4");
        let mut statement = self.connection.prepare(&text)?;
        let jobs_max = i64::try_from(jobs_max).unwrap_or(i64::MAX);
        let found = statement.query_map(params![owner, oldest_ms.cast_signed(), before, jobs_max], kept)?;
        found.collect()
    }

    /// Those that began since then, the newest first.
    pub fn since(&self, since_ms: u64, take: &mut dyn FnMut(Fated) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let text = "SELECT number, job, fate FROM jobs WHERE body IS NOT NULL AND created_ms >= ?1 ORDER BY created_ms DESC, number DESC";
        let mut statement = self.connection.prepare(text)?;
        let mut found = statement.query([since_ms.cast_signed()])?;
        while let Some(row) = found.next()? {
            take(Fated { number: row.get(0)?, job: row.get(1)?, fate: row.get(2)? })?;
        }
        Ok(())
    }

    pub fn body(&self, number: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let text = "SELECT body FROM jobs WHERE number = ?1 AND body IS NOT NULL";
        self.connection.prepare(text)?.query_row([number], |row| row.get(0)).optional()
    }

    fn one(&self, text: &str, tag: &Tag, oldest_ms: u64) -> rusqlite::Result<Option<Kept>> {
        self.connection.prepare(text)?.query_row(params![tag, oldest_ms.cast_signed()], kept).optional()
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { job: row.get(0)?, fate: row.get(1)?, body: row.get(2)? })
}

pub fn fault(error: rusqlite::Error) -> StoreFault {
    StoreFault::Refused(format!("the book of jobs: {error}"))
}
