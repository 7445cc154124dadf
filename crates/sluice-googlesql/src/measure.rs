//! Figures about the parts of a call, for `examples/bench.rs`.

use crate::encode::Record;
use crate::googlesql::GoogleSql;
use sluice_sql::engine::{Catalog, Fault};
use std::time::Instant;

const ROUNDS: u32 = 50;

impl GoogleSql {
    /// What a part is called, and how many milliseconds it takes.
    pub fn measure(&self) -> Result<Vec<(&'static str, f64)>, Fault> {
        let parse = self.parse_request("SELECT 1")?;
        let catalog = Record::new()
            .with("name", "root")
            .with("builtin_function_options", self.language.builtin(&Catalog::default(), std::iter::empty()));
        let register = self.write("RegisterCatalogRequest", &Record::new().with("simple_catalog", catalog))?;
        self.pool().run(self.settings.evaluation, move |session| {
            session.drop_instance();
            let mut found = vec![("instance creation", timed(1, || session.reset())?)];
            let (mut called, mut dirtied) = (0.0, 0.0);
            for _ in 0..ROUNDS {
                called += timed(1, || session.call("Parse", &parse).map(drop))?;
                dirtied += timed(1, || session.reset())?;
            }
            found.push(("parse alone", called / f64::from(ROUNDS)));
            found.push(("reset after a call", dirtied / f64::from(ROUNDS)));
            let mut registered = 0.0;
            for _ in 0..ROUNDS {
                session.reset()?;
                registered += timed(1, || session.call("RegisterCatalog", &register).map(drop))?;
            }
            found.push(("register alone", registered / f64::from(ROUNDS)));
            found.push(("difference", timed(ROUNDS, || session.difference().map(drop))?));
            found.push(("base memory in MiB", session.base_bytes() as f64 / f64::from(1 << 20)));
            Ok(found)
        })
    }
}

fn timed(rounds: u32, mut work: impl FnMut() -> Result<(), Fault>) -> Result<f64, Fault> {
    let start = Instant::now();
    for _ in 0..rounds {
        work()?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(rounds))
}
