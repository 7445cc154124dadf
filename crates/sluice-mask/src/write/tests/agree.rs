//! What is quick against what goes step by step, and a page on its way against the whole of it, where both are odd.

use super::*;

/// One letter or space more, another one, or some less: often it is still a row, written otherwise.
fn edit(text: &mut String, chance: &mut Chance) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let Some(at) = places.get(chance.below(places.len().max(1))).copied() else { return };
    match chance.below(6) {
        0..=2 => {
            // Where a space changes nothing, mostly.
            let from = text.split_at(at).1.find(['{', '[', ',', ':', '}', ']']).map_or(at, |found| at + found);
            text.insert(from, [' ', '\n'][chance.below(2)]);
        }
        3 => text.insert(at, ['"', '{', '}', '[', ']', ',', ':', '\\', 'x', 'ö', '\u{1}'][chance.below(11)]),
        4 => drop(text.remove(at)),
        _ => text.insert_str(at, ["{\"v\":\"x\"},", ",{\"v\":null}", "null", "\\u0041", "\",\"v\":\""][chance.below(5)]),
    }
}

type Rewritten = (Vec<usize>, Option<(String, Vec<((usize, usize, u64), Vec<Count>)>)>);

/// Where each row ended, until one was odd; and what was written.
fn rewritten(mut scan: Scan<'_>, columns: &Columns, writer: &Writer) -> Rewritten {
    let (mut written, mut ends) = (Written::new(writer.clone(), columns.clone()), Vec::new());
    while scan.peek().is_some() && written.row(&mut scan, 200).is_ok() {
        ends.push(scan.at());
        if !scan.eat(b',') {
            break;
        }
    }
    (ends, written.leave(true).map(|leaving| (leaving.text.to_string(), leaving.pieces)))
}

fn checked(mut scan: Scan<'_>, columns: &Columns) -> Vec<usize> {
    let mut ends = Vec::new();
    while scan.peek().is_some() && columns.row(&mut scan).is_ok() {
        ends.push(scan.at());
        if !scan.eat(b',') {
            break;
        }
    }
    ends
}

proptest! {
    /// What is compared as a whole is what it is step by step, however rows are written and wherever they are odd.
    #[test]
    fn step_by_step_it_is_the_same(
        fields in prop::collection::vec(field(), 1..5), rows in 1_usize..6, seed: u64, masks in 0_usize..4, edits in 0_usize..4,
    ) {
        let mut chance = Chance(seed | 1);
        let tree = Value::Array(fields.clone());
        let rows: Vec<String> = (0..rows).map(|_| row(&tree, &mut chance).to_string()).collect();
        // Those as well that no naive reader can do.
        let words = [&MASKS[..], &["email", "keyed_hash", "random_hash", "refuse", "constant(\"it\\s)"]].concat();
        let masks = masks_out_of(&words, masks, &tree, &mut chance);
        let mut text = rows.join(",");
        (0..edits).for_each(|_| edit(&mut text, &mut chance));
        let columns = Columns::of_schema(&json!({ "fields": fields })).unwrap();
        let writer = writer(&columns, &masks);
        prop_assert_eq!(rewritten(Scan::new(&text), &columns, &writer), rewritten(Scan::slow(&text), &columns, &writer), "{}", text);
        prop_assert_eq!(checked(Scan::new(&text), &columns), checked(Scan::slow(&text), &columns), "{}", text);
        prop_assert_eq!(rewritten(Scan::new(&text), &columns, &writer).0, checked(Scan::slow(&text), &columns), "{}", text);
        prop_assert!(edits > 0 || checked(Scan::new(&text), &columns).len() == rows.len());
    }

    /// Where a page is odd as a whole it is so on its way, too, and nowhere else; broken bytes among them.
    #[test]
    fn a_spoiled_page_is_odd_however_it_comes(
        fields in prop::collection::vec(field(), 1..4), rows in 1_usize..12, seed: u64, pretty: bool, masks in 1_usize..4,
        first in 0_usize..400, step in 1_usize..300, piece in 1_usize..600, spoil in prop::option::weighted(0.8, 0_usize..3_000),
    ) {
        let mut chance = Chance(seed | 1);
        let tree = Value::Array(fields.clone());
        let rows: Vec<Value> = (0..rows).map(|_| row(&tree, &mut chance)).collect();
        let masks = some_masks(masks, &tree, &mut chance);
        let (mut bytes, _, columns) = page(&fields, &rows, pretty);
        let begin = bytes.windows(7).position(|bytes| bytes == b"\"rows\":").unwrap() + 8;
        if let Some(byte) = spoil.and_then(|at| bytes.get_mut(begin + at)) {
            *byte = b"\"{}[],:x \\\xff"[chance.below(11)];
        }
        let writer = writer(&columns, &masks);
        let whole = RawPage::read(&bytes).map_err(|_| MaskFault::Shape);
        let whole = whole.and_then(|page| if page.rows.is_empty() { Ok(vec![]) } else { written(&page, Some(&columns), writer.clone()) });
        match (tried_on_its_way(&bytes, begin + first, step, &columns, &writer, piece), whole) {
            (Some(Ok(found)), Ok(expect)) => {
                let ((count, text, cells), (expected, whole, expected_cells)) = (joined(&found), joined(&expect));
                prop_assert!(count == expected && cells == expected_cells && text == whole);
            }
            (Some(Err(_)), Err(_)) => {}
            (Some(found), expect) => prop_assert!(false, "on its way: {found:?}, whole: {expect:?}"),
            (None, _) => prop_assert!(spoil.is_some() || begin + first > bytes.len()),
        }
    }
}
