//! Answers out of several pages: whatever is hidden, and wherever its pages end, the rows that leave are the same ones, in the same pieces.

use crate::permit::{output, page_of, permit};
use proptest::prelude::*;
use serde_json::json;
use sluice_mask::{Joining, MASK_SECRET_BYTES, MaskFault, MaskKeys, MaskedRows, Masker, PageStart, ROWS_BYTES_MAX, RawPage};

const LABEL: &str = "[labels.hidden]\nmask = \"default_value\"\nreason = \"r\"\ncolumns = [\"p.d.t.a\"]\n";

fn masker() -> Masker {
    let outputs = vec![output("a", Some("STRING"), &[("", "a")]), output("b", Some("STRING"), &[("", "b")])];
    Masker::new(&permit(page_of("j", vec![outputs]), LABEL), &MaskKeys::new(&[7; MASK_SECRET_BYTES]))
}

fn page(rows: &[String], token: Option<&str>) -> Vec<u8> {
    let columns = ["a", "b"].map(|name| json!({ "name": name, "type": "STRING" }));
    let (job, schema) = (json!({ "projectId": "p", "jobId": "j" }), json!({ "fields": columns }));
    let token = token.map(|token| format!(r#","pageToken":"{token}""#)).unwrap_or_default();
    format!(r#"{{"jobReference":{job},"schema":{schema},"jobComplete":true,"rows":[{}]{token}}}"#, rows.join(",")).into_bytes()
}

fn row(hidden: usize, clear: &str) -> String {
    format!(r#"{{"f":[{{"v":"{}"}},{{"v":"{clear}"}}]}}"#, "h".repeat(hidden))
}

/// Its pieces, whether there are more rows, and how many it has.
type Answer = (Vec<(u64, String)>, bool, u64);

/// As the gateway does it: pages until the answer is full or there are no more. A step says how a page comes: whole, or in parts of so many bytes.
fn joined(rows: &[String], ends: &[usize], step: Option<usize>, mut joining: Joining) -> Result<Answer, MaskFault> {
    let mut from = 0;
    for end in ends.iter().copied().chain([rows.len()]) {
        if from > 0 && (joining.is_full() || !joining.has_more()) {
            break;
        }
        let bytes = page(&rows[from..end], (end < rows.len()).then_some("next"));
        match step {
            None => joining.whole(&RawPage::read(&bytes).unwrap())?,
            Some(step) => {
                let begin = bytes.windows(8).position(|word| word == br#""rows":["#).unwrap() + 8;
                let (start, rest) = bytes.split_at(begin);
                joining.begin(PageStart::open(start.to_vec()).unwrap())?;
                for part in rest.chunks(step) {
                    joining.take(part)?;
                }
                joining.end_page()?;
            }
        }
        from = end;
    }
    joining.finish()?;
    let (has_more, count) = (joining.has_more(), joining.rows());
    let pieces: Vec<MaskedRows> = std::iter::from_fn(|| joining.piece()).collect();
    Ok((pieces.iter().map(|piece| (piece.count(), piece.text().to_owned())).collect(), has_more, count))
}

/// Which rows belong into the answer, by what is shown of them.
fn reference(clear: &[String], rows_max: Option<u64>, bytes_max: usize) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for text in clear {
        if shown.join(",").len() >= bytes_max || rows_max.is_some_and(|max| shown.len() as u64 >= max) {
            break;
        }
        shown.push(row(0, text));
    }
    shown
}

proptest! {
    #[test]
    fn where_pages_end_and_what_is_hidden_decides_nothing(
        given in prop::collection::vec((0_usize..40, "[a-z]{0,12}"), 1..24),
        ends in prop::collection::btree_set(1_usize..24, 0..6),
        step in prop::option::of(1_usize..50),
        rows_max in prop::option::of(1_u64..30),
        bytes_max in 1_usize..600,
    ) {
        let clear: Vec<String> = given.iter().map(|(_, clear)| clear.clone()).collect();
        let rows: Vec<String> = given.iter().map(|(hidden, clear)| row(*hidden, clear)).collect();
        let ends: Vec<usize> = ends.into_iter().filter(|end| *end < rows.len()).collect();
        let found = joined(&rows, &ends, step, masker().join(rows_max, bytes_max));
        let expect = reference(&clear, rows_max, bytes_max);
        let (pieces, has_more, count) = found.unwrap();
        prop_assert_eq!(pieces, vec![(expect.len() as u64, expect.join(","))]);
        prop_assert_eq!((has_more, count), (expect.len() < rows.len(), expect.len() as u64));
    }
}

#[test]
fn pieces_are_as_long_as_what_is_shown_makes_them() {
    let clear = "c".repeat(ROWS_BYTES_MAX / 3);
    let check = |hidden: usize, ends: &[usize], step: Option<usize>| {
        let rows = vec![row(hidden, &clear); 9];
        let (pieces, has_more, _) = joined(&rows, ends, step, masker().join(None, 2 * ROWS_BYTES_MAX)).unwrap();
        let counts: Vec<u64> = pieces.iter().map(|(count, _)| *count).collect();
        assert_eq!((counts, has_more), (vec![2, 2, 2], true), "{hidden} {ends:?} {step:?}");
    };
    check(0, &[], None);
    check(0, &[], Some(1 << 18));
    check(90_000, &[1, 2, 3, 4, 5, 6, 7, 8], None);
    check(90_000, &[1, 4, 5], Some(1 << 16));
    check(500_000, &[3, 6], Some(1 << 20));
}

#[test]
fn pages_of_one_answer_are_of_one_job_and_have_the_same_columns() {
    let mut joining = masker().join(None, 1_000);
    joining.whole(&RawPage::read(&page(&[row(1, "x")], Some("next"))).unwrap()).unwrap();
    let text = String::from_utf8(page(&[row(1, "x")], None)).unwrap();
    let of_other = |from: &str, to: &str| RawPage::read(text.replace(from, to).as_bytes()).unwrap();
    assert_eq!(joining.whole(&of_other(r#""jobId":"j""#, r#""jobId":"k""#)), Err(MaskFault::Foreign));
    assert_eq!(joining.whole(&of_other(r#""name":"b""#, r#""name":"c""#)), Err(MaskFault::Shape));
}

#[test]
fn few_more_rows_are_asked_for_than_fit() {
    let mut joining = masker().join(Some(1_000), 10_000);
    assert_eq!(joining.rows_wanted(), Some(1_000));
    let rows = vec![row(5, "x"); 10];
    joining.whole(&RawPage::read(&page(&rows, Some("next"))).unwrap()).unwrap();
    // Of 25 bytes each, with a comma: 10 of some 390 that fit.
    let wanted = joining.rows_wanted().unwrap();
    assert!((350..500).contains(&wanted) && joining.has_more() && !joining.is_full(), "{wanted}");
}
