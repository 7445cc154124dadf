//! Models: what is said about them. They are made and trained by statements.

use super::super::configuration::FormFault;
use super::super::configuration::message::table::MODEL_REFERENCE;
use super::super::configuration::shape::{Message, Shape, TEXT, dropped, kept, refused};
use super::{Call, Decoded, named, object, reference, resource, says};

const LABELS_MAX: usize = 64;
const KEY: &str = "names an encryption key, which the gateway does not choose for a caller: have it set by whoever administers the project";
const TRAINED: &str = "comes out of training: use `CREATE MODEL ...` as a query job";

static MODEL: Message = Message {
    name: "Model",
    fields: &[
        kept("modelReference", Shape::Object(&MODEL_REFERENCE)),
        kept("friendlyName", TEXT),
        kept("description", TEXT),
        kept("labels", Shape::Texts(LABELS_MAX)),
        kept("expirationTime", Shape::Long { least: 0 }),
        refused("encryptionConfiguration", KEY),
        refused("trainingRuns", TRAINED),
        dropped("bestTrialId"),
        dropped("creationTime"),
        dropped("defaultTrialId"),
        dropped("etag"),
        dropped("featureColumns"),
        dropped("hparamSearchSpaces"),
        dropped("hparamTrials"),
        dropped("labelColumns"),
        dropped("lastModifiedTime"),
        dropped("location"),
        dropped("modelType"),
        dropped("optimalTrialIds"),
        dropped("remoteModelInfo"),
        dropped("transformColumns"),
    ],
};

pub fn model(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let mut body = object(&MODEL, call)?;
    reference(&mut body, call.matched, "modelReference", &["projectId", "datasetId", "modelId"], false)?;
    // The model goes when its time is over: as if it were deleted.
    let also = says(&body, "expirationTime").then(|| ("models.delete".to_owned(), resource(call.matched)));
    Ok(Decoded { body: Some(body), also: also.into_iter().collect(), changes: vec![named(call.matched, "modelId")], ..Decoded::default() })
}
