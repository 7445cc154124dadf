//! Splits Rust source into code, comments and literals, so that a rule never trips over the inside of a string.
//!
//! Not a parser: it knows where tokens begin and end, and nothing about grammar.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Code,
    Comment,
    Literal,
}

/// A word, or one sign: `::` is two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub line: usize,
    pub text: &'a str,
}

/// The source with all parts but `keep` replaced by spaces. Lines stay where they were.
pub fn only(source: &str, keep: &[Part]) -> String {
    let mut view = String::with_capacity(source.len());
    let mut rest = source;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let (part, length) = next_part(rest, first, previous);
        let (text, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if keep.contains(&part) {
            view.push_str(text);
        } else {
            view.extend(text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        }
        previous = first;
        rest = tail;
    }
    view
}

/// The tokens of a view made by `only`.
pub fn tokens(view: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in view.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) { rest.find(|character| !is_word(character)).unwrap_or(rest.len()) } else { first.len_utf8() };
            let (text, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
            tokens.push(Token { line: index + 1, text });
            rest = tail.trim_start();
        }
    }
    tokens
}

/// The lines on which `words` stand one after the other.
pub fn lines_of(tokens: &[Token<'_>], words: &[&str]) -> Vec<usize> {
    let matches = |window: &&[Token<'_>]| window.iter().map(|token| token.text).eq(words.iter().copied());
    tokens.windows(words.len()).filter(matches).filter_map(|window| window.first().map(|token| token.line)).collect()
}

/// The index of the bracket that closes the one at `open`.
pub fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn next_part(rest: &str, first: char, previous: char) -> (Part, usize) {
    if let Some(length) = comment(rest) {
        return (Part::Comment, length);
    }
    let raw = if is_word(previous) { None } else { raw_string(rest) };
    match raw.or_else(|| quoted(rest)).or_else(|| character_literal(rest)) {
        Some(length) => (Part::Literal, length),
        None => (Part::Code, first.len_utf8()),
    }
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.strip_prefix("/*")?;
    let mut depth = 0usize;
    let mut position = 0;
    while let Some(tail) = rest.get(position..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            position += 2;
        } else {
            position += tail.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return Some(position);
        }
    }
    Some(rest.len())
}

/// `r"..."`, `br#"..."#` and the like. `r#fn` is a name.
fn raw_string(rest: &str) -> Option<usize> {
    let letters = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let hashes_and_more = letters.strip_prefix('r')?;
    let body = hashes_and_more.trim_start_matches('#');
    let hashes = hashes_and_more.len() - body.len();
    let content = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let content_start = rest.len() - content.len();
    Some(content.find(&end).map_or(rest.len(), |found| content_start + found + end.len()))
}

fn quoted(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (position, character) in content.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(1 + position + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// `'x'` or `'\n'`, not the lifetime `'x`.
fn character_literal(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('\'')?;
    let first = content.chars().next()?;
    let body = if first == '\\' { 1 + content.get(1..)?.chars().next()?.len_utf8() } else { first.len_utf8() };
    let tail = content.get(body..)?;
    let close = if first == '\\' { tail.find('\'')? } else { tail.starts_with('\'').then_some(0)? };
    Some(1 + body + close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, code: &str) {
        let view = only(source, &[Part::Code]);
        assert_eq!(view.split_whitespace().collect::<Vec<_>>().join(" "), code, "{source}");
        assert_eq!(view.matches('\n').count(), source.matches('\n').count(), "{source}");
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        check("a // b\nc", "a c");
        check("a /* b /* c */ d */ e", "a e");
        check("a /* never closed", "a");
        check(r#"f("b // c") // d"#, "f( )");
        check(r#"f("\"{") {"#, "f( ) {");
        check("f(r#\"a \" {\"#) }", "f( ) }");
        check("f(br\"\\\") x", "f( ) x");
        check("r#fn x", "r#fn x");
        check("letter\"x\"y", "letter y");
        check("f('{', b'}', '\\'', '\\u{7b}', 'é')", "f( , b , , , )");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
    }

    #[test]
    fn comments_can_be_kept_and_code_left_out() {
        assert_eq!(only("a // b\n\"c\"", &[Part::Comment]), "  // b\n   ");
        assert_eq!(only("a \"c\"", &[Part::Literal]), "  \"c\"");
    }

    #[test]
    fn tokens_know_their_line() {
        let found: Vec<(usize, &str)> = tokens("use a::b;\n  x!").iter().map(|token| (token.line, token.text)).collect();
        assert_eq!(found, [(1, "use"), (1, "a"), (1, ":"), (1, ":"), (1, "b"), (1, ";"), (2, "x"), (2, "!")]);
        assert_eq!(lines_of(&tokens("a\nb c\nb\nc"), &["b", "c"]), [2, 3]);
    }

    #[test]
    fn brackets_are_paired() {
        let found = tokens("f(a[1], {b}) c");
        assert_eq!(closing(&found, 1), Some(10));
        assert_eq!(closing(&tokens("{ {"), 0), None);
    }
}
