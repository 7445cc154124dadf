//! Labels of jobs: the client's are kept, and those that tie a job to its record cannot be forged.

use super::fault::{FormFault, Path, quoted};
use serde_json::{Map, Value};
use sluice_app::LABEL_PREFIX;

const LABEL_CHARACTERS_MAX: usize = 63;

pub(super) fn check(labels: &Map<String, Value>, at: &Path<'_>) -> Result<(), FormFault> {
    labels.iter().try_for_each(|(key, value)| one(key, value.as_str().unwrap_or_default(), &at.name(key)))
}

/// `@@query_label` as a property: `team:search,tier:1`. They become labels of the job too.
pub(super) fn check_query_label(text: &str, at: &Path<'_>) -> Result<(), FormFault> {
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(':').unwrap_or((pair, ""));
        one(key.trim(), value.trim(), at)?;
    }
    Ok(())
}

fn one(key: &str, value: &str, at: &Path<'_>) -> Result<(), FormFault> {
    if key.to_lowercase().starts_with(LABEL_PREFIX) {
        let text =
            format!("sets the label {}: names that begin with `{LABEL_PREFIX}` are the gateway's own, choose another one", quoted(key));
        return Err(FormFault::invalid(at, text));
    }
    let is_letter = |letter: char| (letter.is_alphanumeric() && !letter.is_uppercase()) || matches!(letter, '_' | '-');
    let fits = |text: &str| text.chars().count() <= LABEL_CHARACTERS_MAX && text.chars().all(is_letter);
    let begins = key.chars().next().is_some_and(char::is_alphabetic);
    if begins && fits(key) && fits(value) {
        return Ok(());
    }
    let text = format!(
        "sets the label {} to {}: accepted are at most {LABEL_CHARACTERS_MAX} lower case letters, digits, `_` and `-`, and a letter first",
        quoted(key),
        quoted(value)
    );
    Err(FormFault::invalid(at, text))
}
