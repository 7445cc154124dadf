//! Each command, from its arguments to what it prints. `true`: everything holds.

use crate::arguments::{Ledger, Proof, Witness, WitnessKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use sluice_ledger::keyring::{LocalMasterKeys, MasterKey};
use sluice_ledger::note::{KeyKind, SEED_BYTES, Signer};
use sluice_ledger::trust::{TRUST_BYTES_MAX, Trust};
use sluice_ledger::{date, printable};
use sluice_verify::audit::{Audit, RecordStates};
use sluice_verify::folder::Folder;
use sluice_verify::report::{NOT_EVIDENCE, Report};
use sluice_verify::secrets::{self, SECRETS_BYTES_MAX};
use sluice_verify::single::{self, Shown};
use sluice_verify::witness::{self as watching, Memory};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A proof with all sections shown, or a checkpoint.
const FILE_BYTES_MAX: u64 = 4 << 20;

type Done = Result<bool, String>;

pub fn ledger(arguments: &Ledger, out: &mut dyn Write) -> Done {
    let trust = trust(&arguments.trust)?;
    let master = arguments.master_keys.as_deref().map(master_keys).transpose()?;
    let seen = arguments.seen.iter().map(|path| Ok((path.display().to_string(), read(path, FILE_BYTES_MAX)?)));
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_millis();
    let now_ms = u64::try_from(now_ms).map_err(|error| error.to_string())?;
    let audit = Audit {
        trust: &trust,
        origin: arguments.origin.as_deref(),
        master: master.as_ref().map(|master| master as &dyn MasterKey),
        bodies: !arguments.without_bodies,
        seen: seen.collect::<Result<_, String>>()?,
        unwitnessed_max: arguments.unwitnessed_max,
        alive_after_ms: arguments.alive_within.map(|seconds| now_ms.saturating_sub(seconds.saturating_mul(1000))),
    };
    let folder = Folder::open(&arguments.folder).map_err(|error| format!("{}: {error}", arguments.folder.display()))?;
    let (report, states) = match arguments.record {
        Some(record) => audit.run_for(&folder, record),
        None => audit.run(&folder).map(|report| (report, RecordStates::new())),
    }
    .map_err(|error| error.to_string())?;
    if let Some(record) = arguments.record.filter(|record| report.holds() && *record >= report.records) {
        return Err(format!("there is no record {record}: the ledger has {}", report.records));
    }
    let text = if arguments.json { report_json(&report, &states)? } else { report_text(&report, arguments.record, &states) };
    print(out, &text)?;
    Ok(report.holds())
}

pub fn proof(arguments: &Proof, out: &mut dyn Write) -> Done {
    let trust = trust(&arguments.trust)?;
    let bytes = read(&arguments.file, FILE_BYTES_MAX)?;
    match single::verify(&bytes, &trust) {
        Ok(shown) => print(out, &if arguments.json { shown_json(&shown)? } else { shown_text(&shown) })?,
        Err(problem) if arguments.json => {
            print(out, &format!("{}\n", json!({ "verdict": "FAIL", "problem": problem })))?;
            return Ok(false);
        }
        Err(problem) => {
            print(out, &format!("FAIL  {}\n", printable(&problem)))?;
            return Ok(false);
        }
    }
    Ok(true)
}

pub fn witness(arguments: &Witness, out: &mut dyn Write) -> Done {
    let trust = trust(&arguments.trust)?;
    let signer =
        secrets::witness(&read(&arguments.key, SECRETS_BYTES_MAX)?).map_err(|problem| format!("{}: {problem}", arguments.key.display()))?;
    let key = signer.verifier_key().to_string();
    let memory = Memory::open(&arguments.folder).map_err(|error| format!("{}: {error}", arguments.folder.display()))?;
    let witness = watching::Witness::new(signer, trust.logs().to_vec(), memory).ok_or("the key is not one of a witness")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen).await.map_err(|error| format!("{}: {error}", arguments.listen))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        print(out, &format!("witness {key}\nlistening on http://{address}/\n"))?;
        let until = async { drop(tokio::signal::ctrl_c().await) };
        watching::serve(Arc::new(witness), listener, until).await.map_err(|fault| fault.to_string())
    })?;
    Ok(true)
}

