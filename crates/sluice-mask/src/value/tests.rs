//! Every rule on every type, as a table.

use super::*;
use crate::keys::MaskKeys;
use crate::mail::LOCAL_PART_BYTES_MAX;

fn values(form: TimestampForm) -> Values {
    Values { keys: MaskKeys::new(&[7; crate::keys::MASK_SECRET_BYTES]).of_result(&["job", "w", "p", "j"]), form }
}

fn masked_as(mask: &str, kind: &str, may_be_null: bool, form: TimestampForm, cell: &str) -> String {
    let (mask, kind) = (Mask::parse(mask).unwrap(), Type::parse(kind).unwrap());
    let mut out = String::from("before");
    let (values, scalar) = (values(form), Scalar { kind: &kind, may_be_null });
    values.write(&mask, scalar, Cell::of(cell), &mut out);
    // The quick ways write the same.
    if let (Cell::Plain(value), true) = (Cell::of(cell), keeps_plain(&mask, scalar)) {
        let mut quick = String::from("before\"");
        values.write_plain(&mask, value, &mut quick);
        assert_eq!(format!("{quick}\""), out);
    }
    if let Some(same) = values.whatever_it_held(&mask, scalar) {
        assert_eq!(format!("before{same}"), out);
    }
    out.strip_prefix("before").unwrap().to_owned()
}

fn check(mask: &str, kind: &str, cell: &str, expect: &str) {
    assert_eq!(masked_as(mask, kind, true, TimestampForm::FloatSeconds, cell), expect, "{mask} on {kind} {cell}");
}

const HASH: [&str; 3] = ["keyed_hash", "random_hash", "sha256"];
/// Of `abcd`, of no text, of three bytes.
const ABCD: &str = "\"iNQmb9TmM40TuEX88olXnSCciXgjuSF9o+Fhk28DFYk=\"";
const EMPTY: &str = "\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"";

/// Type, a value, the default, the default where NULL may not stand.
const TYPES: [(&str, &str, &str, &str); 15] = [
    ("STRING", "\"CANARY\"", "\"\"", "\"\""),
    ("BYTES", "\"Q0FOQVJZ\"", "\"\"", "\"\""),
    ("INT64", "\"4711\"", "\"0\"", "\"0\""),
    ("FLOAT64", "\"47.11\"", "\"0.0\"", "\"0.0\""),
    ("NUMERIC", "\"47.11\"", "\"0\"", "\"0\""),
    ("BIGNUMERIC", "\"47.11\"", "\"0\"", "\"0\""),
    ("BOOL", "\"true\"", "\"false\"", "\"false\""),
    ("DATE", "\"2023-05-17\"", "\"1970-01-01\"", "\"1970-01-01\""),
    ("TIME", "\"10:11:12.5\"", "\"00:00:00\"", "\"00:00:00\""),
    ("DATETIME", "\"2023-05-17T10:11:12\"", "\"1970-01-01T00:00:00\"", "\"1970-01-01T00:00:00\""),
    ("TIMESTAMP", "\"1.7E9\"", "\"0.0\"", "\"0.0\""),
    ("INTERVAL", "\"4-7 1 1:0:0\"", "null", "\"0-0 0 0:0:0\""),
    ("GEOGRAPHY", "\"POINT(4 7)\"", "\"POINT(0 0)\"", "\"POINT(0 0)\""),
    ("JSON", "\"{\\\"a\\\":\\\"CANARY\\\"}\"", "null", "\"null\""),
    ("RANGE<DATE>", "\"[2023-05-17, 2023-05-18)\"", "null", "\"[UNBOUNDED, UNBOUNDED)\""),
];

