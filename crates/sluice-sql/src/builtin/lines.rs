//! The text shared by the tables: entries over indented lines, lists that respect brackets and quotes, names that stand for types.

use sluice_model::Type;
use std::collections::BTreeMap;

/// One entry: its first line, and the indented lines behind it joined by spaces.
pub(super) struct Entry {
    pub line: usize,
    pub head: String,
    pub rest: String,
}

pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for (position, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match found.last_mut() {
            Some(entry) if line.starts_with(' ') => {
                entry.rest.push(' ');
                entry.rest.push_str(line.trim());
            }
            _ => found.push(Entry { line: position + 1, head: line.trim_end().to_owned(), rest: String::new() }),
        }
    }
    found
}

/// The parts between separators that stand outside brackets and quotes, trimmed. An empty text has no parts.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (position, letter) in outside(text) {
        if letter == separator {
            parts.push(text.get(begin..position).unwrap_or_default().trim());
            begin = position + letter.len_utf8();
        }
    }
    let last = text.get(begin..).unwrap_or_default().trim();
    if !last.is_empty() || !parts.is_empty() {
        parts.push(last);
    }
    parts
}

/// `before(inside)after`, by the bracket that closes the first one.
pub(super) fn brackets(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('(')?;
    let mut depth = 0_usize;
    for (position, letter) in text.char_indices().skip_while(|(position, _)| *position < open) {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..open)?.trim(), text.get(open + 1..position)?, text.get(position + 1..)?.trim()));
        }
    }
    None
}

/// Names that stand for a type's text. A later one may use earlier ones.
#[derive(Default)]
pub(super) struct Aliases {
    texts: BTreeMap<String, String>,
}

impl Aliases {
    pub fn define(&mut self, name: &str, text: &str) {
        let text = self.resolve(text);
        self.texts.insert(name.to_owned(), text);
    }

    pub fn resolve(&self, text: &str) -> String {
        replace_words(text, |word| self.texts.get(word).cloned())
    }

    pub fn kind(&self, text: &str) -> Result<Type, String> {
        Type::parse(&self.resolve(text)).map_err(|error| error.to_string())
    }
}

/// Puts something else in place of whole words (letters, digits, `_`) outside quotes.
pub(super) fn replace_words(text: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut word = String::new();
    let mut quote = None;
    for letter in text.chars().chain([' ']) {
        if quote.is_none() && (letter.is_alphanumeric() || letter == '_') {
            word.push(letter);
            continue;
        }
        replaced.push_str(&replacement(&word).unwrap_or_else(|| word.clone()));
        word.clear();
        quote = if quote == Some(letter) { None } else { quote.or(Some(letter).filter(|letter| is_quote(*letter))) };
        replaced.push(letter);
    }
    replaced.pop();
    replaced
}

/// Every letter that stands outside brackets and quotes. The arrows `=>` and `->` close nothing.
fn outside(text: &str) -> Vec<(usize, char)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut before = ' ';
    for (position, letter) in text.char_indices() {
        let arrow = letter == '>' && (before == '=' || before == '-');
        match quote {
            Some(open) => quote = if letter == open && before != '\\' { None } else { Some(open) },
            None if is_quote(letter) => quote = Some(letter),
            None if matches!(letter, '(' | '[' | '<' | '{') => depth += 1,
            None if matches!(letter, ')' | ']' | '>' | '}') && !arrow => depth = depth.saturating_sub(1),
            None if depth == 0 => found.push((position, letter)),
            None => {}
        }
        before = letter;
    }
    found
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '\'' | '"' | '`')
}
