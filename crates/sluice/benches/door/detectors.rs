//! What it costs to look for what nobody labelled: two gateways in turn that differ in nothing else.

use super::load::{Large, Pages, large};
use super::process::Process;
use super::report::{Report, median};
use super::world::{Gateway, Way, address};
use super::{CLIENTS, LARGE_BYTES, MASKED_MEGABYTES, Outcome, Place, ROUNDS, measured, streams};
use crate::client::Target;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;

pub fn detectors(report: &mut Report, root: &Path, url: &str, storage: SocketAddr) -> Outcome<()> {
    report.load("with detectors and without, nothing masked: a cached statement, and a result of 1 GiB")?;
    let way = Way { is_clear: true, storage: Some(storage), ..Way::default() };
    let on = Gateway::start(&root.join("gateway-on"), url, way)?;
    let off = Gateway::start(&root.join("gateway-off"), url, Way { is_unwatched: true, ..way })?;
    let direct = Target { address: address(url)?, token: None };
    let places = [
        Place { name: "direct", target: &direct, between: None },
        Place { name: "detectors off", target: &off.target, between: Some(&off.process) },
        Place { name: "detectors on", target: &on.target, between: Some(&on.process) },
    ];
    measured(report, "detectors_statements", &places, &CLIENTS, ROUNDS)?;
    let places = places.get(1..).unwrap_or_default();
    for form in ["JSON, pages of 10 MB", "Arrow, messages of 1 MB"] {
        let mut runs: Vec<Vec<Large>> = places.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (place, runs) in places.iter().zip(&mut runs) {
                place.between.into_iter().for_each(Process::forget_peak);
                runs.push(match form.starts_with("JSON") {
                    true => large(place.target, place.between, Pages { megabytes: MASKED_MEGABYTES, has_mail: true }, LARGE_BYTES)?,
                    false => streams::large(place.target, place.between)?,
                });
            }
        }
        say(report, form, places, &runs)?;
    }
    let counted = on.samples()?;
    report.row("detectors_samples", &format!("samples of all that: {counted}"), json!({ "samples": counted }))?;
    on.stop()?;
    off.stop()
}

fn say(report: &mut Report, form: &str, places: &[Place<'_>], runs: &[Vec<Large>]) -> Outcome<()> {
    let seconds = |runs: &[Large]| median(runs.iter().map(|run| run.seconds));
    let without = runs.first().map_or(0.0, |runs| seconds(runs));
    for (place, runs) in places.iter().zip(runs) {
        let (taken, worked) = (seconds(runs), median(runs.iter().map(|run| run.processor_seconds)));
        let (peak, share) = (median(runs.iter().map(|run| run.peak_bytes as f64 / super::MEGABYTE)), 100.0 * taken / without);
        let line = format!(
            "{form:<26}{:<16}{taken:7.2} s, {share:4.0} % of the time without, {worked:6.2} s of processor time, peak memory {peak:4.0} MB",
            place.name
        );
        let figures = json!({ "form": form, "way": place.name, "seconds": taken, "percent_of_without": share, "processor_s": worked, "peak_mb": peak });
        report.row("detectors", &line, figures)?;
    }
    Ok(())
}
