//! `sluice lockdown`: what to set in Google Cloud so that the gateway is the only way to the data.

mod gcloud;
mod given;
mod terraform;

use super::Failure;
use clap::{Args, ValueEnum};
use given::Given;
use std::process::ExitCode;

/// Print what makes the gateway the only way to a project's data: as Terraform, or as commands of gcloud. Nothing is changed.
///
/// Six layers, in the order in which they are printed:
///
///   find       commands that list who has access now; they change nothing
///   roles      BigQuery's roles for the gateway's account
///   denial     a deny policy for everybody else
///   keys       no new keys for service accounts
///   members    nobody from other organizations; needs --organization
///   perimeter  VPC Service Controls; needs --access-policy
///
/// A layer that cannot be set with what was given is printed as `NOT SET`.
///
/// What is not covered stands at the end of what is printed: read it. None of it was ever run
/// against Google Cloud; read it before it is applied.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  sluice lockdown --project acme-prod --gateway-account gateway@acme-ops.iam.gserviceaccount.com \\
      --organization 123456789012 --access-policy 987654321 > lockdown.tf
  sluice lockdown --project acme-prod --gateway-account gateway@acme-ops.iam.gserviceaccount.com --as gcloud"
)]
pub struct Lockdown {
    /// The project with the data
    #[arg(long, value_name = "PROJECT")]
    project: String,
    /// The address of the service account that the gateway calls BigQuery as
    #[arg(long, value_name = "ACCOUNT")]
    gateway_account: String,
    /// The organization's number: its policies are set there, and not for the project alone
    #[arg(long, value_name = "NUMBER")]
    organization: Option<String>,
    /// The number of the organization's access policy, that the perimeter is made in
    #[arg(long, value_name = "NUMBER")]
    access_policy: Option<String>,
    /// In which language
    #[arg(long = "as", value_name = "LANGUAGE", default_value = "terraform")]
    language: Language,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Gcloud,
    Terraform,
}

pub fn run(lockdown: &Lockdown) -> Result<ExitCode, Failure> {
    let given = Given::new(lockdown)?;
    print!("{}", text(&given, lockdown.language));
    Ok(ExitCode::SUCCESS)
}

fn text(given: &Given, language: Language) -> String {
    let (head, iam, keys, members, perimeter) = match language {
        Language::Gcloud => (gcloud::HEAD, gcloud::IAM, gcloud::KEYS, gcloud::MEMBERS, gcloud::PERIMETER),
        Language::Terraform => (terraform::HEAD, terraform::IAM, terraform::KEYS, terraform::MEMBERS, terraform::PERIMETER),
    };
    let members = if given.organization.is_some() { members } else { NO_ORGANIZATION };
    let perimeter = if given.access_policy.is_some() { perimeter } else { NO_PERIMETER };
    let whole = [head, FIND, iam, keys, members, perimeter, NOT_COVERED].map(str::trim_start).join("\n");
    let organization = given.organization.as_deref().unwrap_or_default();
    let policy = given.access_policy.as_deref().unwrap_or_default();
    [
        ("@PARENT@", given.parent().as_str()),
        ("@PROJECT@", given.project.as_str()),
        ("@ACCOUNT@", given.account.as_str()),
        ("@ORGANIZATION@", organization),
        ("@POLICY@", policy),
    ]
    .into_iter()
    .fold(whole, |text, (name, value)| text.replace(name, value))
}

const FIND: &str = r"
# Who has access now. Run these first, and look at every line: bindings of folders and of the organization reach the project too.
#   gcloud projects get-ancestors-iam-policy @PROJECT@
#   gcloud asset search-all-iam-policies --scope=@PARENT@ --query='policy.role.permissions:bigquery.tables.getData'
#   gcloud asset search-all-iam-policies --scope=@PARENT@ --query='policy:roles/bigquery'
# Whoever may speak for the gateway's account is the gateway:
#   gcloud iam service-accounts get-iam-policy @ACCOUNT@
#   gcloud iam service-accounts keys list --iam-account=@ACCOUNT@ --managed-by=user
# To take one away:
#   gcloud projects remove-iam-policy-binding @PROJECT@ --member=MEMBER --role=ROLE
";

const NO_ORGANIZATION: &str = r"
# NOT SET: members from outside of the organization. Give --organization.
";

const NO_PERIMETER: &str = r"
# NOT SET: the perimeter. Give --access-policy. Without it a stolen token of the gateway's account reads the data from anywhere.
";

