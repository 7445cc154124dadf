//! Parsing is told a part of the language's features. That it makes no difference is tried on every text of the project's tests.

use crate::encode::Record;
use crate::installed::engine;
use std::path::Path;

const FOLDERS: [&str; 3] = ["cases", "honest", "statements"];
/// What separates the parts of a file: names, texts, expectations. The last two are both read as statements; what fails to parse must fail alike.
const SEPARATORS: [&str; 2] = ["===", "---"];
const TEXTS_MIN: usize = 2_000;

fn texts() -> Vec<String> {
    let testkit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sluice-testkit");
    let mut texts = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(testkit.join(folder)).expect("folder") {
            let path = entry.expect("entry").path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                let mut text = String::new();
                for line in std::fs::read_to_string(&path).expect("text").lines() {
                    if SEPARATORS.iter().any(|separator| line.starts_with(separator)) {
                        texts.push(std::mem::take(&mut text));
                    } else {
                        text.push_str(line);
                        text.push('\n');
                    }
                }
                texts.push(text);
            }
        }
    }
    texts
}

#[test]
fn the_short_list_of_features_parses_as_the_whole_one() {
    let engine = engine();
    let parsed = |text: &str, options| {
        let record = Record::new().with("sql_statement", text).with("options", options).with("allow_script", true);
        let request = engine.write("ParseRequest", &record).expect("request");
        engine.pool().run(engine.settings.evaluation, move |session| {
            session.reset()?;
            session.call("Parse", &request)
        })
    };
    let (texts, mut good) = (texts(), 0);
    for text in &texts {
        let whole = parsed(text, engine.language.item());
        assert_eq!(parsed(text, engine.language.of_syntax()), whole, "{text}");
        good += usize::from(whole.is_ok());
    }
    assert!(texts.len() > TEXTS_MIN && good > TEXTS_MIN / 2, "{good} of {} texts are statements", texts.len());
}
