//! `sluice policy activate`: a set comes in force by the signature of somebody whom configuration names.

use super::super::Failure;
use super::super::ledger::{append, opening};
use super::super::on_record::NOT_YET;
use super::activations::{Entry, FolderLog};
use super::show;
use crate::configuration::{self, PolicyTable};
use crate::render;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;
use sluice_policy::{
    ACTIVATION_AGE_SECONDS_MAX, ACTIVATION_BYTES_MAX, Activated, Activation, ActivationLog, Bundle, Change, PolicySet, Standing, changes,
};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, Secrets, StoreFault};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const SIGNATURE_BYTES: usize = 64;

/// Put a policy set in force, by a signature.
///
/// In two steps. --draft writes, into a new file, the text to be signed: the digest of the set, in force or in shadow, the activation before
/// it, by whom, when and why. Sign it with the Ed25519 key that [policy.keys] of sluice.toml names, within 15 minutes; --signed then
/// checks the signature, keeps the set and puts it in force. A text that does not follow the activation in force is refused.
///
/// With --ledger the record that says who changed what comes first: what cannot be recorded does not come in force. Activations
/// that are not on record yet are recorded with it. While a gateway holds the ledger nobody else can write there: the set comes in
/// force, and it is the gateway's task to record it.
#[derive(Args)]
#[command(after_help = "Example:
  sluice policy activate policy --config . --by ana --reason 'mask the new columns' --draft activation.txt
  openssl pkeyutl -sign -rawin -inkey ana.pem -in activation.txt -out activation.sig
  sluice policy activate policy --config . --signed activation.txt --signature activation.sig \\
    --ledger var/ledger --keys var/ledger-keys

A key:
  openssl genpkey -algorithm ed25519 -out ana.pem
  openssl pkey -in ana.pem -pubout | sed -n 2p      # what [policy.keys] takes: ana = \"MCowBQ...\"")]