const NOT_COVERED: &str = r"
# Not covered:
# - Owners of the project and administrators of the organization can undo all of it. Watch the audit log for changes of IAM, of policies and of the perimeter.
# - Other projects: authorized views and datasets, linked datasets, copies and exports that exist already, buckets that tables are loaded from.
# - Calls from networks of the project itself are inside of the perimeter. IAM and the deny policy have to stop them.
# - Keys of service accounts that were made before stay valid: the policies do not look back. Delete them.
# - Accounts that the gateway impersonates for its callers: each needs the same roles, the same exception and the same way in.
# - Services that read for others (transfers, scheduled queries, dashboards, notebooks) are denied too, and have to come through the gateway.
# - The Storage API is below bigquery.googleapis.com for some settings and has a name of its own for others. If its name is refused, ask
#   gcloud access-context-manager supported-services describe bigquerystorage.googleapis.com
# - Whoever runs the machine of the gateway has what the gateway has.
# None of this was ever run against Google Cloud.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn given(whole: bool) -> Given {
        Given {
            project: "acme-prod".to_owned(),
            account: "gateway@acme-ops.iam.gserviceaccount.com".to_owned(),
            organization: whole.then(|| "123456789012".to_owned()),
            access_policy: whole.then(|| "987654321".to_owned()),
        }
    }

    fn check(language: Language, whole: bool, expect: &[&str], never: &[&str]) {
        let text = text(&given(whole), language);
        for expect in expect {
            assert!(text.contains(expect), "`{expect}` is not in\n{text}");
        }
        for never in never.iter().chain(&["@PROJECT@", "@ACCOUNT@", "@PARENT@", "@ORGANIZATION@", "@POLICY@"]) {
            assert!(!text.contains(never), "`{never}` is in\n{text}");
        }
    }

    /// The help, the page of the documents and what is printed speak of the same layers, in the same order.
    #[test]
    fn the_help_names_the_layers_that_are_printed() {
        let named = |text: &str, before: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(before));
            lines.filter_map(|line| line.split_once([' ', '|']).map(|(word, _)| word.to_owned())).collect()
        };
        let mut help = Lockdown::augment_args(clap::Command::new("lockdown"));
        let help = named(&help.render_long_help().to_string(), "  ");
        let page = include_str!("../../../../../docs/lockdown.md");
        let (_, page) = page.split_once("|---|---|---|\n").unwrap();
        let page: Vec<String> = named(page.split("\n\n").next().unwrap(), "| ");
        let layers: Vec<&String> = help.iter().filter(|word| page.contains(word)).collect();
        assert_eq!(page.len(), 6);
        assert_eq!(layers, page.iter().collect::<Vec<_>>());
        for (language, places) in [
            (
                Language::Terraform,
                [
                    "search-all-iam-policies",
                    "google_project_iam_binding",
                    "google_iam_deny_policy",
                    "disableServiceAccountKeyCreation",
                    "is:principalSet",
                    "service_perimeter\"",
                ],
            ),
            (
                Language::Gcloud,
                [
                    "search-all-iam-policies",
                    "add-iam-policy-binding",
                    "iam policies create",
                    "disableServiceAccountKeyCreation",
                    "is:principalSet",
                    "perimeters create",
                ],
            ),
        ] {
            let text = text(&given(true), language);
            let found: Vec<Option<usize>> = places.iter().map(|place| text.find(place)).collect();
            assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{places:?} at {found:?}");
        }
    }

    #[test]
    fn terraform_sets_each_layer() {
        let layers = [
            "resource \"google_project_iam_binding\" \"sluice\"",
            "\"serviceAccount:gateway@acme-ops.iam.gserviceaccount.com\"",
            "resource \"google_iam_deny_policy\" \"sluice\"",
            "\"principal://iam.googleapis.com/projects/-/serviceAccounts/gateway@acme-ops.iam.gserviceaccount.com\"",
            "iam.managed.disableServiceAccountKeyCreation",
            "# Not covered:",
        ];
        check(Language::Terraform, true, &layers, &["NOT SET"]);
        check(
            Language::Terraform,
            true,
            &[
                "organizations/123456789012/policies/",
                "is:principalSet://iam.googleapis.com/organizations/123456789012",
                "resource \"google_access_context_manager_service_perimeter\" \"sluice\"",
                "accessPolicies/987654321/servicePerimeters/sluice",
                "[\"bigquery.googleapis.com\", \"bigquerystorage.googleapis.com\"]",
            ],
            &["identity_type"],
        );
        check(Language::Terraform, false, &layers, &["organizations/", "service_perimeter\""]);
        check(Language::Terraform, false, &["NOT SET: the perimeter", "NOT SET: members", "projects/acme-prod/policies/"], &[]);
    }

    #[test]
    fn gcloud_sets_each_layer() {
        let layers = [
            "--member='serviceAccount:gateway@acme-ops.iam.gserviceaccount.com'",
            "gcloud iam policies create sluice",
            "gcloud org-policies set-policy",
            "iam.managed.disableServiceAccountKeyCreation",
            "# Not covered:",
        ];
        check(Language::Gcloud, true, &layers, &["NOT SET"]);
        check(
            Language::Gcloud,
            true,
            &[
                "gcloud access-context-manager perimeters create sluice --policy=987654321",
                "--restricted-services=bigquery.googleapis.com,bigquerystorage.googleapis.com",
                "is:principalSet://iam.googleapis.com/organizations/123456789012",
            ],
            &["identityType"],
        );
        check(Language::Gcloud, false, &layers, &["perimeters create", "organizations/"]);
    }
}
