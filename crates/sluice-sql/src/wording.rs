//! Texts that leave an analysis. Names and the engine's messages repeat what the caller wrote, which may be a megabyte long.

/// Of a refusal's reason, and of each thing that could not be resolved.
pub(crate) const TEXT_BYTES_MAX: usize = 2 << 10;

const CUT: &str = " ... (cut)";

/// The text, or its beginning and a note that it was cut.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX - CUT.len()));
        text.push_str(CUT);
    }
    text
}

/// What a kind of the tree is called in SQL, as far as its name says so: `CREATE SEQUENCE`.
pub(crate) fn spoken(kind: &str) -> String {
    let bare = kind.strip_prefix("Resolved").unwrap_or(kind);
    let bare = ["Stmt", "Scan", "Expr"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
    let mut words = String::with_capacity(bare.len() + 8);
    let mut after_small = false;
    for letter in bare.chars() {
        if after_small && letter.is_uppercase() {
            words.push(' ');
        }
        after_small = letter.is_lowercase();
        words.extend(letter.to_uppercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, bytes: usize, cut: bool) {
        let found = bounded(text.to_owned());
        assert_eq!((found.len(), found.ends_with(CUT)), (bytes, cut), "{found}");
        assert!(text.starts_with(found.trim_end_matches(CUT)));
    }

    #[test]
    fn kinds_have_words() {
        let check = |kind: &str, expect: &str| assert_eq!(spoken(kind), expect);
        check("ResolvedCreateSequenceStmt", "CREATE SEQUENCE");
        check("ResolvedGraphTableScan", "GRAPH TABLE");
        check("ResolvedFlatten", "FLATTEN");
        check("ResolvedDMLValue", "DMLVALUE");
        check("", "");
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        check("", 0, false);
        check(&"x".repeat(TEXT_BYTES_MAX), TEXT_BYTES_MAX, false);
        check(&"x".repeat(TEXT_BYTES_MAX + 1), TEXT_BYTES_MAX, true);
        // Two and four bytes a letter, shifted by one: the cut falls inside of a letter.
        check(&format!("x{}", "ß".repeat(TEXT_BYTES_MAX)), TEXT_BYTES_MAX - 1, true);
        check(&format!("x{}", "😀".repeat(TEXT_BYTES_MAX)), TEXT_BYTES_MAX - 1, true);
    }
}
