//! What masks that hash are keyed with. Who has it can try values out; who loses it loses what `keyed_hash` joined.

use crate::command::Failure;
use sluice_mask::{MASK_SECRET_BYTES, MaskKeys};
use sluice_store::{LocalMachine, Machine};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// In the folder of state. Replicas have the same.
pub const MASK_SECRET_FILE: &str = "mask-secret";
const FILE_MODE: u32 = 0o600;

/// Refuses to overwrite one.
pub fn create(path: &Path) -> Result<(), Failure> {
    let failed = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let mut secret = [0; MASK_SECRET_BYTES];
    LocalMachine::default().random(&mut secret).map_err(|fault| failed(fault.to_string()))?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).map_err(|error| failed(error.to_string()))?;
    let written = file.write_all(format!("{}\n", sluice_app::hex(&secret)).as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| failed(error.to_string()))
}

pub fn open(path: &Path) -> Result<MaskKeys, Failure> {
    let failed = |text: &str| Failure::new(format!("{}: {text}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(&format!("{error}; `sluice init` makes what is missing")))?;
    let secret = read(&text).ok_or_else(|| failed(&format!("it is not {MASK_SECRET_BYTES} bytes, written as hexadecimal digits")))?;
    Ok(MaskKeys::new(&secret))
}

fn read(text: &str) -> Option<[u8; MASK_SECRET_BYTES]> {
    let digits = text.strip_suffix('\n').unwrap_or(text).as_bytes();
    if digits.len() != 2 * MASK_SECRET_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, _) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        let (text_of, mode) =
            (|path: &Path| std::fs::read_to_string(path).unwrap(), |path: &Path| path.metadata().unwrap().permissions().mode());
        create(&one).unwrap();
        create(&other).unwrap();
        assert_eq!(mode(&one) & 0o777, 0o600);
        let secret = read(&text_of(&one)).unwrap();
        assert!(read(&text_of(&other)).is_some_and(|other| other != secret));
        assert!(create(&one).is_err() && read(&text_of(&one)) == Some(secret));
        assert!(open(&one).is_ok() && open(&folder.path().join("none")).is_err());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let good = "0123456789abcdef".repeat(4);
        assert!(read(&good).is_some_and(|secret| secret[..3] == [0x01, 0x23, 0x45]));
        for bad in ["", "0123", &format!("{good}0"), &format!("{good}\n\n"), &good.replace('a', "g"), &good.replace("a", "é")] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
