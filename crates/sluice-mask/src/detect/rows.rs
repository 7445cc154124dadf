//! The values of a sample, one by one, whatever it is written in. Where it is cut off, or odd, the rest is left.

use super::sample::{Form, SAMPLE_ROWS_MAX, Sample, Seen};
use super::sampling::Look;
use crate::columnar;
use crate::scan::{Odd, Scan};
use crate::schema::{Column, Columns, open};

impl Sample {
    pub(super) fn each_value(&self, see: &mut Seen<'_>) {
        let (columns, looks) = (&self.watched.columns, &self.watched.looks);
        // What stands behind the end of the copy is missing, and that is no fault.
        match self.watched.form {
            Form::Arrow => drop(columnar::look_at_arrow(columns, looks, &self.bytes, self.rows, see)),
            Form::Avro => drop(columnar::look_at_avro(columns, looks, &self.bytes, self.rows.min(SAMPLE_ROWS_MAX), see)),
            Form::Json => drop(rows(columns, looks, text(&self.bytes), see)),
        }
    }
}

/// Without the part of a letter at its end.
fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default(),
    }
}

fn rows(columns: &Columns, looks: &[Look], text: &str, see: &mut Seen<'_>) -> Result<(), Odd> {
    let mut scan = Scan::new(text);
    for _ in 0..SAMPLE_ROWS_MAX {
        record(columns, looks, &mut scan, see)?;
        scan.take(b',')?;
    }
    Ok(())
}

fn record(columns: &Columns, looks: &[Look], scan: &mut Scan<'_>, see: &mut Seen<'_>) -> Result<(), Odd> {
    open(scan, b'f')?;
    scan.take(b'[')?;
    for (position, (column, look)) in columns.0.iter().zip(looks).enumerate() {
        if position > 0 {
            scan.take(b',')?;
        }
        open(scan, b'v')?;
        match look {
            Look::Skip => {
                scan.peek();
                scan.skip()?;
            }
            look => values(column, look, scan, see)?,
        }
        scan.take(b'}')?;
    }
    scan.take(b']')?;
    scan.take(b'}')
}

fn values(column: &Column, look: &Look, scan: &mut Scan<'_>, see: &mut Seen<'_>) -> Result<(), Odd> {
    if !column.repeated {
        return value(column, look, scan, see);
    }
    scan.take(b'[')?;
    if scan.eat(b']') {
        return Ok(());
    }
    loop {
        open(scan, b'v')?;
        value(column, look, scan, see)?;
        scan.take(b'}')?;
        if !scan.eat(b',') {
            return scan.take(b']');
        }
    }
}

fn value(column: &Column, look: &Look, scan: &mut Scan<'_>, see: &mut Seen<'_>) -> Result<(), Odd> {
    match (scan.peek(), look, &column.fields) {
        (Some(b'"'), Look::At(place), _) => {
            let from = scan.at();
            scan.string()?;
            let quoted = scan.since(from)?;
            match quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).filter(|text| !text.contains('\\')) {
                Some(plain) => see(*place, plain),
                None => see(*place, &serde_json::from_str::<String>(quoted).map_err(|_| Odd)?),
            }
            Ok(())
        }
        (Some(b'{'), Look::Inside(looks), Some(fields)) => record(fields, looks, scan, see),
        _ => scan.skip(),
    }
}
