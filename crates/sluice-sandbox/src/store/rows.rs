//! What a table holds: rows in memory, or a formula that makes any row when it is asked for.

use crate::data::events::{self, EventColumn};
use crate::values::Datum;
use crate::values::datum::billed_bytes;
use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub type Row = Vec<Datum>;

/// Immutable: a change makes a new one.
#[derive(Debug)]
pub struct Rows {
    /// Unique in this process, so that whoever keeps something derived from the rows knows whether it is still true.
    pub version: u64,
    content: Content,
    column_bytes: OnceLock<Vec<u64>>,
}

#[derive(Debug)]
enum Content {
    Events { columns: Vec<EventColumn>, count: u64 },
    Held(Vec<Row>),
}

static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl Rows {
    pub fn held(rows: Vec<Row>) -> Rows {
        Rows::of(Content::Held(rows))
    }

    /// The first `count` rows of the generated table, with those columns.
    pub fn events(columns: Vec<EventColumn>, count: u64) -> Rows {
        Rows::of(Content::Events { columns, count })
    }

    pub fn count(&self) -> u64 {
        match &self.content {
            Content::Events { count, .. } => *count,
            Content::Held(rows) => rows.len() as u64,
        }
    }

    pub fn row(&self, position: u64) -> Option<Cow<'_, [Datum]>> {
        match &self.content {
            Content::Events { columns, count } => (position < *count).then(|| Cow::Owned(events::row(columns, position))),
            Content::Held(rows) => rows.get(usize::try_from(position).ok()?).map(|row| Cow::Borrowed(row.as_slice())),
        }
    }

    /// The rows themselves; nothing for generated ones, which never stand in memory together.
    pub fn as_held(&self) -> Option<&[Row]> {
        match &self.content {
            Content::Events { .. } => None,
            Content::Held(rows) => Some(rows),
        }
    }

    /// Logical bytes of each column, as BigQuery bills them.
    pub fn column_bytes(&self) -> &[u64] {
        self.column_bytes.get_or_init(|| match &self.content {
            Content::Events { columns, count } => columns.iter().map(|column| column.billed_bytes() * count).collect(),
            Content::Held(rows) => {
                let width = rows.first().map_or(0, Vec::len);
                let mut sums = vec![0; width];
                for row in rows {
                    sums.iter_mut().zip(row).for_each(|(sum, cell)| *sum += billed_bytes(cell));
                }
                sums
            }
        })
    }

    pub fn bytes(&self) -> u64 {
        self.column_bytes().iter().sum()
    }

    fn of(content: Content) -> Rows {
        Rows { version: VERSIONS.fetch_add(1, Ordering::Relaxed), content, column_bytes: OnceLock::new() }
    }
}
