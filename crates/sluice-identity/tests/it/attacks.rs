//! `data/attacks.txt`: every line is tried on its shape, or on all of them.

use crate::issuer::{SHAPES, data, encode, honest_claims, honest_header, moment, token, verify, world};
use serde_json::{Map, Value};

/// A token that is being spoiled.
pub struct Forgery {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    header_text: Option<String>,
    claims_text: Option<String>,
    header_tail: String,
    claims_tail: String,
    signature: Signature,
    before: String,
    after: String,
    replace: Option<(String, String)>,
}

enum Signature {
    Honest,
    Of(String),
    Strangers,
    Text(String),
}

pub fn attacks() -> Vec<(String, String, String)> {
    let text = data("attacks.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.flat_map(|line| {
        let [shape, changes, expect] = line.split(" | ").collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let shapes: Vec<&str> = if shape == "every" { SHAPES.to_vec() } else { vec![shape] };
        shapes.into_iter().map(|shape| (shape.to_owned(), changes.to_owned(), expect.to_owned())).collect::<Vec<_>>()
    });
    parsed.collect()
}

pub fn forge(shape: &str, changes: &str) -> String {
    let mut forgery = Forgery {
        header: honest_header(shape),
        claims: honest_claims(shape),
        header_text: None,
        claims_text: None,
        header_tail: String::new(),
        claims_tail: String::new(),
        signature: Signature::Honest,
        before: String::new(),
        after: String::new(),
        replace: None,
    };
    changes.split(" ; ").for_each(|change| forgery.change(change));
    forgery.write()
}

#[test]
fn no_attack_is_accepted() {
    let attacks = attacks();
    let mut wrong = Vec::new();
    for (shape, changes, expect) in &attacks {
        let found = match verify(forge(shape, changes).as_bytes()) {
            Ok(_) => "accepted".to_owned(),
            Err(refusal) => {
                format!("{:?}", refusal.reason).split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
            }
        };
        if found != *expect {
            wrong.push(format!("{shape} | {changes} | {expect}: {found}"));
        }
    }
    let refused = attacks.iter().filter(|(_, _, expect)| expect != "accepted").count();
    println!("{refused} attacks and {} honest variants, {} wrong", attacks.len() - refused, wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_attacks_enough() {
    let lines =
        data("attacks.txt").lines().filter(|line| line.contains(" | ") && !line.starts_with('#') && !line.ends_with("accepted")).count();
    assert!(lines >= 180, "{lines}");
    for shape in SHAPES {
        assert!(attacks().iter().filter(|(of, ..)| of == shape).count() >= 100, "{shape}");
    }
}

#[test]
fn sizes_are_limited() {
    for bytes in [sluice_identity::TOKEN_BYTES_MAX + 1, 1024 * 1024, 16 * 1024 * 1024] {
        let refusal = verify(&vec![b'a'; bytes]).unwrap_err();
        assert_eq!(refusal.reason, sluice_identity::Reason::TokenTooLong { bytes });
    }
    let named = |length| verify(forge("github", &format!("actor = \"{}\"", "a".repeat(length))).as_bytes());
    assert!(named(1024).is_ok() && named(1025).is_err());
    for token in ["", ".", "..", "...", "a", "a.b", "a.b.c", "\u{ff}.\u{ff}.\u{ff}"] {
        assert!(verify(token.as_bytes()).is_err(), "{token}");
    }
    assert!(verify(&[0xff, 0xfe, b'.', b'.']).is_err());
}

/// The claims of a token may be another token: it stays a text.
#[test]
fn tokens_in_tokens_are_refused() {
    let inner = crate::issuer::honest_token("github");
    let header = Value::Object(honest_header("github")).to_string();
    for claims in [inner.clone(), format!("\"{inner}\""), format!("{{\"iss\":\"https://gitlab.com\",\"jwt\":\"{inner}\"}}")] {
        assert!(verify(token(&header, &claims, &world().ours).as_bytes()).is_err(), "{claims}");
    }
    assert!(verify(format!("{inner}.{inner}").as_bytes()).is_err());
    assert!(verify(format!("{inner}\n{inner}").as_bytes()).is_err());
}

impl Forgery {
    fn change(&mut self, change: &str) {
        let value =
            |text: &str| moment(text).unwrap_or_else(|| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")));
        let text = |json: &str| serde_json::from_str::<String>(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        if let Some(rest) = change.strip_prefix("sign ") {
            self.signature = match rest {
                "strangers" => Signature::Strangers,
                "nothing" => Signature::Text(String::new()),
                _ if rest.starts_with('"') => Signature::Text(text(rest)),
                _ => Signature::Of(rest.to_owned()),
            };
        } else if let Some(rest) = change.strip_prefix("token before ") {
            self.before = text(rest);
        } else if let Some(rest) = change.strip_prefix("token after ") {
            self.after = text(rest);
        } else if let Some(rest) = change.strip_prefix("token replace ") {
            let (from, to) = rest.split_once(' ').unwrap();
            self.replace = Some((text(from), text(to)));
        } else if let Some(rest) = change.strip_prefix("header text = ") {
            self.header_text = Some(text(rest));
        } else if let Some(rest) = change.strip_prefix("claims text = ") {
            self.claims_text = Some(text(rest));
        } else if let Some((name, json)) = change.strip_prefix("header.twice ").and_then(|rest| rest.split_once(" = ")) {
            self.header_tail = format!(",\"{name}\":{json}");
        } else if let Some((name, json)) = change.strip_prefix("twice ").and_then(|rest| rest.split_once(" = ")) {
            self.claims_tail = format!(",\"{name}\":{json}");
        } else {
            let (place, members) = match change.strip_prefix("header.") {
                Some(rest) => (rest, &mut self.header),
                None => (change, &mut self.claims),
            };
            match place.split_once(" = ") {
                Some((path, json)) => set(members, path, Some(value(json))),
                None => set(members, place.strip_suffix(" -").unwrap_or_else(|| panic!("{change}")), None),
            }
        }
    }

    fn write(self) -> String {
        let object = |members: &Map<String, Value>, tail: &str| {
            let text = Value::Object(members.clone()).to_string();
            format!("{}{tail}}}", text.strip_suffix('}').unwrap())
        };
        let header = self.header_text.unwrap_or_else(|| object(&self.header, &self.header_tail));
        let claims = self.claims_text.unwrap_or_else(|| object(&self.claims, &self.claims_tail));
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let token = match self.signature {
            Signature::Honest => token(&header, &claims, &world().ours),
            Signature::Of(algorithm) => format!("{signed}.{}", encode(&world().ours.sign(&algorithm, signed.as_bytes()))),
            Signature::Strangers => token(&header, &claims, &world().strangers),
            Signature::Text(text) => format!("{signed}.{text}"),
        };
        let token = match self.replace {
            Some((from, to)) => token.replacen(&from, &to, 1),
            None => token,
        };
        format!("{}{token}{}", self.before, self.after)
    }
}

fn set(members: &mut Map<String, Value>, path: &str, value: Option<Value>) {
    match path.split_once(" > ") {
        Some((outer, inner)) => {
            let inside = members.get_mut(outer).and_then(Value::as_object_mut).unwrap_or_else(|| panic!("no object `{outer}`"));
            set(inside, inner, value);
        }
        None => match value {
            Some(value) => drop(members.insert(path.to_owned(), value)),
            None => assert!(members.remove(path).is_some(), "`{path}` is not there"),
        },
    }
}
