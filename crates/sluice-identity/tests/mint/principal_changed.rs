//! A proven caller stays who it is.
fn promote(caller: &mut sluice_identity::Caller) {
    caller.principal().groups.insert("administrators".to_owned());
}

fn main() {}
