//! `sluice masking report`: which columns were masked by which rule, how many cells, for whom; and what was seen clear by right.

use super::read::{Counted, Ground, Wanted, read, stop};
use crate::command::Failure;
use crate::command::ledger::{Keys, Place, Stop, disk, request_id, say, secrets, time};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use sluice_ledger::date;
use sluice_ledger::record::Subject;
use sluice_model::plain::printable;
use sluice_store::Reader;
use std::io::Write as _;
use std::process::ExitCode;

/// What was hidden from whom.
#[derive(Subcommand)]
pub enum Masking {
    Report(Report),
}

/// Say which columns were masked, by which rule, how many cells, for whom; and which labelled columns somebody saw clear by right.
///
/// The numbers come out of the records of rows, each of which was durable before its rows left: where a client
/// went away, the last piece may not have arrived. Every record is compared with the signed checkpoint while it
/// is read; from a ledger that is damaged there is no report. Records of the last second may not be published
/// yet, and are not in it. The answer names the records and the root that it rests on: `sluice-verify` checks those.
///
/// Exit code 0: that is the report. 2: --since is not before --until. 1: there is none.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  sluice masking report var/ledger --keys var/ledger-keys
  sluice masking report var/ledger --keys var/ledger-keys --since 2026-11-01 --until 2026-12-01 --format csv
  sluice masking report var/ledger --keys var/ledger-keys --caller 'https://services.example.com#svc-reports' --format json"
)]
pub struct Report {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// Rows that left at this time or later, in UTC: 2026-11-21 or 2026-11-21T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<u64>,
    /// Rows that left before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<u64>,
    /// ISSUER#SUBJECT of whoever called, or on whose behalf an agent called
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Of one session of a caller's
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Rows of one job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Rows of one request, by its 32 hexadecimal digits
    #[arg(long, value_name = "ID", value_parser = request_id)]
    request: Option<Subject>,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
    Text,
}

pub fn run(masking: &Masking) -> Result<ExitCode, Failure> {
    let Masking::Report(report) = masking;
    let (ground, counted) = match of(report) {
        Ok(found) => found,
        Err(stop) => return say(report.format == Format::Json, Err(stop)),
    };
    let text = match report.format {
        Format::Csv => csv(&counted),
        Format::Json => format!("{}\n", value(&ground, &counted)),
        Format::Text => lines(&ground, &counted),
    };
    if counted.is_of_nobody {
        let caller = report.caller.as_deref().unwrap_or_default();
        eprintln!("no record names the caller {}: it is ISSUER#SUBJECT, as records have it", printable(caller));
    }
    // Whoever reads may have heard enough.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    Ok(ExitCode::SUCCESS)
}

fn of(report: &Report) -> Result<(Ground, Counted), Stop> {
    let folder = &report.place.folder;
    if let (Some(since), Some(until)) = (report.since, report.until)
        && since >= until
    {
        let (since, until) = (date::text(since), date::text(until));
        return Err(Stop::Refused(format!("--since {since} is not before --until {until}: no record is of such a time")));
    }
    let wanted = Wanted {
        since_ms: report.since,
        until_ms: report.until,
        caller: report.caller.clone(),
        session: report.session.clone(),
        job: report.job.clone(),
        request: report.request,
    };
    let secrets = secrets(&report.keys.keys)?;
    let reader = Reader::open(disk(folder)?).map_err(|fault| stop(folder, &fault))?;
    read(&reader, &secrets, &wanted).map_err(|fault| stop(folder, &fault))
}

fn value(ground: &Ground, counted: &Counted) -> Value {
    let masked = counted.masked.iter().map(|(key, sum)| {
        json!({
            "caller": key.caller, "columns": key.columns, "labels": key.labels, "mask": key.mask,
            "cells": sum.cells, "nulls": sum.nulls, "results": sum.results,
        })
    });
    let clear = counted.clear.iter().map(|(key, sum)| {
        json!({ "caller": key.caller, "columns": key.columns, "labels": key.labels, "rows": sum.rows, "results": sum.results })
    });
    json!({
        "masked": masked.collect::<Vec<_>>(),
        "clear_by_right": clear.collect::<Vec<_>>(),
        "results": counted.results,
        "rows": counted.rows,
        "caller_is_on_record": !counted.is_of_nobody,
        "rests_on": {
            "origin": ground.origin, "records": ground.records, "root": format!("sha256:{}", ground.root),
            "first_of_rows": ground.rows.map(|(first, _)| first), "last_of_rows": ground.rows.map(|(_, last)| last), "erased": ground.erased,
        },
    })
}

/// Names come from outside and are escaped.
fn lines(ground: &Ground, counted: &Counted) -> String {
    let said = |columns: &[String], labels: &[String], caller: &str| {
        format!("{}  ({})  for {}", printable(&columns.join(" and ")), printable(&labels.join(", ")), printable(caller))
    };
    let mut text = String::new();
    for (key, sum) in &counted.masked {
        let (column, nulls) = (said(&key.columns, &key.labels, &key.caller), sum.nulls);
        text += &format!("masked {}  {column}  {} cells, {nulls} of them null, results {}\n", key.mask, sum.cells, sum.results);
    }
    for (key, sum) in &counted.clear {
        let column = said(&key.columns, &key.labels, &key.caller);
        text += &format!("clear by right  {column}  {} rows, results {}\n", sum.rows, sum.results);
    }
    if text.is_empty() {
        text += "no labelled column left, masked or clear\n";
    }
    text += &format!("{} rows in {} results were looked at", counted.rows, counted.results);
    if let Some((first, last)) = ground.rows {
        text += &format!(", in records {first} to {last}");
    }
    text += "\n";
    if ground.erased > 0 {
        text += &format!("{} records could not be counted whole: their texts were given up\n", ground.erased);
    }
    text + &format!("rests on {} records of {}, root sha256:{}\n", ground.records, printable(&ground.origin), ground.root)
}

fn csv(counted: &Counted) -> String {
    let mut text = "what,caller,columns,labels,mask,cells,nulls,rows,results\n".to_owned();
    for (key, sum) in &counted.masked {
        let (cells, nulls, results) = (sum.cells.to_string(), sum.nulls.to_string(), sum.results.to_string());
        text += &line(&["masked", &key.caller, &key.columns.join(" "), &key.labels.join(" "), &key.mask, &cells, &nulls, "", &results]);
    }
    for (key, sum) in &counted.clear {
        let (rows, results) = (sum.rows.to_string(), sum.results.to_string());
        text += &line(&["clear", &key.caller, &key.columns.join(" "), &key.labels.join(" "), "", "", "", &rows, &results]);
    }
    text
}

/// Quoted, and nothing in it begins like a formula.
fn line(fields: &[&str]) -> String {
    let field = |text: &&str| {
        let plain = printable(text).replace('"', "\"\"");
        let plain = if plain.starts_with(['=', '+', '-', '@']) { format!("'{plain}") } else { plain };
        format!("\"{plain}\"")
    };
    fields.iter().map(field).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_field_is_no_formula_and_ends_where_it_ends() {
        assert_eq!(line(&["a", "=1+1", "say \"x\", y", ""]), "\"a\",\"'=1+1\",\"say \"\"x\"\", y\",\"\"\n");
    }
}
