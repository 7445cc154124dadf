// The body of a job from anybody. What is taken is written anew, and says the same when it is read again.
#![no_main]

use sluice_proxy::rest::configuration::{Inserted, Place, Way, insert, query_request, read};

const PLACE: Place<'_> = Place { connection: "main", project: "acme-prod", job_id: "sluice_0a1b" };

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = read(bytes) else { return };
    for way in [Way::Insert, Way::Upload] {
        if let Ok(asked) = insert(&PLACE, &body, way) {
            says_the_same(&asked, way);
        }
    }
    if let Ok(mut request) = query_request(&PLACE, &body) {
        request.ask.request_id = None;
        says_the_same(&Inserted::Query(Box::new(request.ask)), Way::Insert);
    }
});

fn says_the_same(asked: &Inserted, way: Way) {
    let (sends, id) = match asked {
        Inserted::Method(ask) => (&ask.sends, ask.begins.as_ref().map_or("", |job| &job.id)),
        Inserted::Query(ask) => (&ask.sends, ask.job.id.as_str()),
    };
    let mut sent = sends.body.clone().expect("a job has a body");
    if id == PLACE.job_id {
        // The gateway's own ids are not for clients to send. The first one in the body is the job's.
        sent = sent.replacen("\"jobId\":\"sluice_0a1b\"", "\"jobId\":null", 1);
    }
    let again = read(sent.as_bytes()).expect("what is sent is JSON");
    assert_eq!(insert(&PLACE, &again, way).as_ref(), Ok(asked), "{sent}");
}
