//! A job, around what it does.

use super::super::shape::{COUNT, Field, Message, Shape, TEXT, dropped, kept};
use super::load::LOAD;
use super::query::QUERY;
use super::transfer::{COPY, EXTRACT};

/// BigQuery takes 64 of a job. The rest is for those that tie a job to its record.
pub(super) const LABELS_MAX: usize = 56;

pub(super) const LABELS: Shape = Shape::Texts(LABELS_MAX);
pub(super) const TIMEOUT: Shape = Shape::Long { least: 0 };

pub(in super::super) static JOB: Message = Message {
    name: "Job",
    fields: &[
        kept("jobReference", Shape::Object(&JOB_REFERENCE)),
        kept("configuration", Shape::Object(&CONFIGURATION)),
        dropped("etag"),
        dropped("id"),
        dropped("jobCreationReason"),
        dropped("kind"),
        dropped("principal_subject"),
        dropped("selfLink"),
        dropped("statistics"),
        dropped("status"),
        dropped("user_email"),
    ],
};

static JOB_REFERENCE: Message =
    Message { name: "JobReference", fields: &[kept("projectId", TEXT), kept("jobId", TEXT), kept("location", TEXT)] };

static CONFIGURATION: Message = Message {
    name: "JobConfiguration",
    fields: &[
        kept("copy", Shape::Object(&COPY)),
        kept("extract", Shape::Object(&EXTRACT)),
        kept("load", Shape::Object(&LOAD)),
        kept("query", Shape::Object(&QUERY)),
        DRY_RUN,
        JOB_TIMEOUT,
        JOB_LABELS,
        MAX_SLOTS,
        RESERVATION,
        dropped("jobType"),
    ],
};

pub(super) const DRY_RUN: Field = kept("dryRun", Shape::Flag);
pub(super) const JOB_LABELS: Field = kept("labels", LABELS);
pub(super) const JOB_TIMEOUT: Field = kept("jobTimeoutMs", TIMEOUT);
pub(super) const MAX_SLOTS: Field = kept("maxSlots", COUNT);
pub(super) const RESERVATION: Field = kept("reservation", TEXT);

/// The fields of a configuration that stand beside what the job does, in the order in which they are sent.
pub(in super::super) const OF_ANY_JOB: [&str; 5] = ["dryRun", "jobTimeoutMs", "labels", "maxSlots", "reservation"];
