//! What can be asked, and the texts of `--help`.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

const ABOUT: &str = "Verifies the evidence of Sluice without trusting Sluice.

Everything that is believed comes from your own trust file; the ledger only has to agree with it. Nothing is sent anywhere.

A trust file, with keys that you got by another way than the ledger:

    log ledger.example.com/one+530d903a+AekyeRrm56h...
    witness siem w.example.com/siem+d6d5b83f+BAxy...
    witness audit w.example.com/audit+7f3a11b0+BLq2...
    group both 2 siem audit
    quorum both

`quorum none` asks for no witness; then whoever holds the log's key can rewrite the log, and no verifier can tell.";

const LEDGER: &str = "Reads a whole ledger: every checkpoint, leaf, tile, body and key.

Each section of each record ends in one of these:
  VERIFIED  the text was opened and is the one that was put on record (needs --master-keys)
  SEALED    every bit of the ciphertext is as recorded; the text was not opened
  ERASED    given up, and a record says by whose right
  EXPIRED   given up because its time was over, and a record says so
  FAIL      none of these

A deletion of the last records, with an older checkpoint put back, is a true ledger of an earlier time. Three things tell it apart:
  --seen FILE          a checkpoint that you hold, or ask a witness for (GET /HASH/checkpoint)
  --unwitnessed-max N  how many records may lack witnesses
  --alive-within S     how old the last sign of life may be; the log beats at least every two minutes

Not evidence, and not looked at: lock, wal/, standing.json, restored.json, keys/rewrite, and one with .new behind its
name. Run it on a copy, or on a ledger that is not written to.";

const WITNESS: &str = "Cosigns checkpoints of the logs in a trust file, as long as each continues the one before it (c2sp.org/tlog-witness).

Run it where whoever runs the log cannot reach: that is all its worth. It keeps one small file for each log, and answers 409 with the size that it
knows to a log that went back. Losing the folder means forgetting; restoring an old copy means forgetting since then.";

#[derive(Parser)]
#[command(name = "sluice-verify", version, about = "Verifies the evidence of Sluice without trusting Sluice", long_about = ABOUT)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Verify a whole ledger.
    #[command(long_about = LEDGER)]
    Ledger(Ledger),
    /// Verify the proof of one record.
    Proof(Proof),
    /// Serve as a witness.
    #[command(long_about = WITNESS)]
    Witness(Witness),
    /// Make the key of a witness, and print what goes into trust files.
    WitnessKey(WitnessKey),
}

#[derive(Args)]
pub struct Ledger {
    /// The folder of the ledger.
    pub folder: PathBuf,
    /// Whom to believe.
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// Which log, where the trust file names several.
    #[arg(long)]
    pub origin: Option<String>,
    /// `master.keys` of the store. Opens the sections; without it they stay sealed.
    #[arg(long, value_name = "FILE")]
    pub master_keys: Option<PathBuf>,
    /// Leaves, tiles and checkpoints alone.
    #[arg(long)]
    pub without_bodies: bool,
    /// A checkpoint that was seen elsewhere; the ledger has to continue it.
    #[arg(long, value_name = "FILE")]
    pub seen: Vec<PathBuf>,
    /// Fail if more records than this are not covered by witnesses.
    #[arg(long, value_name = "COUNT")]
    pub unwitnessed_max: Option<u64>,
    /// Fail if the ledger is open and its last record is older than this.
    #[arg(long, value_name = "SECONDS")]
    pub alive_within: Option<u64>,
    /// Say what became of each section of this record.
    #[arg(long, value_name = "NUMBER", conflicts_with = "without_bodies")]
    pub record: Option<u64>,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Proof {
    /// A file that `sluice ledger prove` wrote.
    pub file: PathBuf,
    /// Whom to believe.
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Witness {
    /// Where to listen; put something that speaks TLS in front of it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8477")]
    pub listen: SocketAddr,
    /// What it remembers.
    #[arg(long)]
    pub folder: PathBuf,
    /// The logs to cosign; other lines do not matter here.
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// The file that `witness-key` wrote.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

#[derive(Args)]
pub struct WitnessKey {
    /// The name that will stand in its cosignatures.
    #[arg(long)]
    pub name: String,
    /// The file to write; it must not be there.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