pub fn witness_key(arguments: &WitnessKey, out: &mut dyn Write) -> Done {
    let mut seed = [0; SEED_BYTES];
    SystemRandom::new().fill(&mut seed).map_err(|_| "the machine gives no random bytes".to_owned())?;
    let signer = Signer::from_seed(&arguments.name, KeyKind::Witness, &seed).map_err(|fault| fault.to_string())?;
    let line = format!("{} {}\n", arguments.name, secrets::hexadecimal_text(&seed));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&arguments.out).map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| error.to_string())?;
    print(out, &format!("witness NAME {}\n", signer.verifier_key()))?;
    Ok(true)
}

fn report_text(report: &Report, record: Option<u64>, states: &RecordStates) -> String {
    let mut text = report.to_string();
    text += &record.map(|record| format!("  record {record}:\n")).unwrap_or_default();
    states.iter().for_each(|(section, state)| text += &format!("    section {:10} {state}\n", section.word()));
    if !report.bodies {
        return text;
    }
    text + "  not evidence: see `sluice-verify ledger --help`\n"
}

fn report_json(report: &Report, states: &RecordStates) -> Result<String, String> {
    let mut value = serde_json::to_value(report).map_err(|error| error.to_string())?;
    let states: serde_json::Map<String, serde_json::Value> =
        states.iter().map(|(section, state)| (section.word().to_owned(), json!(state.to_string()))).collect();
    let not_evidence: Vec<_> = NOT_EVIDENCE.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("verdict".to_owned(), json!(if report.holds() { "VERIFIED" } else { "FAIL" }));
        fields.insert("record".to_owned(), json!(states));
        fields.insert("not_evidence".to_owned(), json!(not_evidence));
    }
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn shown_text(shown: &Shown) -> String {
    let Shown { leaf, index, proved, texts, hidden } = shown;
    let mut text = format!("VERIFIED  record {index} of {} in {}\n", proved.checkpoint.size, printable(&proved.checkpoint.origin));
    text += &format!("  {} at {}, epoch {}\n", leaf.kind.word(), date::text(leaf.time_ms), leaf.epoch);
    let times = &proved.witnessed.times;
    times
        .iter()
        .for_each(|(name, time)| text += &format!("  cosigned by {} at {}\n", printable(name), date::text(time.saturating_mul(1000))));
    if times.is_empty() {
        text += "  no witness vouches: whoever holds the log's key could have written this record later\n";
    }
    for shown in texts {
        text += &format!("  section {}: {}\n", shown.section.word(), printable(&String::from_utf8_lossy(&shown.plaintext)));
    }
    hidden.iter().for_each(|section| text += &format!("  section {}: not shown\n", section.word()));
    text
}

fn shown_json(shown: &Shown) -> Result<String, String> {
    let Shown { leaf, index, proved, texts, hidden } = shown;
    let hidden: Vec<&str> = hidden.iter().map(|section| section.word()).collect();
    let texts: serde_json::Map<String, serde_json::Value> =
        texts.iter().map(|shown| (shown.section.word().to_owned(), json!(String::from_utf8_lossy(&shown.plaintext)))).collect();
    let value = json!({
        "verdict": "VERIFIED", "origin": proved.checkpoint.origin, "record": index, "records": proved.checkpoint.size, "kind": leaf.kind.word(),
        "time": date::text(leaf.time_ms), "time_ms": leaf.time_ms, "epoch": leaf.epoch, "witnessed": proved.witnessed.times, "sections": texts, "not_shown": hidden,
    });
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn trust(path: &Path) -> Result<Trust, String> {
    let bytes = read(path, TRUST_BYTES_MAX as u64)?;
    Trust::parse(&bytes).map_err(|fault| format!("{}: {fault}", path.display()))
}

fn master_keys(path: &Path) -> Result<LocalMasterKeys, String> {
    secrets::master_keys(&read(path, SECRETS_BYTES_MAX)?).map_err(|problem| format!("{}: {problem}", path.display()))
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let fault = |text: String| format!("{}: {text}", path.display());
    let file = fs::File::open(path).map_err(|error| fault(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| fault(error.to_string()))?;
    if bytes.len() as u64 > bytes_max { Err(fault(format!("longer than {bytes_max} bytes"))) } else { Ok(bytes) }
}

fn print(out: &mut dyn Write, text: &str) -> Result<(), String> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
}
