//! The text form of OpenMetrics, read strictly: a page that a scraper could take in two ways is a failed test.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Page {
    /// Name and type of each metric.
    pub families: BTreeMap<String, String>,
    /// `name{label="value"}` and its number.
    pub samples: BTreeMap<String, f64>,
}

impl Page {
    pub fn read(text: &str) -> Result<Page, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("it does not end with its mark")?;
        let mut page = Page::default();
        let (mut family, mut helped) = (String::new(), BTreeSet::new());
        for line in body.split_terminator('\n') {
            let fault = |text: &str| format!("{text}: {line}");
            if let Some(comment) = line.strip_prefix("# ") {
                let (word, rest) = comment.split_once(' ').ok_or_else(|| fault("half a comment"))?;
                let (name, value) = rest.split_once(' ').ok_or_else(|| fault("half a comment"))?;
                let is_new = match word {
                    "HELP" => helped.insert(name.to_owned()),
                    "TYPE" => page.families.insert(name.to_owned(), value.to_owned()).is_none(),
                    _ => return Err(fault("another comment")),
                };
                if !is_new || !is_name(name) {
                    return Err(fault("a second time, or no name"));
                }
                family = name.to_owned();
                continue;
            }
            let (key, value) = line.rsplit_once(' ').ok_or_else(|| fault("no number"))?;
            let name = key.split('{').next().unwrap_or_default();
            let kind = page.families.get(&family).ok_or_else(|| fault("before its type"))?;
            let suffix = name.strip_prefix(&family).ok_or_else(|| fault("of another metric"))?;
            if !suffixes(kind).contains(&suffix) {
                return Err(fault("not of its type"));
            }
            labels(key).ok_or_else(|| fault("labels"))?;
            let number: f64 = value.parse().map_err(|_| fault("no number"))?;
            if !number.is_finite() || (kind != "gauge" && number < 0.0) || (kind == "info" && number != 1.0) {
                return Err(fault("no such number"));
            }
            if page.samples.insert(key.to_owned(), number).is_some() {
                return Err(fault("a second time"));
            }
        }
        if helped != page.families.keys().cloned().collect() {
            return Err("a metric without its help or its type".to_owned());
        }
        page.histograms(body)?;
        Ok(page)
    }

    pub fn number(&self, key: &str) -> f64 {
        self.samples.get(key).copied().unwrap_or_default()
    }

    /// Buckets in rising order, the last without an end and equal to the count, and a sum.
    fn histograms(&self, body: &str) -> Result<(), String> {
        let mut last: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for line in body.lines().filter(|line| line.contains("_bucket{")) {
            let (key, count) = line.rsplit_once(' ').unwrap();
            let (name, _) = key.split_once("_bucket{").unwrap();
            let mut others = labels(key).unwrap();
            let end = others.remove("le").ok_or_else(|| format!("without an end: {line}"))?;
            let end: f64 = if end == "+Inf" { f64::INFINITY } else { end.parse().map_err(|_| format!("no end: {line}"))? };
            let count: f64 = count.parse().unwrap();
            let series = series(name, &others);
            if last.get(&series).is_some_and(|(before, less)| *before >= end || *less > count) {
                return Err(format!("not rising: {line}"));
            }
            last.insert(series, (end, count));
        }
        let counts = self.samples.keys().filter(|key| key.split('{').next().unwrap_or_default().ends_with("_count"));
        for key in counts {
            let name = key.split('{').next().unwrap_or_default();
            let of = series(name.trim_end_matches("_count"), &labels(key).unwrap());
            if last.get(&of) != Some(&(f64::INFINITY, self.number(key))) || !self.samples.contains_key(&key.replacen("_count", "_sum", 1)) {
                return Err(format!("its buckets do not add up: {key}"));
            }
        }
        Ok(())
    }
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum"],
        "info" => &["_info"],
        _ => &[],
    }
}

fn series(name: &str, labels: &BTreeMap<String, String>) -> String {
    format!("{name} {labels:?}")
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// None where they do not follow the grammar, or one stands twice. Values of ours need no escapes.
fn labels(key: &str) -> Option<BTreeMap<String, String>> {
    let Some((_, rest)) = key.split_once('{') else { return is_name(key).then(BTreeMap::new) };
    let mut labels = BTreeMap::new();
    for pair in rest.strip_suffix("\"}")?.split("\",") {
        let (name, value) = pair.split_once("=\"")?;
        let is_plain = !value.contains(['"', '\\', '\n']) && is_name(name);
        if !is_plain || labels.insert(name.to_owned(), value.to_owned()).is_some() {
            return None;
        }
    }
    Some(labels)
}

#[test]
fn only_what_follows_the_grammar_is_a_page() {
    let head = "# HELP a A.\n# TYPE a counter\n";
    let histogram = |rows: &str| format!("# HELP h H.\n# TYPE h histogram\n{rows}# EOF\n");
    let check = |text: String, expect: bool| assert_eq!(Page::read(&text).is_ok(), expect, "{text}");
    check(format!("{head}a_total{{x=\"1\",y=\"a,b\"}} 3\n# EOF\n"), true);
    check(format!("{head}a_total 3\n"), false);
    check(format!("{head}a 3\n# EOF\n"), false);
    check(format!("{head}a_total -3\n# EOF\n"), false);
    check(format!("{head}a_total NaN\n# EOF\n"), false);
    check(format!("{head}b_total 3\n# EOF\n"), false);
    check(format!("{head}\na_total 3\n# EOF\n"), false);
    check(format!("{head}a_total 3\na_total 3\n# EOF\n"), false);
    check(format!("{head}a_total{{x=\"1\",x=\"2\"}} 3\n# EOF\n"), false);
    check(format!("{head}a_total{{x=1}} 3\n# EOF\n"), false);
    check(format!("{head}{head}# EOF\n"), false);
    check("# TYPE a counter\na_total 1\n# EOF\n".to_owned(), false);
    check(histogram("h_sum 1.5\nh_count 2\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"), true);
    check(histogram("h_sum 1.5\nh_count 3\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"), false);
    check(histogram("h_sum 1.5\nh_count 2\nh_bucket{le=\"1.0\"} 3\nh_bucket{le=\"+Inf\"} 2\n"), false);
    check(histogram("h_sum 1.5\nh_count 2\nh_bucket{le=\"1.0\"} 2\n"), false);
    check(histogram("h_count 2\nh_bucket{le=\"+Inf\"} 2\n"), false);
}