pub struct Activate {
    /// The folder of the policy set
    #[arg(value_name = "SET")]
    set: PathBuf,
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// Write the text to be signed into this file, and stop
    #[arg(long, value_name = "FILE", required_unless_present = "signed", conflicts_with = "signed", requires = "by", requires = "reason")]
    draft: Option<PathBuf>,
    /// Whose key will sign: a name of [policy.keys]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, in one line
    #[arg(long)]
    reason: Option<String>,
    /// Not in force: asked beside the set that is, and deciding nothing
    #[arg(long, requires = "draft")]
    shadow: bool,
    /// The text that was signed
    #[arg(long, value_name = "FILE", requires = "signature")]
    signed: Option<PathBuf>,
    /// The signature of that text: 64 bytes, or those in base64
    #[arg(long, value_name = "FILE", requires = "signed")]
    signature: Option<PathBuf>,
    /// The folder of the ledger, if no gateway runs that holds it
    #[arg(long, value_name = "LEDGER", requires = "keys", conflicts_with = "draft")]
    ledger: Option<PathBuf>,
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR", requires = "ledger")]
    keys: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Everything that both steps need.
struct Ground {
    set: PolicySet,
    bundle: Bundle,
    policy: PolicyTable,
    log: FolderLog,
    standing: Standing,
    /// Against the set in force; nothing where there is none.
    changes: Vec<Change>,
    now: i64,
}

pub fn run(activate: &Activate) -> Result<ExitCode, Failure> {
    let policy = configuration::read_sound(&activate.config)?.policy;
    let (set, bundle, _) = super::load(&activate.set)?;
    let log = FolderLog::new(&policy.activations, policy.keys.clone());
    let standing = log.standing().map_err(|error| Failure::new(error.to_string()))?;
    let in_force = standing.in_force().map(|digest| log.set(digest)).transpose().map_err(|error| Failure::new(error.to_string()))?;
    let changes = in_force.map(|in_force| changes(&in_force, &set)).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default();
    let ground = Ground { set, bundle, policy, log, standing, changes, now };
    match (&activate.draft, &activate.signed, &activate.signature) {
        (Some(file), ..) => draft(activate, ground, file),
        (None, Some(text), Some(signature)) => record(activate, ground, text, signature),
        _ => Err(Failure::new("either --draft, or --signed with --signature")),
    }
}

fn draft(activate: &Activate, ground: Ground, file: &Path) -> Result<ExitCode, Failure> {
    let by = activate.by.clone().unwrap_or_default();
    if !ground.policy.keys.current.contains_key(&by) {
        return Err(Failure::new(format!("no key of `{by}` is configured under [policy.keys]")));
    }
    let reason = activate.reason.clone().unwrap_or_default();
    let (shadow, at) = (activate.shadow, ground.now);
    let activation = Activation { set: ground.set.digest.clone(), shadow, after: ground.standing.last().cloned(), by, reason, at };
    activation.check().map_err(Failure::new)?;
    write_new(file, &activation.text()).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    if activate.json {
        let changes: Vec<_> = ground.changes.iter().map(render::policy::change).collect();
        println!("{}", json!({ "draft": file.display().to_string(), "text": activation.text(), "changes": changes }));
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", activation.text());
    print_changes(&ground);
    println!("\n{} is to be signed within {} minutes", file.display(), ACTIVATION_AGE_SECONDS_MAX / 60);
    Ok(ExitCode::SUCCESS)
}

fn record(activate: &Activate, mut ground: Ground, text: &Path, signature: &Path) -> Result<ExitCode, Failure> {
    let text = read(text)?;
    let text = String::from_utf8(text).map_err(|_| Failure::new("what was signed is no text"))?;
    let signature = signature_bytes(&read(signature)?)?;
    let refused = |error: sluice_policy::ActivationError| Failure::new(format!("not activated: {error}"));
    let activated = Activated::verify(&text, &signature, &ground.policy.keys, ground.standing.last(), ground.now).map_err(refused)?;
    if activated.activation().set != ground.set.digest {
        return Err(Failure::new(format!(
            "not activated: what was signed is {}, the folder holds {}",
            activated.activation().set,
            ground.set.digest
        )));
    }
    // The set first: an activation must never name one that is not there.
    ground.log.keep(&ground.bundle).map_err(refused)?;
    let record = match (&activate.ledger, &activate.keys) {
        (Some(ledger), Some(keys)) => record_and_append(&mut ground, &activated, ledger, keys)?,
        _ => {
            ground.log.append(&activated, &ground.changes).map_err(refused)?;
            NOT_YET.to_owned()
        }
    };
    let activation = activated.activation();
    if activate.json {
        let changes: Vec<_> = ground.changes.iter().map(render::policy::change).collect();
        println!(
            "{}",
            json!({ "activation": activated.digest().text(), "set": activation.set.text(), "shadow": activation.shadow, "by": activation.by, "changes": changes, "record": record })
        );
        return Ok(ExitCode::SUCCESS);
    }
    let what = if activation.shadow { "in shadow" } else { "in force" };
    show(&format!("{} {} is {what}, by {}: {}", ground.set.settings.name, activation.set, activation.by, activation.reason));
    print_changes(&ground);
    show(&format!("activation {}", activated.digest()));
    show(&record);
    Ok(ExitCode::SUCCESS)
}

/// The record first, then what counts. If the second fails, the ledger names an activation that nothing follows and that never decided.
fn record_and_append(ground: &mut Ground, activated: &Activated, folder: &Path, keys: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(format!("not activated: {}: {why}", folder.display()));
    let fault = |fault: StoreFault| failed(fault.to_string());
    let refused = |error: sluice_policy::ActivationError| Failure::new(format!("not activated: {error}"));
    let secrets = Secrets::open(keys).map_err(fault)?;
    let disk = LocalDisk::new(folder).map_err(|error| failed(error.to_string()))?;
    let mut ledger = match Ledger::open(Arc::new(disk), &opening(&secrets, "policy activate")) {
        Ok(ledger) => ledger,
        Err(StoreFault::InUse) => {
            ground.log.append(activated, &ground.changes).map_err(refused)?;
            return Ok("not on record yet: the gateway that holds the ledger records it".to_owned());
        }
        Err(other) => return Err(fault(other)),
    };
    let mut records = Vec::new();
    let mut write = |entry: &Entry, ledger: &mut Ledger| {
        let draft = entry.draft().map_err(|error| failed(error.to_string()))?;
        let receipt = append(ledger, &draft).map_err(fault)?;
        records.push(receipt.index.to_string());
        Ok(receipt.index)
    };
    let mut all = || {
        for (number, entry) in ground.log.unrecorded().map_err(refused)? {
            let record = write(&entry, &mut ledger)?;
            ground.log.mark_recorded(number, record).map_err(refused)?;
        }
        let record = write(&Entry::of(activated, &ground.changes), &mut ledger)?;
        let number = ground.log.next().map_err(refused)?;
        ground.log.append(activated, &ground.changes).map_err(refused)?;
        ground.log.mark_recorded(number, record).map_err(refused)
    };
    let written = all();
    let shut = ledger.shut().map_err(fault);
    written.and(shut).map(|()| format!("on record: {}", records.join(", ")))
}

/// A file that is there stays what it is, and so does what a link leads to.
fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).open(file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}

fn print_changes(ground: &Ground) {
    match (ground.standing.in_force(), ground.changes.as_slice()) {
        (None, _) => println!("nothing was in force before"),
        (Some(_), []) => println!("it says what the set in force says"),
        (Some(_), changes) => changes.iter().for_each(|change| show(&format!("  {change}"))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::new(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    if bytes.len() > ACTIVATION_BYTES_MAX {
        return Err(failed(format!("{} bytes, at most {ACTIVATION_BYTES_MAX}", bytes.len())));
    }
    Ok(bytes)
}

fn signature_bytes(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    if bytes.len() == SIGNATURE_BYTES {
        return Ok(bytes.to_vec());
    }
    let decoded = std::str::from_utf8(bytes).ok().and_then(|text| STANDARD.decode(text.trim()).ok());
    decoded
        .filter(|decoded| decoded.len() == SIGNATURE_BYTES)
        .ok_or_else(|| Failure::new("the signature is neither 64 bytes nor those in base64"))
}
