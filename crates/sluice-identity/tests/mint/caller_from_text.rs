//! A caller is not read from text.
fn read(text: &str) -> sluice_identity::Caller {
    serde_json::from_str(text).unwrap()
}

fn main() {}
