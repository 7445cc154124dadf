//! A policy set as a person keeps it: a handful of text files, named together by the digest of all of them.

use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

pub const SETTINGS_FILE: &str = "policy.toml";
pub const LABELS_FILE: &str = "labels.toml";
pub const POLICY_EXTENSION: &str = ".cedar";
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;

/// The files that decide. Cases and notes beside them decide nothing and are no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, String>,
}

/// `sha256:` and 64 letters. What a record names, and what a signature activates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleDigest(String);

impl Bundle {
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Bundle {
        Bundle { files: files.into_iter().collect() }
    }

    /// Whether a file of this name decides anything.
    pub fn takes(name: &str) -> bool {
        name == SETTINGS_FILE || name == LABELS_FILE || (name.ends_with(POLICY_EXTENSION) && !name.contains('/'))
    }

    pub fn file(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    pub fn policies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(name, _)| name.ends_with(POLICY_EXTENSION))
    }

    /// The same without one rule: for finding out whether anybody would miss it. The file must be one that loads.
    pub fn without_rule(&self, file: &str, id: &str) -> Bundle {
        let mut files = self.files.clone();
        if let Some(text) = files.get_mut(file)
            && let Ok(set) = text.parse::<cedar_policy::PolicySet>()
        {
            let kept = set.policies().filter(|policy| policy.annotation("id") != Some(id));
            *text = kept.filter_map(cedar_policy::Policy::to_cedar).collect::<Vec<_>>().join("\n");
        }
        Bundle { files }
    }

    /// The same with one rule that reaches further: each of the parts of its head, and its conditions, left open in turn.
    pub fn with_wider_rule(&self, file: &str, id: &str) -> Vec<Bundle> {
        let set = self.files.get(file).and_then(|text| text.parse::<cedar_policy::PolicySet>().ok());
        let policies: Vec<&cedar_policy::Policy> = set.iter().flat_map(cedar_policy::PolicySet::policies).collect();
        let found = policies.iter().find(|policy| policy.annotation("id") == Some(id));
        let Some(json) = found.and_then(|policy| policy.to_json().ok()) else { return Vec::new() };
        let open = json!({ "op": "All" });
        let parts = [("principal", open.clone()), ("action", open.clone()), ("resource", open), ("conditions", json!([]))];
        let wider = parts.into_iter().filter_map(|(part, wide)| {
            let mut json = json.clone();
            let before = json.get_mut(part)?;
            if *before == wide {
                return None;
            }
            *before = wide;
            let rule = cedar_policy::Policy::from_json(None, json).ok()?.to_cedar()?;
            let others = policies.iter().filter(|policy| policy.annotation("id") != Some(id)).filter_map(|policy| policy.to_cedar());
            let mut files = self.files.clone();
            files.insert(file.to_owned(), others.chain([rule]).collect::<Vec<_>>().join("\n"));
            Some(Bundle { files })
        });
        wider.collect()
    }

    pub fn bytes(&self) -> usize {
        self.files().map(|(name, text)| name.len() + text.len()).sum()
    }

    /// Lengths stand before names and texts, so that no two sets of files read alike.
    pub fn digest(&self) -> BundleDigest {
        let mut hash = Sha256::new();
        hash.update(b"sluice policy bundle, format 1\n");
        for (name, text) in &self.files {
            for part in [name, text] {
                hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        BundleDigest::of(&hash.finalize())
    }
}

impl BundleDigest {
    pub(crate) fn of(bytes: &[u8]) -> BundleDigest {
        let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        BundleDigest(format!("sha256:{hexadecimal}"))
    }

    pub fn parse(text: &str) -> Option<BundleDigest> {
        let letters = text.strip_prefix("sha256:")?;
        let whole = letters.len() == 64 && letters.bytes().all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'));
        whole.then(|| BundleDigest(text.to_owned()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BundleDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(files: &[(&str, &str)]) -> BundleDigest {
        Bundle::new(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))).digest()
    }

    #[test]
    fn a_digest_names_one_set_of_files() {
        let one = digest(&[("a.cedar", "x"), ("b.cedar", "y")]);
        assert_eq!(one, digest(&[("b.cedar", "y"), ("a.cedar", "x")]));
        assert_eq!(BundleDigest::parse(one.text()), Some(one.clone()));
        for other in [
            digest(&[("a.cedar", "xb.cedar"), ("", "y")]),
            digest(&[("a.cedar", "y"), ("b.cedar", "x")]),
            digest(&[("a.cedar", "x")]),
            digest(&[]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_decides_is_told_from_what_lies_beside() {
        for (name, expect) in
            [("policy.toml", true), ("labels.toml", true), ("a.cedar", true), ("cases/a.cedar", false), ("README.md", false)]
        {
            assert_eq!(Bundle::takes(name), expect, "{name}");
        }
        assert_eq!(BundleDigest::parse("sha256:AB"), None);
    }
}
