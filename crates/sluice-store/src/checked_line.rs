//! Lines of small files that only grow: each carries a check, so that one that is damaged is told from one that is whole.

use crate::facts::hexadecimal;
use aws_lc_rs::digest;
use std::fs::File;
use std::io;
use std::path::Path;

/// With its end.
pub fn checked(body: &str) -> String {
    format!("{body} {}\n", check(body))
}

/// What stands in a line with its end; None if it is damaged.
pub fn unchecked(line: &str) -> Option<&str> {
    let (body, found) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    (found == check(body)).then_some(body)
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// The name of a file is durable once its folder is.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn check(body: &str) -> String {
    hexadecimal(sha256(body.as_bytes()).get(..4).unwrap_or_default())
}
