//! Files with secrets, as the store and `witness-key` write them: `master.keys` has a line `ID KEY` for each key, the current one first; the key
//! of a witness is one line, `NAME SEED`. What is wrong is said without the secret.

use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::note::{KeyKind, Signer};

pub const SECRETS_BYTES_MAX: u64 = 16 * 1024;

pub fn master_keys(bytes: &[u8]) -> Result<LocalMasterKeys, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not a text".to_owned())?;
    let line = |line: &str| {
        let (id, key) = line.split_once(' ')?;
        Some((MasterKeyId(hexadecimal(id)?), hexadecimal(key)?))
    };
    let keys: Vec<(MasterKeyId, [u8; 32])> =
        text.lines().map(line).collect::<Option<_>>().ok_or("each line has an id of 8 hexadecimal digits, a space, a key of 64")?;
    let (current, older) = keys.split_first().ok_or("it names no master key")?;
    LocalMasterKeys::new(*current, older).map_err(|_| "two master keys have one id, or there are too many".to_owned())
}

pub fn witness(bytes: &[u8]) -> Result<Signer, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not a text".to_owned())?;
    let (name, seed) = text.trim_end().split_once(' ').ok_or("expected a name, a space, and 64 hexadecimal digits")?;
    let seed = hexadecimal(seed).ok_or("a seed has 64 hexadecimal digits")?;
    Signer::from_seed(name, KeyKind::Witness, &seed).map_err(|fault| fault.to_string())
}

pub fn hexadecimal_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly `N` bytes, in lower case.
fn hexadecimal<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}
