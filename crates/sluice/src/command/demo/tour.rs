//! The guided tour: the official Python client, once direct and once through the gateway. Without Python it says so and shows what to paste.

use crate::command::Failure;
use std::path::Path;
use std::process::Command;

const TOUR: &str = include_str!("tour.py");

#[expect(clippy::disallowed_methods, reason = "which Python has the client is the user's to say, where no option is")]
pub fn run(folder: &Path) -> Result<(), Failure> {
    let script = folder.join("tour.py");
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", script.display()));
    std::fs::write(&script, TOUR).map_err(failed)?;
    let python = std::env::var("SLUICE_DEMO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = std::env::current_exe().map_err(failed)?;
    let status = Command::new(python).arg(&script).arg(folder).arg(program).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("the tour ended with {status}"))),
        Err(error) => {
            println!("There is no Python to tour with ({error}).");
            Ok(())
        }
    }
}
