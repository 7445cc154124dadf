//! The filter of `datasets.list`: `labels.key:value labels.other`, all of which have to hold.

use crate::problem::Problem;
use serde_json::Value;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct LabelFilter {
    /// A key, and its value where one is given.
    wanted: Vec<(String, Option<String>)>,
}

impl LabelFilter {
    pub fn parse(text: &str) -> Result<LabelFilter, Problem> {
        let wrong = || Problem::invalid(format!("Invalid filter expression: {text}"));
        let words = text.split_whitespace().filter(|word| *word != "AND");
        let one = |word: &str| {
            let pair = word.strip_prefix("labels.").filter(|pair| !pair.is_empty()).ok_or_else(wrong)?;
            Ok(match pair.split_once(':') {
                Some((key, "*" | "")) => (key.to_owned(), None),
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (pair.to_owned(), None),
            })
        };
        Ok(LabelFilter { wanted: words.map(one).collect::<Result<_, Problem>>()? })
    }

    /// `labels` of a resource.
    pub fn matches(&self, labels: Option<&Value>) -> bool {
        self.wanted.iter().all(|(key, wanted)| {
            let found = labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
            found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| wanted == found))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_compared() {
        let labels = json!({ "team": "care", "env": "test" });
        let check = |filter: &str, expect: bool| assert_eq!(LabelFilter::parse(filter).unwrap().matches(Some(&labels)), expect, "{filter}");
        check("", true);
        check("labels.team", true);
        check("labels.team:care", true);
        check("labels.team:care labels.env:test", true);
        check("labels.team:care AND labels.env:other", false);
        check("labels.none", false);
        assert!(!LabelFilter::parse("labels.team").unwrap().matches(None));
        assert!(LabelFilter::parse("team:care").is_err());
    }
}
