use super::super::api;
use super::*;
use api::read_session::{TableModifiers, TableReadOptions};

fn request(change: impl FnOnce(&mut CreateReadSessionRequest, &mut ReadSession, &mut TableReadOptions)) -> Vec<u8> {
    let arrow = api::ArrowSerializationOptions { buffer_compression: CompressionCodec::Zstd.into(), ..Default::default() };
    let mut options =
        TableReadOptions { output_format_serialization_options: Some(Options::ArrowSerializationOptions(arrow)), ..Default::default() };
    let mut session = ReadSession {
        table: "projects/acme-prod/datasets/clinic/tables/patients".to_owned(),
        data_format: DataFormat::Arrow.into(),
        ..Default::default()
    };
    let mut request = CreateReadSessionRequest { parent: "projects/acme-prod".to_owned(), ..Default::default() };
    change(&mut request, &mut session, &mut options);
    session.read_options = Some(options);
    request.read_session.get_or_insert(session);
    request.encode_to_vec()
}

fn said(read: Result<Created, Why>) -> String {
    match read {
        Ok(created) => format!("{:?}", created.ask),
        Err(Why::Form { text, .. }) => text,
        Err(other) => format!("{other:?}"),
    }
}

fn check(bytes: &[u8], part: &str) {
    let said = said(create(bytes));
    assert!(said.contains(part), "{said} without {part}");
}

#[test]
fn sessions_are_understood_or_refused() {
    check(&request(|_, _, _| {}), "acme-prod");
    check(&request(|_, _, _| {}), "Arrow(Zstd)");
    check(&request(|_, session, _| session.data_format = DataFormat::Avro.into()), "form: Avro");
    check(&request(|_, session, _| session.data_format = 0), "neither");
    check(&request(|_, session, _| session.data_format = 9), "neither");
    check(&request(|request, _, _| request.parent = "projects/acme-prod/locations/us".to_owned()), "`parent`");
    check(&request(|request, _, _| request.max_stream_count = -1), "`max_stream_count` is negative");
    check(&request(|_, _, options| options.sample_percentage = Some(50.0)), "sample_percentage");
    check(&request(|_, _, options| options.response_compression_codec = Some(2)), "response_compression_codec");
    check(&request(|_, _, options| options.row_restriction = "x".repeat(RESTRICTION_BYTES_MAX + 1)), "more than");
    check(&request(|_, _, options| options.row_restriction = "  id > 7\n".to_owned()), "restriction: \"id > 7\"");
    check(&request(|_, _, options| options.selected_fields = vec!["a.b".to_owned(), "c".to_owned()]), "[[\"a\", \"b\"], [\"c\"]]");
    for bad in ["", "a..b", "a,b", "*", "a(b)", " a", "a.b "] {
        check(&request(|_, _, options| options.selected_fields = vec![bad.to_owned()]), "no path of columns");
    }
    for bad in [
        "p.d.t",
        "projects/p/datasets/d/tables/",
        "projects/p/datasets/d",
        "projects/p/datasets/d/tables/a`b",
        "projects//datasets/d/tables/t",
    ] {
        check(&request(|_, session, _| session.table = bad.to_owned()), "`read_session.table` is not");
    }
    for bad in ["t$20240101", "t@0", "events_*"] {
        check(&request(|_, session, _| session.table = format!("projects/p/datasets/d/tables/{bad}")), "decorator or a wildcard");
    }
    let moment = |seconds: i64, nanos: i32| {
        request(|_, session, _| {
            let mut modifiers = TableModifiers::default();
            let time = modifiers.snapshot_time.get_or_insert_default();
            (time.seconds, time.nanos) = (seconds, nanos);
            session.table_modifiers = Some(modifiers);
        })
    };
    check(&moment(7, 8), "Moment { seconds: 7, nanoseconds: 8 }");
    check(&moment(7, -8), "no moment");
    check(&[], "`read_session` is missing");
    check(b"\xff\xff", "none of this method's");
}

/// What would be left out in silence refuses the whole.
#[test]
fn fields_that_are_not_known_are_refused() {
    let honest = request(|_, _, _| {});
    // Field 15, a number.
    check(&[honest.as_slice(), &[0x78, 1]].concat(), "does not know");
    // `parent` once more: which one counts?
    let again = CreateReadSessionRequest { parent: "projects/other".to_owned(), ..Default::default() }.encode_to_vec();
    check(&[honest.as_slice(), &again].concat(), "does not know");
    let nested = ReadRowsRequest { read_stream: "projects/p/locations/us/sessions/s/streams/0".to_owned(), offset: 3 }.encode_to_vec();
    let found = read(&nested).ok().map(|read| (read.project, read.offset));
    assert_eq!(found, Some(("p".to_owned(), 3)));
    assert!(read(&[nested.as_slice(), &[0x78, 1]].concat()).is_err());
}

#[test]
fn streams_are_named_and_split_within_bounds() {
    let stream = "projects/p/locations/us/sessions/s/streams/0".to_owned();
    assert!(read(&ReadRowsRequest { read_stream: stream.clone(), offset: -1 }.encode_to_vec()).is_err());
    assert!(read(&ReadRowsRequest { read_stream: "streams/0".to_owned(), offset: 0 }.encode_to_vec()).is_err());
    for (fraction, expect) in [(0.5, true), (0.0, false), (1.0, false), (-1.0, false), (f64::NAN, false), (f64::INFINITY, false)] {
        let asked = SplitReadStreamRequest { name: stream.clone(), fraction }.encode_to_vec();
        assert_eq!(split(&asked).is_ok(), expect, "{fraction}");
    }
}
