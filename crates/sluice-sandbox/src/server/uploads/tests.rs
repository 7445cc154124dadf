use super::*;
use serde_json::json;

const STEP: u64 = CHUNK_STEP_BYTES as u64;

fn owner(user: &str) -> Owner {
    Owner { project: "p".to_owned(), user_email: user.to_owned() }
}

fn begun(declared: Option<u64>) -> Uploads {
    let uploads = Uploads::default();
    uploads.begin("u".to_owned(), owner("a"), json!({ "job": 1 }), declared, 0).unwrap();
    uploads
}

/// `A..B`, `complete N`, or the reason of a refusal.
fn put_within(uploads: &Uploads, range: &str, length: u64, kept_bytes_max: Option<u64>) -> String {
    let header = (!range.is_empty()).then_some(range);
    let bytes = vec![b'x'; usize::try_from(length).unwrap()];
    let piece = Piece { range: ContentRange::parse(header).unwrap(), bytes: &bytes, kept_bytes_max };
    match uploads.put("u", &owner("a"), &piece, 0) {
        Ok(Step::Incomplete { received_bytes }) => format!("has {received_bytes}"),
        Ok(Step::Complete { media, job }) => format!("complete {} {job}", media.len()),
        Ok(Step::Ended(outcome)) => format!("ended {outcome:?}"),
        Err(problem) => problem.reason.word().to_owned(),
    }
}

fn put(uploads: &Uploads, range: &str, length: u64) -> String {
    put_within(uploads, range, length, None)
}

#[test]
fn pieces_make_a_file() {
    let check = |declared: Option<u64>, pieces: &[(&str, u64, &str)]| {
        let uploads = begun(declared);
        for (range, length, expect) in pieces {
            assert_eq!(put(&uploads, range, *length), *expect, "{declared:?} {range}");
        }
    };
    let all = "complete 262154 {\"job\":1}";
    check(None, &[("bytes */*", 0, "has 0"), ("bytes 0-262143/262154", STEP, "has 262144"), ("bytes 262144-262153/262154", 10, all)]);
    check(None, &[("bytes 0-262143/*", STEP, "has 262144"), ("bytes 262144-262153/262154", 10, all)]);
    check(None, &[("bytes 0-262143/*", STEP, "has 262144"), ("bytes */262144", 0, "complete 262144 {\"job\":1}")]);
    check(Some(10), &[("bytes 0-9/*", 10, "complete 10 {\"job\":1}")]);
    check(Some(0), &[("", 0, "complete 0 {\"job\":1}")]);
    check(None, &[("", 7, "complete 7 {\"job\":1}")]);
    // Only whole steps are kept of what is not the end, and what came twice counts once.
    check(None, &[("bytes 0-300000/*", 300_001, "has 262144"), ("bytes 0-300000/300001", 300_001, "complete 300001 {\"job\":1}")]);
    check(None, &[("bytes 0-262143/262154", STEP, "has 262144"), ("bytes 0-262143/262154", STEP, "has 262144")]);
    check(None, &[("bytes 0-99/*", 100, "has 0"), ("bytes */100", 0, "has 0")]);
}

#[test]
fn pieces_that_do_not_fit_change_nothing() {
    let check = |range: &str, length: u64, expect: &str| {
        let uploads = begun(Some(STEP + 10));
        assert_eq!(put(&uploads, "bytes 0-262143/*", STEP), "has 262144");
        assert_eq!(put(&uploads, range, length), expect, "{range}");
        assert_eq!(put(&uploads, "bytes */*", 0), "has 262144", "{range}");
    };
    check("bytes 262145-262153/262154", 9, "backendError");
    check("bytes 262144-262153/262154", 9, "invalid");
    check("bytes 262144-262153/262155", 10, "invalid");
    check("bytes 262144-262154/*", 11, "invalid");
    check("bytes */262143", 0, "invalid");
    check("bytes */262155", 0, "invalid");
    check("bytes */*", 1, "invalid");
    check("", 5, "invalid");
    check(&format!("bytes 262144-{UPLOAD_BYTES_MAX}/*"), 1, "invalid");
}

