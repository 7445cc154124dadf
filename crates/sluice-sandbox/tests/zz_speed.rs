#[cfg(test)]
mod warehouse;
#[cfg(test)]
mod tests {
    use super::warehouse::*;
    use sluice_sql::engine::*;
    use std::time::Instant;
    #[test]
    fn speed() {
        let engine = engine();
        for round in 0..2 {
        let t = Instant::now();
        for n in 0..100 { engine.parse(&format!("SELECT UPPER(name), {n}{round} FROM clinic.patients WHERE id < 5")).unwrap(); }
        println!("parse {:?}", t.elapsed() / 100);
        let w = with_data(&Default::default());
        for sql in ["SELECT 1", "SELECT UPPER(name) FROM clinic.patients WHERE id < 5","SELECT id FROM clinic.visits WHERE id < 5","SELECT COUNT(*) FROM clinic.v_visits"] {
            answer(&w, sql);
            let t = Instant::now();
            for n in 0..50 { answer(&w, &format!("{sql} -- {n}")); }
            println!("{sql} {:?}", t.elapsed() / 50);
            let t = Instant::now();
            for _ in 0..50 { answer(&w, sql); }
            println!("{sql} same {:?}", t.elapsed() / 50);
        }
        }
    }
}
