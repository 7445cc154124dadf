//! Starts a sandbox and prints its address. `serve [--port N] [--token BEARER=EMAIL]... [--folder PATH] [--admin]`

use sluice_googlesql::GoogleSql;
use sluice_googlesql::artefact::{Artefact, Place, Sources, install_if_missing};
use sluice_sandbox::{Sandbox, Settings, Token};
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let settings = settings(std::env::args().skip(1))?;
    let place = Place::from_environment();
    install_if_missing(&Sources::from_environment(), &place)?;
    let engine = GoogleSql::start(&Artefact::load(&place)?, sluice_googlesql::Settings::default())?;
    let running = Sandbox::start(Arc::new(engine), settings)?;
    println!("{}", running.url());
    loop {
        std::thread::park();
    }
}

fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Settings, Box<dyn Error>> {
    let mut settings = Settings::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` takes a value"));
        match argument.as_str() {
            "--admin" => settings.admin = true,
            "--folder" => settings.folder = Some(value()?.into()),
            "--port" => settings.port = value()?.parse()?,
            "--token" => {
                let text = value()?;
                let (bearer, user_email) = text.split_once('=').ok_or("a token is BEARER=EMAIL")?;
                settings.tokens.push(Token { bearer: bearer.to_owned(), user_email: user_email.to_owned() });
            }
            other => return Err(format!("unknown argument `{other}`").into()),
        }
    }
    Ok(settings)
}