#[test]
fn a_chunk_may_be_kept_in_part() {
    let uploads = begun(None);
    assert_eq!(put_within(&uploads, "bytes 0-786431/786432", 3 * STEP, Some(STEP + 5)), "has 262144");
    assert_eq!(put_within(&uploads, "bytes 262144-786431/786432", 2 * STEP, Some(0)), "has 262144");
    assert_eq!(put(&uploads, "bytes 262144-786431/786432", 2 * STEP), "complete 786432 {\"job\":1}");
}

#[test]
fn what_is_complete_is_told_again() {
    let uploads = begun(None);
    assert_eq!(put(&uploads, "bytes 0-9/10", 10), "complete 10 {\"job\":1}");
    assert_eq!(put(&uploads, "bytes 0-9/10", 10), "backendError");
    uploads.end("u", Ok("j".to_owned()));
    for range in ["bytes */*", "bytes */10"] {
        assert_eq!(put(&uploads, range, 0), "ended Ok(\"j\")");
    }
    assert_eq!(put(&uploads, "bytes 0-9/10", 10), "ended Ok(\"j\")");
    assert!(uploads.cancel("u", &owner("a"), 0).is_err());
}

#[test]
fn uploads_are_their_owners_and_end() {
    let uploads = begun(None);
    let asks = Piece { range: ContentRange::Asks { total: None }, bytes: &[], kept_bytes_max: None };
    let check = |user: &str, now: i64, expect: Result<Step, Reason>| {
        assert_eq!(uploads.put("u", &owner(user), &asks, now).map_err(|problem| problem.reason), expect, "{user} {now}");
    };
    check("a", 5, Ok(Step::Incomplete { received_bytes: 0 }));
    check("b", 5, Err(Reason::NotFound));
    assert_eq!(uploads.cancel("u", &owner("b"), 5).unwrap_err().reason, Reason::NotFound);
    check("a", 5 + UPLOAD_IDLE_MILLISECONDS_MAX, Ok(Step::Incomplete { received_bytes: 0 }));
    check("a", 6 + 2 * UPLOAD_IDLE_MILLISECONDS_MAX, Err(Reason::NotFound));
    let uploads = begun(None);
    uploads.cancel("u", &owner("a"), 0).unwrap();
    assert_eq!(uploads.put("u", &owner("a"), &asks, 0).unwrap_err().reason, Reason::NotFound);
}

#[test]
fn there_is_a_bound_for_all_of_them() {
    let uploads = Uploads::default();
    let begin = |id: usize, now: i64| uploads.begin(id.to_string(), owner("a"), Value::Null, None, now);
    assert!((0..UPLOADS_MAX).all(|id| begin(id, 0).is_ok()));
    assert_eq!(begin(UPLOADS_MAX, 0).unwrap_err().reason, Reason::ResourcesExceeded);
    uploads.end("7", Ok("j".to_owned()));
    assert!(begin(UPLOADS_MAX, 0).is_ok());
    assert!(begin(UPLOADS_MAX + 1, 0).is_err());
    assert!(begin(UPLOADS_MAX + 1, UPLOAD_IDLE_MILLISECONDS_MAX + 1).is_ok());
    assert_eq!(uploads.lock().len(), 1);
    assert!(uploads.begin("large".to_owned(), owner("a"), Value::Null, Some(UPLOAD_BYTES_MAX as u64 + 1), 0).is_err());
}

#[test]
fn there_is_a_bound_for_the_bytes_of_all_of_them() {
    let bytes = vec![b'x'; 2 * CHUNK_STEP_BYTES];
    let check = |room_bytes: usize, expect: Result<Step, Reason>| {
        let mut upload = Upload {
            owner: owner("a"),
            job: Value::Null,
            declared: None,
            received: Vec::new(),
            touched_milliseconds: 0,
            stage: Stage::Receiving,
        };
        let piece = Piece { range: ContentRange::Part { first: 0, last: 2 * STEP - 1, total: None }, bytes: &bytes, kept_bytes_max: None };
        assert_eq!(upload.put(&piece, room_bytes).map_err(|problem| problem.reason), expect, "{room_bytes}");
    };
    check(bytes.len(), Ok(Step::Incomplete { received_bytes: 2 * STEP }));
    check(bytes.len() - 1, Err(Reason::ResourcesExceeded));
}
