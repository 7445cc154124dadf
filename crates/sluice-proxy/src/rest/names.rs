//! The names in a path. One thing has one name here: decorators, wildcards and escapes do not make a second.

const NAME_BYTES_MAX: usize = 1_024;
const PROJECT_BYTES_MAX: usize = 128;

/// Letters of a project, also of one under a domain: `example.com:project`.
pub fn is_project(text: &str) -> bool {
    let is_plain =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_domain = |text: &str| text.split('.').all(is_plain);
    let fits = text.len() <= PROJECT_BYTES_MAX;
    fits && text.rsplit_once(':').map_or_else(|| is_plain(text), |(domain, project)| is_domain(domain) && is_plain(project))
}

/// Datasets, jobs, routines, models, row access policies.
pub fn is_plain(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_letter)
}

/// A table by its own name, without a decorator.
pub fn is_table(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    !text.trim().is_empty() && text.trim() == text && text.len() <= NAME_BYTES_MAX && text.chars().all(is_letter)
}

/// The table that a decorated name stands for, and its partition: `t$20240101`. Decorators of time read what labels may no longer stand on.
pub fn decorated(text: &str) -> Option<(&str, Option<&str>)> {
    match text.split_once('$') {
        None => is_table(text).then_some((text, None)),
        Some((table, partition)) => (is_table(table) && is_plain(partition)).then_some((table, Some(partition))),
    }
}

/// Paths of fields, as `selectedFields` lists them.
pub fn field_paths(text: &str) -> Option<Vec<Vec<String>>> {
    let is_field = |part: &str| {
        !part.is_empty() && part.len() <= NAME_BYTES_MAX && part.chars().all(|letter| letter.is_alphanumeric() || "_- ".contains(letter))
    };
    let path = |text: &str| {
        let parts: Vec<String> = text.trim().split('.').map(str::to_owned).collect();
        parts.iter().all(|part| is_field(part)).then_some(parts)
    };
    text.split(',').map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects() {
        for good in ["p", "acme-prod", "123456", "example.com:acme-prod", "a.b.c:d"] {
            assert!(is_project(good), "{good}");
        }
        for bad in
            ["", ".", "..", "P", "a/b", "a b", ":p", "x:", "example..com:p", "a%2f", "p\u{0}", "a_b", "a:b:c", "p.d", &"p".repeat(129)]
        {
            assert!(!is_project(bad), "{bad}");
        }
    }

    #[test]
    fn tables() {
        let check = |text: &str, expect: Option<(&str, Option<&str>)>| assert_eq!(decorated(text), expect, "{text}");
        check("t", Some(("t", None)));
        check("t$20240101", Some(("t", Some("20240101"))));
        check("t$__NULL__", Some(("t", Some("__NULL__"))));
        check("Tägliche Umsätze-2", Some(("Tägliche Umsätze-2", None)));
        for bad in [
            "",
            " ",
            " t",
            "t ",
            "$",
            "t$",
            "$p",
            "t$$p",
            "t$a b",
            "t@0",
            "t@-3600000",
            "t*",
            "events_*",
            "a.b",
            "a`b",
            "t$p@0",
            "t/u",
            "t:getIamPolicy",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn fields() {
        let check = |text: &str, expect: Option<Vec<Vec<&str>>>| {
            let expect = expect
                .map(|paths| paths.into_iter().map(|path| path.into_iter().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>());
            assert_eq!(field_paths(text), expect, "{text}");
        };
        check("a,b.c", Some(vec![vec!["a"], vec!["b", "c"]]));
        check("a, b", Some(vec![vec!["a"], vec!["b"]]));
        for bad in ["", "a,,b", "a.", ".a", "a..b", "*", "a(b)"] {
            check(bad, None);
        }
    }
}