#[test]
fn each_rule_on_each_type() {
    let form = TimestampForm::FloatSeconds;
    for (kind, cell, nullable, required) in TYPES {
        for value in [cell, "null"] {
            check("always_null", kind, value, "null");
            check("refuse", kind, value, "null");
            check("default_value", kind, value, nullable);
            let constant = if kind == "STRING" { r#""it's \"hidden\" \\ here""# } else { nullable };
            check("constant(it's \"hidden\" \\ here)", kind, value, constant);
        }
        assert_eq!(masked_as("always_null", kind, false, form, cell), required, "{kind}");
        assert_eq!(masked_as("default_value", kind, false, form, cell), required, "{kind}");
        // Policy gives no such mask to such a type. If it did, nothing would pass.
        let parts = ["email", "last_four", "first_four", "partial(last, 4, *)", "partial(first, 1, *)"];
        for mask in HASH.iter().chain(&parts).chain(&["date_year"]) {
            check(mask, kind, "null", "null");
            let fits = match *mask {
                "date_year" => ["DATE", "DATETIME", "TIMESTAMP"].contains(&kind),
                mask if HASH.contains(&mask) => ["BYTES", "STRING"].contains(&kind),
                _ => kind == "STRING",
            };
            if !fits {
                check(mask, kind, cell, nullable);
                assert_eq!(masked_as(mask, kind, false, form, cell), required, "{mask} {kind}");
            }
        }
    }
}

#[test]
fn hashes_are_base64_of_the_bytes_that_are_meant() {
    check("sha256", "STRING", "\"abcd\"", ABCD);
    check("sha256", "STRING", "\"\\u0061bc\\u0064\"", ABCD);
    check("sha256", "STRING", "\"\"", EMPTY);
    check("sha256", "BYTES", "\"YWJjZA==\"", ABCD);
    check("sha256", "BYTES", "\"YWJjZA\\u003d=\"", ABCD);
    // What is no base64 cannot be read, so nothing of it passes.
    check("sha256", "BYTES", "\"abc!\"", "\"\"");
    check("keyed_hash", "BYTES", "\"YWJjZA\"", "\"\"");
    let hash = |mask: &str, kind: &str, cell: &str| masked_as(mask, kind, true, TimestampForm::FloatSeconds, cell);
    for mask in HASH {
        assert_eq!(hash(mask, "STRING", "\"abcd\""), hash(mask, "BYTES", "\"YWJjZA==\""), "{mask}");
        assert_ne!(hash(mask, "STRING", "\"abcd\""), hash(mask, "STRING", "\"abce\""), "{mask}");
        assert_eq!(hash(mask, "STRING", "\"abcd\"").len(), ABCD.len(), "{mask}");
    }
    assert_ne!(hash("keyed_hash", "STRING", "\"abcd\""), hash("random_hash", "STRING", "\"abcd\""));
}

#[test]
fn parts_are_counted_in_characters() {
    for (value, last, first) in [
        ("995-76-0013", "XXXXX0013", "995-XXXXX"),
        ("abcde", "XXXXXbcde", "abcdXXXXX"),
        ("größe", "XXXXXröße", "größXXXXX"),
        ("a😀b😀c", "XXXXX😀b😀c", "a😀b😀XXXXX"),
    ] {
        check("last_four", "STRING", &format!("\"{value}\""), &format!("\"{last}\""));
        check("first_four", "STRING", &format!("\"{value}\""), &format!("\"{first}\""));
    }
    check("last_four", "STRING", "\"ab\\\"\\\\\\n\\ud83d\\ude00\"", "\"XXXXX\\\"\\\\\\n😀\"");
    check("first_four", "STRING", "\"\\u0001\\\"\\t\\\\rest\"", "\"\\u0001\\\"\\t\\\\XXXXX\"");
    for mask in ["last_four", "first_four"] {
        check(mask, "STRING", "\"abcd\"", ABCD);
        check(mask, "STRING", "\"\"", EMPTY);
        assert_eq!(masked_as(mask, "STRING", true, TimestampForm::FloatSeconds, "\"😀é\"").len(), ABCD.len());
    }
    for (mask, value, expect) in [
        ("partial(last, 4, *)", "995-76-0013", "*******0013"),
        ("partial(first, 3, X)", "995-76-0013", "995XXXXXXXX"),
        ("partial(last, 1, #)", "größe", "####e"),
        ("partial(first, 1, #)", "😀é😀", "😀##"),
        ("partial(last, 4, *)", "abcd", "****"),
        ("partial(last, 4, *)", "abcde", "*bcde"),
        ("partial(first, 4, 0)", "ab", "00"),
        ("partial(first, 4, 0)", "", ""),
    ] {
        check(mask, "STRING", &format!("\"{value}\""), &format!("\"{expect}\""));
    }
}

#[test]
fn addresses_keep_their_domain() {
    for (value, expect) in [
        ("ana@acme.example", "XXXXX@acme.example"),
        ("a.b+c@mail.acme-1.co", "XXXXX@mail.acme-1.co"),
        ("x@1.2.xn--p1ai", "XXXXX@1.2.xn--p1ai"),
    ] {
        check("email", "STRING", &format!("\"{value}\""), &format!("\"{expect}\""));
    }
    for value in [
        "",
        "ana",
        "@acme.example",
        "ana@",
        "ana@acme",
        "ana@acme.",
        "ana@.example",
        "ana@acme..example",
        "ana@-acme.example",
        "ana@acme-.example",
        "ana@127.0.0.1",
        "ana@4711.0815",
        "ana@acme.e",
        "ana@ssn 995.example",
        "a@b@acme.example",
        ".a@acme.example",
        "a..b@acme.example",
        "a b@acme.example",
        "ana@größe.example",
        "ana@acme.example, ben@acme.example",
    ] {
        let hash = masked_as("sha256", "STRING", true, TimestampForm::FloatSeconds, &format!("\"{value}\""));
        check("email", "STRING", &format!("\"{value}\""), &hash);
    }
    let long = format!("\"{}@acme.example\"", "a".repeat(LOCAL_PART_BYTES_MAX + 1));
    check("email", "STRING", &long, &masked_as("sha256", "STRING", true, TimestampForm::FloatSeconds, &long));
}

#[test]
fn moments_stay_in_their_form() {
    use TimestampForm::{FloatSeconds, Int64Microseconds, Iso8601};
    for (kind, value, expect) in [
        ("DATE", "2023-05-17", "2023-01-01"),
        ("DATETIME", "2023-05-17T10:11:12.5", "2023-01-01T00:00:00"),
        ("TIMESTAMP", "1.7E9", "1.6725312E9"),
        ("TIMESTAMP", "1700000000000000", "1672531200000000"),
        ("TIMESTAMP", "2023-11-14T22:13:20Z", "2023-01-01T00:00:00Z"),
    ] {
        for form in [FloatSeconds, Int64Microseconds, Iso8601] {
            let masked = masked_as("date_year", kind, true, form, &format!("\"{value}\""));
            assert_eq!(masked, format!("\"{expect}\""), "{kind} {form:?}");
        }
    }
    // What cannot be read is the default, in the form that was asked for.
    for (form, epoch) in [(FloatSeconds, "\"0.0\""), (Int64Microseconds, "\"0\""), (Iso8601, "\"1970-01-01T00:00:00Z\"")] {
        for mask in ["date_year", "default_value"] {
            assert_eq!(masked_as(mask, "TIMESTAMP", true, form, "\"CANARY\""), epoch, "{mask}");
        }
        assert_eq!(masked_as("default_value", "TIMESTAMP", true, form, "null"), epoch);
        assert_eq!(masked_as("default_value", "TIMESTAMP", true, form, "\"1.7E9\""), "\"0.0\"");
        assert_eq!(masked_as("default_value", "TIMESTAMP", true, form, "\"17\""), "\"0\"");
        assert_eq!(masked_as("always_null", "TIMESTAMP", false, form, "\"CANARY\""), epoch);
    }
    for (kind, expect) in [("DATE", "\"1970-01-01\""), ("DATETIME", "\"1970-01-01T00:00:00\"")] {
        check("date_year", kind, "\"CANARY\"", expect);
    }
}

#[test]
fn text_is_escaped_as_it_must_be() {
    for text in ["", "plain", "\"", "\\", "a\"b\\c\nd\re\tf\u{1}\u{1f}\u{7f}", "größe 😀", "\n\n", "x\""] {
        let mut out = String::new();
        write_string(text, &mut out);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text, "{out}");
    }
}
