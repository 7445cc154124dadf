//! What people say of an act, as it goes on record: one line, not empty, not long.

/// What is wrong with it.
pub fn check(what: &str, text: &str, bytes_max: usize) -> Result<(), String> {
    match text {
        _ if text.trim().is_empty() => Err(format!("{what} is empty")),
        _ if text.len() > bytes_max => Err(format!("{what} has {} bytes, at most {bytes_max}", text.len())),
        _ if text.chars().any(char::is_control) => Err(format!("{what} is not one line of text")),
        _ => Ok(()),
    }
}
