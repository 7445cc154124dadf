//! What of BigQuery's words a caller is told. What is wrong with a row quotes it, and names columns: whoever may only write is told no more than where it is wrong.

use super::ports::{AppendAnswer, AppendFault, RowFault};
use crate::gateway::{Gateway, Passage};
use crate::ports::UpstreamFault;
use crate::refusal::Why;
use sluice_model::TableName;
use sluice_policy::{MayTell, Outcome};

const NO_FIT: &str = "the row does not fit the table";
const NOT_TAKEN: &str = "BigQuery did not take the rows. What it says of them is withheld, because the table has labelled columns";

/// Of one table, to one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    /// Texts of BigQuery's.
    pub texts: bool,
    /// The schema of the table, descriptions included.
    pub schema: bool,
}

/// What the client and BigQuery call the same stream.
pub(super) struct Names<'a> {
    pub ours: &'a str,
    pub theirs: &'a str,
}

impl Gateway {
    pub(super) async fn telling_of(&self, passage: &Passage, table: &TableName) -> Telling {
        let found = self.columns(&passage.visit.trail, &passage.connection, std::slice::from_ref(table), None).await;
        // A table that nobody can look up may have any label.
        let Ok(found) = found else { return Telling { texts: false, schema: false } };
        let may = |name: &str, outputs| {
            let evaluation = self.weigh_method(passage, &table.project, (name, table, outputs), &found.known);
            evaluation.outcome == Outcome::Permitted && evaluation.masks.is_empty()
        };
        let schema = may("tables.get", Vec::new());
        let is_labelled = self.is_labelled(table, &found.outputs, &found.known);
        Telling { texts: schema && (!is_labelled || may("tabledata.list", found.outputs.clone())), schema }
    }
}

impl Telling {
    pub fn answer(self, answer: AppendAnswer, names: &Names<'_>) -> AppendAnswer {
        let AppendAnswer { taken, row_faults, schema } = answer;
        let taken = taken.map_err(|fault| AppendFault { text: self.text(&fault.text, NOT_TAKEN, names), ..fault });
        let row_faults = row_faults.into_iter().map(|fault| RowFault { text: self.text(&fault.text, NO_FIT, names), ..fault }).collect();
        AppendAnswer { taken, row_faults, schema: schema.filter(|_| self.schema) }
    }

    pub fn text(self, said: &str, own: &str, names: &Names<'_>) -> String {
        if self.texts { names.renamed(said) } else { own.to_owned() }
    }

    pub fn fault(self, mut fault: UpstreamFault, names: &Names<'_>) -> Why {
        if let Some(error) = &mut fault.error {
            error.message = names.renamed(&error.message);
        }
        let Telling { texts, .. } = self;
        crate::decide::failed(fault, MayTell { texts, errors: texts, dry_runs: texts, way: texts, sizes: texts })
    }
}

impl Names<'_> {
    fn renamed(&self, text: &str) -> String {
        if self.theirs.is_empty() { text.to_owned() } else { text.replace(self.theirs, self.ours) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn who_may_not_read_is_told_where_it_is_wrong_and_no_more() {
        let names = Names { ours: "t/streams/ours", theirs: "t/streams/theirs" };
        let said = || AppendAnswer {
            taken: Err(AppendFault { code: 3, storage: Some(7), text: "canary. Entity: t/streams/theirs".to_owned() }),
            row_faults: vec![RowFault { index: 4, code: 1, text: "canary is no INT64".to_owned() }],
            schema: Some(Bytes::from_static(b"canary")),
        };
        let check = |telling: Telling, text: &str, row: &str, schema: bool| {
            let told = telling.answer(said(), &names);
            let expect = AppendFault { code: 3, storage: Some(7), text: text.to_owned() };
            assert_eq!(told.taken, Err(expect));
            assert_eq!(told.row_faults, [RowFault { index: 4, code: 1, text: row.to_owned() }]);
            assert_eq!(told.schema.is_some(), schema);
        };
        check(Telling { texts: true, schema: true }, "canary. Entity: t/streams/ours", "canary is no INT64", true);
        check(Telling { texts: false, schema: true }, NOT_TAKEN, NO_FIT, true);
        check(Telling { texts: false, schema: false }, NOT_TAKEN, NO_FIT, false);
    }
}
